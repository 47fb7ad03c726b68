/* The supervisor's own life: services made from packages, plans made from grants, memory. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/sup/internal.h"

int service_replan(struct service *service, struct orb_err *err)
{
    AUTO_FREE char *state_root = xasprintf("%s/services", service->sup->setup.state_dir);
    const char *lowered;
    struct limits limits = limits_in_force(service->package, &service->bounds, &lowered);
    struct plan_context context = {
        .instance = service->sup->setup.instance,
        .state_root = state_root,
        .limits = limits,
    };
    struct plan plan;
    char **capabilities;
    int r = package_plan(service->package, (const char *const *)service->grants, &context, &plan,
                         &capabilities, err);

    if (r < 0)
        return r;
    plan_fini(&service->plan);
    strings_free(service->capabilities);
    service->plan = plan;
    if (lowered && memcmp(&limits, &service->limits, sizeof limits))
        log_notice(service->sup->log, "service.limits-lowered",
                   KV("service", service->package->manifest.name), KV("limit", lowered));
    service->limits = limits;
    logs_limit(service->sup->setup.logs, service->package->manifest.name, limits.log_rate);
    if (service->sup->setup.metrics)
        metrics_limit(service->sup->setup.metrics, service->package->manifest.name,
                      &(struct metrics_limits){.names = limits.metrics,
                                               .rate = limits.metric_rate,
                                               .first = service->package->shipped});
    if (service->worker && service->worker->peer)
        peer_limit(service->worker->peer, limits.queue_bytes, limits.requests);
    service->capabilities = capabilities;
    return 0;
}

void service_hold_ports(struct service *service)
{
    struct supervisor *sup = service->sup;
    struct orb_err err = {0};

    if (!service_enabled(service))
        sandbox_release(sup->setup.sandbox, service->package->manifest.name);
    else if (sandbox_hold(sup->setup.sandbox, &service->plan, &err) < 0)
        log_error(sup->log, "service.port-not-held", KV("service", service->package->manifest.name),
                  KV("error", err.text));
}

void supervisor_put(struct supervisor *sup)
{
    if (--sup->open_scopes)
        return;
    free(sup);
}

static void on_service_closed(struct loop_scope *scope)
{
    struct service *service = container_of(scope, struct service, scope);
    struct supervisor *sup = service->sup;

    plan_fini(&service->plan);
    strings_free(service->capabilities);
    strings_free(service->grants);
    buf_fini(&service->attested);
    problems_fini(&service->problems);
    for (unsigned i = 0; i < CRASHES_KEPT; i++)
        free(service->crashes[i].json);
    free(service);
    supervisor_put(sup);
}

static void on_supervisor_closed(struct loop_scope *scope)
{
    supervisor_put(container_of(scope, struct supervisor, scope));
}

void supervisor_close(struct supervisor *sup)
{
    if (!sup)
        return;
    for (unsigned i = 0; i < sup->count; i++)
        loop_scope_close(&sup->services[i]->scope);
    loop_scope_close(&sup->scope);
}

int supervisor_new(const struct supervisor_setup *setup, struct supervisor **ret_supervisor,
                   struct orb_err *err)
{
    struct supervisor *sup = xcalloc(1, sizeof *sup);
    int r = 0;

    sup->setup = *setup;
    sup->log = logs_sink(setup->logs);
    sup->open_scopes = 1;
    sup->held = true;
    loop_scope_init(&sup->scope, on_supervisor_closed);
    uv_timer_init(setup->loop, &sup->phase_timer);
    loop_scope_adopt(&sup->scope, (uv_handle_t *)&sup->phase_timer);
    uv_timer_init(setup->loop, &sup->quota_timer);
    loop_scope_adopt(&sup->scope, (uv_handle_t *)&sup->quota_timer);
    uv_unref((uv_handle_t *)&sup->quota_timer);
    for (unsigned i = 0; r == 0 && i < setup->packages->count; i++) {
        struct service *service = xcalloc(1, sizeof *service);

        service->sup = sup;
        service->package = setup->packages->items[i];
        service->enabled = -1;
        service->state = SERVICE_DISABLED;
        service->since_ms = now_ms();
        loop_scope_init(&service->scope, on_service_closed);
        uv_timer_init(setup->loop, &service->timer);
        loop_scope_adopt(&service->scope, (uv_handle_t *)&service->timer);
        sup->services[sup->count++] = service;
        sup->open_scopes++;
        if (service->package->phase_raised)
            log_warn(sup->log, "service.phase-ignored",
                     KV("service", service->package->manifest.name),
                     KV("asked", phase_name(service->package->asked_phase)),
                     KV("phase", phase_name(service->package->manifest.phase)));
        if (!service->package->shipped) {
            service->grants = xcalloc(1, sizeof *service->grants); /* nothing until granted */
            service->enabled = 0;
        }
        r = service_replan(service, err);
        if (r == 0)
            service_hold_ports(service);
    }
    if (r < 0) {
        supervisor_close(sup);
        return r;
    }
    *ret_supervisor = sup;
    return 0;
}

enum boot_phase supervisor_phase(const struct supervisor *sup)
{
    return sup->phase;
}
