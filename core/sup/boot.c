/* See boot.h. */
#include "core/sup/boot.h"

#include <string.h>

#include "core/base/own.h"
#include "core/sup/supervisor_internal.h"

#define PHASE_MS 30000      /* a phase is given up after this long without progress */
#define WORK_MS 600000      /* and after this long with it */
#define FAILED_STARTS 2     /* in a row: then boot continues without the service */
#define STOP_OTHERS_MS 5000 /* packages of third parties, all together, when the host stops */

/* Will it not run in this boot? Services that wait for each other in a circle never will. */
static bool will_not_run(struct service *service)
{
    bool never = service->absent != NULL;

    if (service->visiting)
        return true;
    if (!service->wanted || service->shown == SERVICE_FAILED || service->shown == SERVICE_DISABLED)
        return true;
    if (service->shown != SERVICE_RUNNING &&
        (service->late || service->restart.streak >= FAILED_STARTS))
        return true;
    if (service->state != MACHINE_WAITING || service->sup->held)
        return false;
    service->visiting = true;
    for (unsigned i = 0; service->requires[i] && !never; i++)
        never = will_not_run(service->requires[i]);
    service->visiting = false;
    return never;
}

/* A feature that was given up is a feature less. Without a service of the phases before, the
 * appliance does not do what it is there for, and is not called operational. */
bool boot_held_by(const struct service *service)
{
    const struct supervisor *sup = service->sup;
    const struct manifest *m = &service->package->manifest;

    return sup->phase < PHASE_OPERATIONAL && service->wanted && service->shown != SERVICE_RUNNING &&
           service->package->shipped && (m->phase <= PHASE_CONTROL || m->phase <= sup->phase);
}

/* Services of the phases before the features must run; one a user stopped is not missed. */
static bool may_be_operational(const struct supervisor *sup)
{
    if (sup->lacks)
        return false;
    for (unsigned i = 0; i < sup->count; i++)
        if (sup->services[i]->package->manifest.phase <= PHASE_CONTROL &&
            boot_held_by(sup->services[i]))
            return false;
    return true;
}

/* The boot does not wait for packages of third parties. */
static bool phase_done(const struct supervisor *sup, enum boot_phase phase)
{
    for (unsigned i = 0; i < sup->count; i++) {
        struct service *s = sup->services[i];

        if (s->package->shipped && s->package->manifest.phase <= phase &&
            s->shown != SERVICE_RUNNING && !will_not_run(s))
            return false;
    }
    return true;
}

static void next_phase(struct supervisor *sup)
{
    sup->phase++;
    sup->phase_ms[sup->phase] = supervisor_now(sup) - sup->started_ms;
    log_info(sup->host.log, "boot.phase", KV("phase", manifest_phase_name(sup->phase)),
             KV("ms", sup->phase_ms[sup->phase]));
    if (sup->setup.on_phase)
        sup->setup.on_phase(sup->setup.arg, sup->phase);
}

/* Whether a service this phase waits for is still reporting progress of its start. */
static bool continues(const struct supervisor *sup)
{
    uint64_t now = supervisor_now(sup);

    if (now - sup->started_ms - sup->phase_ms[sup->phase] > WORK_MS)
        return false;
    for (unsigned i = 0; i < sup->count; i++) {
        const struct service *s = sup->services[i];

        if (s->package->shipped && s->package->manifest.phase <= sup->phase &&
            s->shown == SERVICE_STARTING && s->worker && s->progress_ms &&
            now - s->progress_ms < PHASE_MS)
            return true;
    }
    return false;
}

/* Is the present phase late, and can it be given up? One that cannot ends once its services run. */
static bool gives_up(struct supervisor *sup)
{
    uint64_t now = supervisor_now(sup);

    if (now < sup->phase_due_ms)
        return false;
    sup->phase_due_ms = now + PHASE_MS;
    return !continues(sup) && (sup->phase != PHASE_FEATURES || may_be_operational(sup));
}

static void settle_phases(struct supervisor *sup)
{
    if (!sup->phase_due_ms)
        sup->phase_due_ms = supervisor_now(sup) + PHASE_MS;
    if (gives_up(sup)) {
        log_warn(sup->host.log, "boot.phase-late", KV("phase", manifest_phase_name(sup->phase)));
        next_phase(sup);
    }
    while (sup->phase < PHASE_OPERATIONAL && phase_done(sup, sup->phase) &&
           (sup->phase < PHASE_FEATURES || may_be_operational(sup)))
        next_phase(sup);
}

static void start(struct service *service)
{
    const char *missing = service_missing(service);

    if (missing) {
        snprintf(service->reason, sizeof(service->reason), "waiting for %s", missing);
        return;
    }
    service_event(service, EVENT_SPAWN, NULL);
    if (!service->worker) {
        struct worker_exit exit = {.why = "", .ended_because = ""};
        char why[sizeof(service->reason)];

        memcpy(why, service->reason, sizeof(why));
        exit.why = why;
        service_exited(service, &exit);
    }
}

void boot_settle(struct supervisor *sup)
{
    for (unsigned i = 0; i < sup->count; i++)
        if (sup->services[i]->state == MACHINE_WAITING)
            start(sup->services[i]);
    if (sup->started_ms && sup->phase < PHASE_OPERATIONAL)
        settle_phases(sup);
}

/* ---- stopping ---- */

static bool has_running_dependant(const struct service *service)
{
    for (unsigned i = 0; i < service->sup->count; i++) {
        const struct service *s = service->sup->services[i];

        for (unsigned k = 0; s->worker && s->requires[k]; k++)
            if (s->requires[k] == service)
                return true;
    }
    return false;
}

/* However many of them wait for each other, and whatever time their limits give each. */
static void hurry_others(struct supervisor *sup)
{
    if (!sup->stop_due_ms)
        sup->stop_due_ms = supervisor_now(sup) + STOP_OTHERS_MS;
    if (supervisor_now(sup) < sup->stop_due_ms)
        return;
    sup->stop_due_ms = UINT64_MAX;
    for (unsigned i = 0; i < sup->count; i++)
        if (!sup->services[i]->package->shipped)
            service_event(sup->services[i], EVENT_FAULT, "the host stops and does not wait for it");
}

bool boot_settle_stop(struct supervisor *sup)
{
    bool running = false;

    hurry_others(sup);
    for (unsigned i = 0; i < sup->count; i++) {
        struct service *s = sup->services[i];

        s->wanted = s->again = false;
        if (!s->worker || !has_running_dependant(s))
            service_event(s, EVENT_STOP, NULL);
        running = running || s->worker;
    }
    return !running;
}

uint64_t boot_due(const struct supervisor *sup)
{
    if (sup->stopping)
        return sup->stop_due_ms == UINT64_MAX ? 0 : sup->stop_due_ms;
    return sup->phase < PHASE_OPERATIONAL ? sup->phase_due_ms : 0;
}
