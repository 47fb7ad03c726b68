/* The supervisor as a whole: made from the packages, settled once per turn. */
#include "core/sup/supervisor.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "core/base/xalloc.h"
#include "core/sup/boot.h"
#include "core/sup/supervisor_internal.h"

struct service *supervisor_find(struct supervisor *sup, const char *name)
{
    for (unsigned i = 0; i < sup->count; i++)
        if (!strcmp(service_name(sup->services[i]), name))
            return sup->services[i];
    return NULL;
}

int supervisor_lookup(struct supervisor *sup, const char *name, struct service **ret_service,
                      struct orb_err *err)
{
    struct service *service = supervisor_find(sup, name);
    const char *names[PACKAGE_MAX];
    AUTO(buf) struct buf all = {0};
    const char *near;

    if (service) {
        if (ret_service)
            *ret_service = service;
        return 0;
    }
    for (unsigned i = 0; i < sup->count; i++) {
        names[i] = service_name(sup->services[i]);
        buf_addf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    near = suggest_nearest(name, names, sup->count);
    return orb_fail(err, ORB_E_NOT_FOUND, "no service \"%s\"; there are: %s%s%s%s", name,
                    buf_str(&all), SUGGEST_ARGS(near));
}

enum boot_phase supervisor_phase(const struct supervisor *sup)
{
    return sup->phase;
}

/* ---- settling ---- */

static void tick_service(struct service *service)
{
    struct supervisor *sup = service->sup;
    const struct manifest *m = &service->package->manifest;
    uint64_t now = supervisor_now(sup);

    if (service->next_ms && now >= service->next_ms)
        service_event(service, service->state == MACHINE_FAILED ? EVENT_PROBE : EVENT_RETRY, NULL);
    if (service->state == MACHINE_RUNNING && restart_settle(&service->restart, m, now))
        log_notice(sup->host.log, "service.breaker-closed", KV("service", m->name));
}

void supervisor_tick(struct supervisor *sup)
{
    for (unsigned i = 0; i < sup->count && !sup->stopping; i++)
        tick_service(sup->services[i]);
    supervisor_changed(sup); /* phases have deadlines as well, and there is a next one */
}

/* A start that was put off until the worker had ended. */
static void start_again(struct service *service)
{
    if (!service->again || service->state != MACHINE_DISABLED)
        return;
    restart_reset(&service->restart);
    service_event(service, EVENT_START, NULL);
}

static void tell_dependants(struct service *gone)
{
    struct supervisor *sup = gone->sup;

    gone->gone = false;
    for (unsigned i = 0; i < sup->count; i++)
        for (struct service **r = sup->services[i]->requires; *r; r++)
            if (*r == gone && sup->services[i]->state == MACHINE_RUNNING)
                log_notice(sup->host.log, "service.dependency-gone",
                           KV("service", service_name(sup->services[i])),
                           KV("dependency", service_name(gone)));
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return !a || (b && b < a) ? b : a;
}

static void plan_wake(struct supervisor *sup)
{
    uint64_t at = boot_due(sup);

    for (unsigned i = 0; i < sup->count; i++) {
        const struct service *s = sup->services[i];

        at = sooner(at, s->next_ms);
        if (s->state == MACHINE_RUNNING)
            at = sooner(at, restart_settles_at(&s->restart, &s->package->manifest));
    }
    sup->host.wake(sup->host.arg, at);
}

void supervisor_settle(struct supervisor *sup)
{
    if (sup->stopped_told)
        return;
    for (unsigned i = 0; i < sup->count; i++) {
        if (!sup->stopping)
            start_again(sup->services[i]);
        if (sup->services[i]->gone)
            tell_dependants(sup->services[i]);
    }
    if (!sup->stopping)
        boot_settle(sup);
    else if (boot_settle_stop(sup))
        sup->stopped_told = true;
    plan_wake(sup);
    if (sup->stopped_told)
        sup->setup.on_stopped(sup->setup.arg);
}

/* ---- orders of the host ---- */

void supervisor_start(struct supervisor *sup)
{
    sup->started_ms = supervisor_now(sup);
    for (unsigned i = 0; i < sup->count; i++) {
        struct service *s = sup->services[i];

        s->wanted = service_enabled(s);
        if (s->wanted)
            service_event(s, EVENT_START, NULL);
    }
    supervisor_changed(sup);
}

void supervisor_release(struct supervisor *sup)
{
    if (!sup->held)
        return;
    sup->held = false;
    supervisor_changed(sup);
}

void supervisor_lacks(struct supervisor *sup, const char *what)
{
    sup->lacks = what;
    supervisor_changed(sup);
}

void supervisor_stop(struct supervisor *sup)
{
    sup->stopping = true;
    supervisor_changed(sup);
}

/* ---- start and end ---- */

static const struct contract *find_contract(const struct supervisor *sup, const char *name,
                                            size_t len)
{
    for (unsigned i = 0; sup->setup.builtin[i]; i++) {
        const char *have = contract_interface(sup->setup.builtin[i]);

        if (strlen(have) == len && !strncmp(have, name, len))
            return sup->setup.builtin[i];
    }
    for (unsigned i = 0; i < sup->count; i++) {
        const struct contract *contract = sup->services[i]->package->contract;
        const char *have = contract_interface(contract);

        if (strlen(have) == len && !strncmp(have, name, len))
            return contract;
    }
    return NULL;
}

/* Do the interfaces the manifest uses exist, in a version that fits: same major, at least the
 * minor? What does not is written to misfit. */
static void check_uses(struct service *service)
{
    struct orb_err err = {0};

    for (char *const *uses = service->package->manifest.uses; *uses && !err.code; uses++) {
        size_t len = strcspn(*uses, "@");
        const struct contract *contract = find_contract(service->sup, *uses, len);
        unsigned want_major = 0, want_minor = 0, major = 0, minor = 0;

        if (!contract) {
            orb_fail(&err, ORB_E_VERSION, "%s uses %s, which no installed package provides",
                     service_name(service), *uses);
            break;
        }
        sscanf(*uses + len, "@%u.%u", &want_major, &want_minor);
        sscanf(contract_version(contract), "%u.%u", &major, &minor);
        if (major != want_major || minor < want_minor)
            orb_fail(&err, ORB_E_VERSION, "%s uses %s; installed is %.*s %u.%u",
                     service_name(service), *uses, (int)len, *uses, major, minor);
    }
    snprintf(service->misfit, sizeof(service->misfit), "%s", err.text);
}

/* Names to services: packages do not change as long as the daemon runs. */
static void resolve(struct service *service)
{
    char *const *names = service->package->manifest.requires;
    unsigned count = 0;

    while (names[count])
        count++;
    service->requires = xcalloc(count + 1, sizeof(*service->requires));
    count = 0;
    for (; *names; names++) {
        struct service *other = supervisor_find(service->sup, *names);

        if (other)
        service->requires[count++] = other;
        else if (!service->absent) service->absent = *names;
    }
    check_uses(service);
}

static int add(struct supervisor *sup, const struct package *package, struct orb_err *err)
{
    struct service *service = service_new(sup, package);
    int r;

    sup->services[sup->count++] = service;
    if (package->phase_raised)
        log_warn(sup->host.log, "service.phase-ignored", KV("service", package->manifest.name),
                 KV("asked", manifest_phase_name(package->asked_phase)),
                 KV("phase", manifest_phase_name(package->manifest.phase)));
    r = service_plan(service, err);
    if (r == 0)
        service_hold_ports(service);
    return r;
}

int supervisor_new(const struct supervisor_setup *setup, const struct supervisor_host *host,
                   struct supervisor **ret_supervisor, struct orb_err *err)
{
    struct supervisor *sup = xcalloc(1, sizeof(*sup));
    int r = 0;

    sup->setup = *setup;
    sup->host = *host;
    sup->held = true;
    for (unsigned i = 0; r == 0 && i < setup->packages->count; i++)
        r = add(sup, setup->packages->items[i], err);
    if (r < 0) {
        supervisor_free(sup);
        return r;
    }
    for (unsigned i = 0; i < sup->count; i++)
        resolve(sup->services[i]);
    *ret_supervisor = sup;
    return 0;
}

void supervisor_free(struct supervisor *sup)
{
    for (unsigned i = 0; sup && i < sup->count; i++)
        service_free(sup->services[i]);
    free(sup);
}
