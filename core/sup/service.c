/* One service: what its events do. */
#include "core/sup/service.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/strings.h"
#include "core/base/xalloc.h"
#include "core/sup/supervisor_internal.h"

struct service *service_new(struct supervisor *sup, const struct package *package)
{
    struct service *service = xcalloc(1, sizeof(*service));

    service->sup = sup;
    service->package = package;
    service->spec.name = package->manifest.name;
    service->spec.contract = package->contract;
    service->spec.shipped = package->shipped;
    service->state = MACHINE_DISABLED;
    service->shown = SERVICE_DISABLED;
    service->since_ms = supervisor_now(sup);
    service->enabled = -1;
    if (!package->shipped) {
        service->grants = xcalloc(1, sizeof(*service->grants)); /* nothing until granted */
        service->enabled = 0;
    }
    return service;
}

void service_free(struct service *service)
{
    if (!service)
        return;
    free(service->requires);
    launch_plan_fini(&service->spec.plan);
    strings_free(service->spec.capabilities);
    strings_free(service->grants);
    buf_fini(&service->attested);
    problems_fini(&service->problems);
    crash_log_fini(&service->crashes);
    free(service);
}

const char *service_name(const struct service *service)
{
    return service->package->manifest.name;
}

/* ---- configuration ---- */

int service_plan(struct service *service, struct orb_err *err)
{
    struct supervisor *sup = service->sup;
    AUTO_FREE char *state_root = buf_format("%s/services", sup->setup.state_dir);
    const char *lowered;
    struct limits limits = limits_in_force(service->package, &service->bounds, &lowered);
    struct package_plan_context context = {
        .instance = sup->setup.instance,
        .state_root = state_root,
        .limits = limits,
    };
    struct launch_plan plan;
    char **capabilities;
    int r = package_plan(service->package, (const char *const *)service->grants, &context, &plan,
                         &capabilities, err);

    if (r < 0)
        return r;
    launch_plan_fini(&service->spec.plan);
    strings_free(service->spec.capabilities);
    service->spec.plan = plan;
    service->spec.capabilities = capabilities;
    if (lowered && memcmp(&limits, &service->spec.limits, sizeof(limits)))
        log_notice(sup->host.log, "service.limits-lowered", KV("service", service_name(service)),
                   KV("limit", lowered));
    service->spec.limits = limits;
    sup->host.limited(sup->host.arg, service);
    return 0;
}

const char *service_lacks(const struct service *service)
{
    const char *absent = service->sup->setup.absent;
    size_t len = absent ? strlen(absent) : 0;

    for (char *const *uses = service->package->manifest.uses; absent && *uses; uses++)
        if (!strncmp(*uses, absent, len) && (*uses)[len] == '@')
            return absent;
    return NULL;
}

bool service_enabled(const struct service *service)
{
    if (service->sup->setup.shipped_only && !service->package->shipped)
        return false;
    if (service_lacks(service))
        return false;
    return service->enabled < 0 ? service->package->manifest.enabled : service->enabled;
}

void service_hold_ports(const struct service *service)
{
    const struct supervisor_host *host = &service->sup->host;

    host->ports(host->arg, service, service_enabled(service));
}

const char *service_missing(const struct service *service)
{
    if (service->sup->held && service->package->manifest.phase > PHASE_EARLY)
        return "the configuration";
    for (unsigned i = 0; service->requires[i]; i++)
        if (service->requires[i] -> state != MACHINE_RUNNING)
            return service_name(service->requires[i]);
    return service->absent;
}

/* ---- state ---- */

const char *service_degraded(const struct service *service)
{
    if (service->degraded[0] || !service->problems.count)
        return service->degraded;
    return service->problems.items[0].what;
}

void service_health_changed(struct service *service)
{
    const struct supervisor_setup *setup = &service->sup->setup;

    if (setup->on_health)
        setup->on_health(setup->arg, service_name(service));
}

/* ---- the actions of the table ---- */

static void spawn(struct service *service)
{
    const struct supervisor_host *host = &service->sup->host;
    struct orb_err err = {0};

    service->progress_ms = service->ready_ms = 0;
    buf_clear(&service->attested);
    if (service->misfit[0])
        snprintf(service->reason, sizeof(service->reason), "%s", service->misfit);
    else if (host->spawn(host->arg, service, &service->worker, &err) < 0)
        snprintf(service->reason, sizeof(service->reason), "%s", err.text);
}

