/* Boot phases upwards, stopping downwards: what starts when, and what may end before what. */
#include <string.h>

#include "core/base/own.h"
#include "core/sup/internal.h"

static const char *name_of(const struct service *service)
{
    return service->package->manifest.name;
}

/* Will it not run in this boot? Services that wait for each other in a circle never will. */
static bool given_up(struct service *service)
{
    char *const *names = service->package->manifest.requires;
    bool never = false;

    if (service->asked)
        return true;
    if (!service->wanted || service->state == SERVICE_FAILED || service->state == SERVICE_DISABLED)
        return true;
    if (service->state != SERVICE_RUNNING &&
        (service->late || service->restart.streak >= GIVEN_UP_AFTER))
        return true;
    if (!service->waiting || service->sup->held)
        return false;
    service->asked = true;
    for (; *names && !never; names++) {
        struct service *other = supervisor_find(service->sup, *names);

        never = !other || given_up(other);
    }
    service->asked = false;
    return never;
}

/* A feature that was given up is a feature less. Without a service of the phases before, the
 * appliance does not do what it is there for, and is not called operational. */
bool service_holds_boot(const struct service *service)
{
    const struct supervisor *sup = service->sup;
    const struct manifest *m = &service->package->manifest;

    return sup->phase < PHASE_OPERATIONAL && service->wanted && service->state != SERVICE_RUNNING &&
           service->package->shipped && (m->phase <= PHASE_CONTROL || m->phase <= sup->phase);
}

/* Services of the phases before the features must run; a person's stop is a wish, not a failure. */
static bool may_be_operational(const struct supervisor *sup)
{
    for (unsigned i = 0; i < sup->count; i++)
        if (sup->services[i]->package->manifest.phase <= PHASE_CONTROL &&
            service_holds_boot(sup->services[i]))
            return false;
    return true;
}

/* Packages of third parties are waited for by nobody. */
static bool phase_done(const struct supervisor *sup, enum boot_phase phase)
{
    for (unsigned i = 0; i < sup->count; i++) {
        struct service *s = sup->services[i];

        if (s->package->shipped && s->package->manifest.phase <= phase &&
            s->state != SERVICE_RUNNING && !given_up(s))
            return false;
    }
    return true;
}

static void next_phase(struct supervisor *sup)
{
    sup->phase++;
    sup->phase_ms[sup->phase] = now_ms() - sup->started_ms;
    log_info(sup->log, "boot.phase", KV("phase", phase_name(sup->phase)),
             KV("ms", sup->phase_ms[sup->phase]));
    if (sup->setup.on_phase)
        sup->setup.on_phase(sup->setup.arg, sup->phase);
}

/* Does a service this phase waits for still say that its start goes on? */
static bool goes_on(const struct supervisor *sup)
{
    uint64_t now = now_ms();

    if (now - sup->started_ms - sup->phase_ms[sup->phase] > BOOT_WORK_MS)
        return false;
    for (unsigned i = 0; i < sup->count; i++) {
        const struct service *s = sup->services[i];

        if (s->package->shipped && s->package->manifest.phase <= sup->phase &&
            s->state == SERVICE_STARTING && s->worker && s->worker->progress_ms &&
            now - s->worker->progress_ms < BOOT_PHASE_MS)
            return true;
    }
    return false;
}

static void on_phase_late(uv_timer_t *timer)
{
    struct supervisor *sup = container_of(timer, struct supervisor, phase_timer);

    if (sup->phase == PHASE_OPERATIONAL || sup->stopping || goes_on(sup))
        return;
    if (sup->phase == PHASE_FEATURES && !may_be_operational(sup))
        return; /* supervisor_consider goes on once they run */
    log_warn(sup->log, "boot.phase-late", KV("phase", phase_name(sup->phase)));
    next_phase(sup);
    uv_timer_again(timer);
    supervisor_consider(sup);
}

/* ---- stopping ---- */

static bool has_live_dependant(const struct service *service)
{
    for (unsigned i = 0; i < service->sup->count; i++) {
        const struct service *s = service->sup->services[i];

        if (s->worker && strings_have(s->package->manifest.requires, name_of(service)))
            return true;
    }
    return false;
}

static void stop_some(struct supervisor *sup)
{
    unsigned alive = 0;

    for (unsigned i = 0; i < sup->count; i++) {
        struct service *s = sup->services[i];

        s->wanted = s->again = false;
        if (!s->worker || !has_live_dependant(s))
            service_event(s, EVENT_STOP);
        alive += s->worker != NULL;
    }
    if (alive || sup->stopped_told)
        return;
    sup->stopped_told = true;
    sup->setup.on_stopped(sup->setup.arg);
}

/* Something changed: start what waited for it, advance the boot, go on stopping. */
void supervisor_consider(struct supervisor *sup)
{
    if (sup->stopping) {
        stop_some(sup);
        return;
    }
    for (unsigned i = 0; i < sup->count; i++) {
        struct service *s = sup->services[i];

        if (s->waiting && !s->worker && !service_missing(s))
            service_spawn(s);
    }
    while (sup->phase < PHASE_OPERATIONAL && phase_done(sup, sup->phase) &&
           (sup->phase < PHASE_FEATURES || may_be_operational(sup)))
        next_phase(sup);
    if (sup->phase == PHASE_OPERATIONAL)
        uv_timer_stop(&sup->phase_timer);
}

void supervisor_release(struct supervisor *sup)
{
    if (!sup->held)
        return;
    sup->held = false;
    supervisor_consider(sup);
}

/* However many of them wait for each other, and whatever time their limits give each. */
static void on_stop_late(uv_timer_t *timer)
{
    struct supervisor *sup = container_of(timer, struct supervisor, phase_timer);

    for (unsigned i = 0; i < sup->count; i++)
        if (sup->services[i]->worker && !sup->services[i]->package->shipped)
            worker_kill(sup->services[i]->worker, "the host stops and does not wait for it");
}

void supervisor_stop(struct supervisor *sup)
{
    sup->stopping = true;
    uv_timer_start(&sup->phase_timer, on_stop_late, STOP_OTHERS_MS, 0);
    stop_some(sup);
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

/* What the configuration says, or the manifest where it says nothing. */
bool service_enabled(const struct service *service)
{
    if (service->sup->setup.shipped_only && !service->package->shipped)
        return false;
    if (service_lacks(service))
        return false;
    return service->enabled < 0 ? service->package->manifest.enabled : service->enabled;
}

void supervisor_start(struct supervisor *sup)
{
    sup->started_ms = now_ms();
    uv_timer_start(&sup->phase_timer, on_phase_late, BOOT_PHASE_MS, BOOT_PHASE_MS);
    for (unsigned i = 0; i < sup->count; i++) {
        struct service *s = sup->services[i];

        s->wanted = service_enabled(s);
        if (s->wanted)
            service_event(s, EVENT_START);
    }
    supervisor_consider(sup);
}
