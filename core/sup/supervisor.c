/* Services and what happens to them: dependencies, the state table's actions, boot phases, stopping
 * in reverse order. */
#include "core/sup/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"

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

/* The first dependency that is not Running, NULL when all are. */
static const char *missing_dependency(const struct service *service)
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

static void spawn(struct service *service)
{
    const char *missing = missing_dependency(service);
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
    uv_timer_stop(&worker->timer);
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
        spawn(service);
        break;
    case ACT_RUN:
        run(service);
        break;
    case ACT_JUDGE: /* the exit path calls service_judge itself, with the verdict */
        break;
    case ACT_KILL:
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

/* ---- boot phases ---- */

static bool given_up(const struct service *service)
{
    char *const *names = service->package->manifest.requires;

    if (!service->wanted || service->state == SERVICE_FAILED || service->state == SERVICE_DISABLED)
        return true;
    if (!service->waiting || service->sup->held)
        return false;
    for (; *names; names++) {
        const struct service *other = supervisor_find(service->sup, *names);

        if (!other || given_up(other))
            return true;
    }
    return false;
}

static bool phase_done(const struct supervisor *sup, enum boot_phase phase)
{
    for (unsigned i = 0; i < sup->count; i++) {
        const struct service *s = sup->services[i];

        if (s->package->manifest.phase <= phase && s->state != SERVICE_RUNNING && !given_up(s))
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

static void on_phase_late(uv_timer_t *timer)
{
    struct supervisor *sup = container_of(timer, struct supervisor, phase_timer);

    if (sup->phase == PHASE_OPERATIONAL || sup->stopping)
        return;
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

        if (s->waiting && !s->worker && !missing_dependency(s))
            spawn(s);
    }
    while (sup->phase < PHASE_OPERATIONAL && phase_done(sup, sup->phase))
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

void supervisor_stop(struct supervisor *sup)
{
    sup->stopping = true;
    stop_some(sup);
}

/* What the configuration says, or the manifest where it says nothing. */
static bool is_enabled(const struct service *service)
{
    return service->enabled < 0 ? service->package->manifest.enabled : service->enabled;
}

void supervisor_start(struct supervisor *sup)
{
    sup->started_ms = now_ms();
    uv_timer_start(&sup->phase_timer, on_phase_late, BOOT_PHASE_MS, BOOT_PHASE_MS);
    for (unsigned i = 0; i < sup->count; i++) {
        struct service *s = sup->services[i];

        s->wanted = is_enabled(s);
        if (s->wanted)
            service_event(s, EVENT_START);
    }
    supervisor_consider(sup);
}

/* ---- orders ---- */

int supervisor_find_or_fail(struct supervisor *sup, const char *name, struct service **ret_service,
                            struct orb_err *err)
{
    const char *names[PACKAGE_MAX];
    AUTO(buf) struct buf all = {0};
    const char *near;

    *ret_service = supervisor_find(sup, name);
    if (*ret_service)
        return 0;
    for (unsigned i = 0; i < sup->count; i++) {
        names[i] = name_of(sup->services[i]);
        buf_addf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    near = nearest_name(name, names, sup->count);
    return orb_fail(err, ORB_E_NOT_FOUND, "no service \"%s\"; there are: %s%s%s%s", name,
                    buf_str(&all), near ? "; did you mean " : "", near ? near : "",
                    near ? "?" : "");
}

int supervisor_service_start(struct supervisor *sup, const char *name, struct orb_err *err)
{
    struct service *service;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r < 0)
        return r;
    if (sup->stopping)
        return orb_fail(err, ORB_E_STATE, "the host is stopping");
    service->wanted = true;
    if (service->worker && service->worker->stopping) {
        service->again = true;
        return 0;
    }
    restart_reset(&service->restart);
    service_event(service, EVENT_START);
    return 0;
}

int supervisor_service_stop(struct supervisor *sup, const char *name, struct orb_err *err)
{
    struct service *service;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r < 0)
        return r;
    service->wanted = service->again = false;
    service_event(service, EVENT_STOP);
    return 0;
}

int supervisor_service_restart(struct supervisor *sup, const char *name, struct orb_err *err)
{
    struct service *service;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r < 0)
        return r;
    if (!service->worker)
        return supervisor_service_start(sup, name, err);
    service->wanted = service->again = true;
    service_event(service, EVENT_STOP);
    return 0;
}

static int replan(struct service *service, struct orb_err *err)
{
    AUTO_FREE char *state_root = xasprintf("%s/services", service->sup->setup.state_dir);
    struct plan_context context = {
        .instance = service->sup->setup.instance,
        .state_root = state_root,
        .uid_base = 61000,
        .index = service->index,
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
    service->capabilities = capabilities;
    return 0;
}

static char **copy_strings(const char *const *list)
{
    char **copy;
    unsigned n = 0;

    if (!list)
        return NULL;
    while (list[n])
        n++;
    copy = xcalloc(n + 1, sizeof *copy);
    for (unsigned i = 0; i < n; i++)
        copy[i] = xstrdup(list[i]);
    return copy;
}

int supervisor_configure(struct supervisor *sup, const char *name, int enabled,
                         const char *const *grants, struct orb_err *err)
{
    struct service *service;
    char old[sizeof service->plan.hash];
    bool was, wanted;
    int r = supervisor_find_or_fail(sup, name, &service, err);

    if (r < 0)
        return r;
    memcpy(old, service->plan.hash, sizeof old);
    strings_free(service->grants);
    service->grants = copy_strings(grants);
    r = replan(service, err);
    if (r < 0)
        return r;
    was = is_enabled(service);
    service->enabled = enabled;
    wanted = is_enabled(service);
    if (!sup->started_ms || sup->stopping)
        return 0;
    /* Only what changed: a service stopped by hand stays so when something else is committed. */
    if (wanted != was)
        return wanted ? supervisor_service_start(sup, name, err)
                      : supervisor_service_stop(sup, name, err);
    if (service->wanted && service->worker && strcmp(old, service->plan.hash))
        return supervisor_service_restart(sup, name, err);
    return 0;
}

/* ---- life ---- */

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
    for (unsigned i = 0; r == 0 && i < setup->packages->count; i++) {
        struct service *service = xcalloc(1, sizeof *service);

        service->sup = sup;
        service->package = setup->packages->items[i];
        service->index = i;
        service->enabled = -1;
        service->state = SERVICE_DISABLED;
        service->since_ms = now_ms();
        loop_scope_init(&service->scope, on_service_closed);
        uv_timer_init(setup->loop, &service->timer);
        loop_scope_adopt(&service->scope, (uv_handle_t *)&service->timer);
        sup->services[sup->count++] = service;
        sup->open_scopes++;
        if (!service->package->shipped) {
            service->grants = xcalloc(1, sizeof *service->grants); /* nothing until granted */
            service->enabled = 0;
        }
        r = replan(service, err);
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