static void open_worker(struct service *service)
{
    const struct supervisor_host *host = &service->sup->host;

    service->ready_ms = host->now_ms(host->arg);
    service->late = false;
    service->degraded[0] = '\0';
    restart_running(&service->restart, service->ready_ms);
    host->open(host->arg, service->worker);
}

static void act(struct service *service, enum machine_action action, const char *why)
{
    const struct supervisor_host *host = &service->sup->host;

    switch (action) {
    case ACT_PROBE:
        service->restart.breaker = BREAKER_HALF_OPEN;
        /* fallthrough */
    case ACT_RETRY:
        service->restart.restarts++;
        /* fallthrough */
    case ACT_DISARM:
        service->again = false;
        service->next_ms = 0;
        break;
    case ACT_SPAWN:
        spawn(service);
        break;
    case ACT_OPEN:
        open_worker(service);
        break;
    case ACT_KILL:
        host->kill(host->arg, service->worker, why);
        break;
    case ACT_STOP:
        host->stop(host->arg, service->worker);
        break;
    case ACT_AGAIN:
        service->again = true;
        break;
    case ACT_STOPPED:
        service->reason[0] = '\0';
        break;
    case ACT_ARM:
        service->next_ms = host->now_ms(host->arg) + service->wait_ms;
        break;
    case ACT_NONE:
    case ACT_GONE:
        break;
    case MACHINE_ACTIONS:
        abort();
    }
}

/* ---- the one way in ---- */

static void show(struct service *service, enum service_state shown)
{
    struct supervisor *sup = service->sup;

    if (service->shown == shown)
        return;
    log_info(sup->host.log, "service.state", KV("service", service_name(service)),
             KV("from", machine_state_name(service->shown)), KV("to", machine_state_name(shown)));
    service->shown = shown;
    service->since_ms = supervisor_now(sup);
    if (sup->setup.on_state)
        sup->setup.on_state(sup->setup.arg, service_name(service), shown);
}

void service_event(struct service *service, enum machine_event event, const char *why)
{
    struct machine_step step = machine_step(service->state, event);

    if (step.action == ACT_NONE)
        return;
    service->late = service->late || event == EVENT_LATE;
    if (event == EVENT_LATE || event == EVENT_UNHEALTHY)
        why = event == EVENT_LATE ? "not ready in time" : "no answer to ping in time";
    act(service, step.action, why);
    service->state = step.next;
    supervisor_changed(service->sup);
    show(service, machine_shown(step.next, service->shown));
}

/* ---- the end of a worker ---- */

static enum machine_event exit_event(struct service *service, bool clean)
{
    struct supervisor *sup = service->sup;

    if (!service->wanted || service->again || sup->stopping)
        return EVENT_EXIT_STOPPED;
    switch (restart_decide(&service->restart, &service->package->manifest, clean,
                           service->spec.limits.restarts, supervisor_now(sup),
                           sup->host.random(sup->host.arg), &service->wait_ms)) {
    case RESTART_AFTER:
        return EVENT_EXIT_RESTART;
    case RESTART_BREAKER:
        return EVENT_EXIT_BREAKER;
    case RESTART_NONE:
        break;
    }
    return clean ? EVENT_EXIT_FINISHED : EVENT_EXIT_FAILED;
}

void service_exited(struct service *service, const struct worker_exit *exit)
{
    struct supervisor *sup = service->sup;
    enum machine_event event;

    if (!exit->spawned && !exit->stopped)
        log_error(sup->host.log, "service.spawn-failed", KV("service", service_name(service)),
                  KV("error", exit->why));
    if (exit->spawned && !(exit->clean && exit->stopped))
        sup->host.crashed(sup->host.arg, service, exit);
    service->worker = NULL;
    service->pid = 0;
    problems_fini(&service->problems);
    event = exit_event(service, exit->clean);
    if (event != EVENT_EXIT_STOPPED) {
        snprintf(service->reason, sizeof(service->reason), "%s", exit->why);
        log_warn(sup->host.log, "service.ended", KV("service", service_name(service)),
                 KV("reason", exit->why),
                 KV("next", event == EVENT_EXIT_RESTART   ? "restart"
                            : event == EVENT_EXIT_BREAKER ? "breaker open"
                                                          : "stays down"),
                 KV("wait-ms", service->wait_ms));
        service->gone = true;
    }
    service_event(service, event, NULL);
}
