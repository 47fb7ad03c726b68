/* One service: its dependencies, what it uses, and the actions of the state table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/sup/internal.h"

struct service *supervisor_find(struct supervisor *sup, const char *name)
{
    for (unsigned i = 0; i < sup->count; i++)
        if (!strcmp(sup->services[i]->package->manifest.name, name))
            return sup->services[i];
    return NULL;
}

static const char *name_of(const struct service *service)
{
    return service->package->manifest.name;
}

void service_set_state(struct service *service, enum service_state state)
{
    struct supervisor *sup = service->sup;

    if (service->state == state)
        return;
    log_info(sup->log, "service.state", KV("service", name_of(service)),
             KV("from", state_name(service->state)), KV("to", state_name(state)));
    service->state = state;
    service->since_ms = now_ms();
    if (sup->setup.on_state)
        sup->setup.on_state(sup->setup.arg, name_of(service), state);
}

void service_health_changed(struct service *service)
{
    if (service->sup->setup.on_health)
        service->sup->setup.on_health(service->sup->setup.arg, name_of(service));
}

const char *service_degraded(const struct service *service)
{
    if (service->degraded[0] || !service->problems.count)
        return service->degraded;
    return service->problems.items[0].what;
}

/* The first dependency that is not Running, NULL when all are. */
const char *service_missing(const struct service *service)
{
    char *const *names = service->package->manifest.requires;

    if (service->sup->held && service->package->manifest.phase > PHASE_EARLY)
        return "the configuration";
    for (; *names; names++) {
        const struct service *other = supervisor_find(service->sup, *names);

        if (!other || other->state != SERVICE_RUNNING)
            return *names;
    }
    return NULL;
}

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
 * minor? */
static int check_uses(const struct service *service, struct orb_err *err)
{
    for (char *const *uses = service->package->manifest.uses; *uses; uses++) {
        size_t len = strcspn(*uses, "@");
        const struct contract *contract = find_contract(service->sup, *uses, len);
        unsigned want_major = 0, want_minor = 0, major = 0, minor = 0;

        if (!contract)
            return orb_fail(err, ORB_E_VERSION, "%s uses %s, which no installed package provides",
                            name_of(service), *uses);
        sscanf(*uses + len, "@%u.%u", &want_major, &want_minor);
        sscanf(contract_version(contract), "%u.%u", &major, &minor);
        if (major != want_major || minor < want_minor)
            return orb_fail(err, ORB_E_VERSION, "%s uses %s; installed is %.*s %u.%u",
                            name_of(service), *uses, (int)len, *uses, major, minor);
    }
    return 0;
}

void service_spawn(struct service *service)
{
    const char *missing = service_missing(service);
    struct orb_err err = {0};

    service_set_state(service, SERVICE_STARTING);
    service->waiting = missing != NULL;
    if (missing) {
        snprintf(service->reason, sizeof service->reason, "waiting for %s", missing);
        return;
    }
    if (check_uses(service, &err) < 0 || worker_spawn(service, &err) < 0) {
        log_error(service->sup->log, "service.spawn-failed", KV("service", name_of(service)),
                  KV("error", err.text));
        service_judge(service, false, err.text);
    }
}

static void run(struct service *service)
{
    struct worker *worker = service->worker;

    worker->ready_ms = now_ms();
    liveness_ready(worker);
    service->late = false;
    restart_running(&service->restart, now_ms());
    service->degraded[0] = '\0';
    peer_open(worker->peer);
    log_info(service->sup->log, "service.ready", KV("service", name_of(service)),
             KV("pid", worker->child.pid), KV("ms", worker->ready_ms - worker->started_ms));
    service_set_state(service, SERVICE_RUNNING);
    supervisor_consider(service->sup);
}

void service_event(struct service *service, enum service_event event)
{
    enum service_action action = machine_action(service->state, event);

    if (action == ACT_SPAWN && service->worker)
        return; /* the old process has not ended yet */
    switch (action) {
    case ACT_IGNORE:
        break;
    case ACT_SPAWN:
        uv_timer_stop(&service->timer);
        if (event == EVENT_PROBE)
            service->restart.breaker = BREAKER_HALF_OPEN;
        if (event != EVENT_START)
            service->restart.restarts++;
        service_spawn(service);
        break;
    case ACT_RUN:
        run(service);
        break;
    case ACT_JUDGE: /* the exit path calls service_judge itself, with the verdict */
        break;
    case ACT_KILL:
        service->late = service->late || event == EVENT_LATE;
        if (service->worker)
            worker_kill(service->worker,
                        event == EVENT_LATE ? "not ready in time" : "no answer to ping in time");
        break;
    case ACT_STOP:
        if (service->worker) {
            worker_stop(service->worker);
        } else {
            service->waiting = false;
            service_set_state(service, SERVICE_DISABLED);
        }
        break;
    case ACT_DISABLE:
        uv_timer_stop(&service->timer);
        service_set_state(service, SERVICE_DISABLED);
        break;
    case SERVICE_ACTIONS:
        abort();
    }
}
