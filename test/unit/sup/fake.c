/* See fake.h. */
#include "test/unit/sup/fake.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "test/lib/harness.h"

/* ---- what the supervisor calls ---- */

static uint64_t on_now_ms(void *arg)
{
    return ((struct fake *)arg)->now;
}

static uint32_t on_random(void *arg)
{
    return ((struct fake *)arg)->random;
}

static void on_changed(void *arg)
{
    ((struct fake *)arg)->changed = true;
}

static void on_wake(void *arg, uint64_t at_ms)
{
    ((struct fake *)arg)->wake_at = at_ms;
}

static struct fake_worker *worker_of(struct worker *worker)
{
    return (struct fake_worker *)(void *)worker;
}

static int on_spawn(void *arg, struct service *service, struct worker **ret_worker,
                    struct orb_err *err)
{
    struct fake *f = arg;
    struct fake_worker *w;

    fake_must(!service->worker, "service->worker is not NULL");
    fake_must(!service_missing(service), "service_missing(service) is not NULL");
    fake_must(service->wanted && !f->sup->stopping, "not so: service->wanted && !f->sup->stopping");
    f->spawned++;
    buf_addf(&f->trace, "spawn %s, ", service_name(service));
    if (f->spawn_fails)
        return orb_fail(err, ORB_E_LIMIT, "no processes left");
    w = xcalloc(1, sizeof(*w));
    w->service = service;
    w->pid = ++f->pids;
    f->workers++;
    *ret_worker = (struct worker *)(void *)w;
    return 0;
}

static void on_open(void *arg, struct worker *worker)
{
    struct fake_worker *w = worker_of(worker);

    fake_must(!w->opened && !w->stopped && !w->killed,
              "not so: !w->opened && !w->stopped && !w->killed");
    w->opened = true;
    buf_addf(&((struct fake *)arg)->trace, "ready %s, ", service_name(w->service));
}

static void on_stop(void *arg, struct worker *worker)
{
    struct fake_worker *w = worker_of(worker);

    fake_must(!w->stopped && !w->killed, "not so: !w->stopped && !w->killed");
    w->stopped = true;
    buf_addf(&((struct fake *)arg)->trace, "stop %s, ", service_name(w->service));
}

static void on_kill(void *arg, struct worker *worker, const char *why)
{
    struct fake_worker *w = worker_of(worker);

    fake_must(why && *why, "not so: why && *why");
    w->killed = true;
    snprintf(w->why, sizeof(w->why), "%s", why);
    buf_addf(&((struct fake *)arg)->trace, "kill %s, ", service_name(w->service));
}

static void on_crashed(void *arg, struct service *service, const struct worker_exit *exit)
{
    fake_must(exit->spawned, "not so: exit->spawned");
    ((struct fake *)arg)->crashed++;
}

static void on_limited(void *arg, const struct service *service)
{
    ((struct fake *)arg)->limited++;
}

static void on_ports(void *arg, const struct service *service, bool keep)
{
    struct fake *f = arg;

    *(keep ? &f->keeps : &f->releases) += 1;
}

/* ---- what it reports ---- */

static void on_phase(void *arg, enum boot_phase phase)
{
    struct fake *f = arg;

    buf_addf(&f->trace, "phase %s, ", manifest_phase_name(phase));
    if (f->on_phase)
        f->on_phase(f, phase);
    else if (phase > PHASE_EARLY)
        supervisor_release(f->sup);
}

static void on_state(void *arg, const char *service, enum service_state state)
{
    struct fake *f = arg;

    buf_addf(&f->trace, "%s %s, ", machine_state_name(state), service);
}

static void on_stopped(void *arg)
{
    struct fake *f = arg;

    fake_must(f->workers == 0, "f->workers is %u", f->workers);
    f->stopped_told++;
    buf_adds(&f->trace, "stopped, ");
}

static void on_log(struct log_sink *sink, const char *service, enum log_level level,
                   const char *event, const struct orb_kv *pairs)
{
    struct fake *f = container_of(sink, struct fake, log);

    if (f->logged.len < 4096)
        buf_addf(&f->logged, "%s ", event);
}

/* ---- packages ---- */

static char **words(const char *text)
{
    char **list = xcalloc(FAKE_SERVICES + 1, sizeof(*list));

    for (unsigned n = 0; text && *text; n++) {
        size_t len = strcspn(text, " ");

        ck_assert_uint_lt(n, FAKE_SERVICES);
        list[n] = xstrndup(text, len);
        text += len + (text[len] == ' ');
    }
    return list;
}

struct package *fake_package(struct fake *f, const char *name, const char *requires)
{
    struct package *package = xcalloc(1, sizeof(*package));
    AUTO_FREE char *schema = buf_format("{\"interface\":\"%s\",\"version\":\"1.0\"}", name);
    struct manifest *m = &package->manifest;
    struct orb_err err = {0};

    snprintf(m->name, sizeof(m->name), "%s", name);
    snprintf(m->version, sizeof(m->version), "1.0");
    snprintf(m->library, sizeof(m->library), "lib%s.so", name);
    m->libraries = words(NULL);
    m->requires = words(requires);
    m->uses = words(NULL);
    m->capabilities = words(NULL);
    m->phase = PHASE_FEATURES;
    m->enabled = true;
    m->restart = RESTART_ALWAYS;
    m->backoff_ms = 100;
    m->backoff_max_ms = 10000;
    m->breaker_failures = 5;
    m->breaker_window_s = 60;
    m->breaker_cooldown_s = 30;
    m->breaker_cooldown_max_s = 300;
    m->breaker_healthy_s = 10;
    m->limits =
        (struct limits){.ready_ms = 10000, .ping_every_ms = 1000, .ping_ms = 3000, .stop_ms = 2000};
    package->dir = buf_format("/packages/%s", name);
    package->uid = 61000;
    package->shipped = true;
    ck_assert_msg(contract_compile(schema, strlen(schema), &package->contract, &err) == 0, "%s",
                  err.text);
    f->packages.items[f->packages.count++] = package;
    return package;
}

/* ---- its life ---- */

void fake_new(struct fake *f)
{
    *f = (struct fake){.now = 1000, .random = UINT32_MAX, .log.write = on_log};
}

void fake_open(struct fake *f)
{
    static const struct contract *const builtin[] = {NULL};
    const struct supervisor_host host = {
        .arg = f,
        .log = &f->log,
        .now_ms = on_now_ms,
        .random = on_random,
        .changed = on_changed,
        .wake = on_wake,
        .spawn = on_spawn,
        .open = on_open,
        .stop = on_stop,
        .kill = on_kill,
        .crashed = on_crashed,
        .limited = on_limited,
        .ports = on_ports,
    };
    struct orb_err err = {0};

    f->setup.instance = "test";
    f->setup.state_dir = "/nowhere";
    f->setup.packages = &f->packages;
    f->setup.builtin = builtin;
    f->setup.on_phase = on_phase;
    f->setup.on_state = on_state;
    f->setup.on_stopped = on_stopped;
    f->setup.arg = f;
    ck_assert_msg(supervisor_new(&f->setup, &host, &f->sup, &err) == 0, "%s", err.text);
}

void fake_start(struct fake *f)
{
    fake_open(f);
    supervisor_start(f->sup);
    fake_turn(f);
}

void fake_free(struct fake *f)
{
    for (unsigned i = 0; i < f->sup->count; i++)
        free(f->sup->services[i]->worker);
    supervisor_free(f->sup);
    package_fini_all(&f->packages);
    buf_fini(&f->trace);
    buf_fini(&f->logged);
}

/* ---- time and events ---- */

static bool is_due(const struct fake *f)
{
    return f->wake_at && f->wake_at <= f->now;
}

void fake_turn(struct fake *f)
{
    int turns = 0;

    for (; (f->changed || is_due(f)) && turns < 100; turns++) {
        if (is_due(f))
            supervisor_tick(f->sup);
        f->changed = false;
        supervisor_settle(f->sup);
    }
    fake_must(!f->changed && !is_due(f), "the supervisor does not come to rest");
    fake_check(f);
}

void fake_advance(struct fake *f, uint64_t ms)
{
    uint64_t end = f->now + ms;

    while (f->wake_at && f->wake_at <= end) {
        if (f->wake_at > f->now)
            f->now = f->wake_at;
        fake_turn(f);
    }
    f->now = end;
    fake_turn(f);
}

struct service *fake_service(struct fake *f, const char *name)
{
    struct service *service = supervisor_find(f->sup, name);

    fake_must(service != NULL, "no service %s", name);
    return service;
}

const char *fake_state(struct fake *f, const char *name)
{
    return machine_state_name(fake_service(f, name)->shown);
}

void fake_ready(struct fake *f, const char *name)
{
    struct service *service = fake_service(f, name);

    fake_must(service->worker != NULL, "%s has no worker", name);
    service_worker_events.ready(service, 0);
}

void fake_exit(struct fake *f, const char *name, bool clean)
{
    struct service *service = fake_service(f, name);
    struct fake_worker *w = worker_of(service->worker);
    struct worker_exit exit = {.spawned = true,
                               .clean = clean,
                               .why = clean ? "exited with status 0" : "killed by signal 11",
                               .ended_because = ""};

    fake_must(w != NULL, "%s has no worker", name);
    exit.stopped = w->stopped;
    exit.pid = w->pid;
    f->workers--;
    service_worker_events.exited(service, &exit);
    fake_must(!service->worker, "service->worker is not NULL");
    free(w);
}

void fake_run_all(struct fake *f)
{
    bool more = true;

    while (more) {
        more = false;
        for (unsigned i = 0; i < f->sup->count; i++)
            if (f->sup->services[i]->state == MACHINE_STARTING) {
                fake_ready(f, service_name(f->sup->services[i]));
                more = true;
            }
        fake_turn(f);
    }
}

const char *fake_trace(struct fake *f)
{
    static char last[4096];

    snprintf(last, sizeof(last), "%.*s", f->trace.len ? (int)f->trace.len - 2 : 0,
             buf_str(&f->trace));
    buf_clear(&f->trace);
    return last;
}

bool fake_logged(struct fake *f, const char *event)
{
    bool found = strstr(buf_str(&f->logged), event) != NULL;

    buf_clear(&f->logged);
    return found;
}

/* ---- what always holds once the supervisor has come to rest ---- */

static void check_service(struct fake *f, const struct service *s)
{
    const struct fake_worker *w = worker_of(s->worker);
    const char *name = service_name(s);

    fake_must(machine_has_worker(s->state) == (w != NULL), "%s: worker and state", name);
    fake_must(s->shown == machine_shown(s->state, s->shown), "%s: what is shown", name);
    fake_must((s->state == MACHINE_RUNNING) == (w && w->opened && !w->stopped && !w->killed),
              "%s: open and Running", name);
    fake_must(s->state != MACHINE_STOPPING || w->stopped, "%s: Stopping, not asked to", name);
    fake_must(s->state != MACHINE_KILLING || w->killed, "%s: Killing, not killed", name);
    fake_must(!s->next_ms || s->state == MACHINE_RESTARTING || s->state == MACHINE_FAILED,
              "%s: a timer in state %d", name, s->state);
    fake_must(s->state != MACHINE_RESTARTING || s->next_ms, "%s: never restarted", name);
    fake_must(!s->next_ms || f->wake_at <= s->next_ms, "%s: its timer is forgotten", name);
    fake_must(!s->next_ms || s->next_ms > f->now, "%s: its timer is overdue", name);
    fake_must(s->wanted || s->state == MACHINE_DISABLED || w, "%s: runs unwanted", name);
    fake_must(s->state != MACHINE_WAITING || service_missing(s), "%s: waits for nothing", name);
    fake_must(!s->again || s->state == MACHINE_STOPPING || s->state == MACHINE_KILLING,
              "%s: a start that is forgotten", name);
    fake_must(s->restart.breaker != BREAKER_OPEN || s->state == MACHINE_FAILED ||
                  s->state == MACHINE_DISABLED,
              "%s: runs behind an open breaker", name);
    fake_must(!s->visiting, "not so: !s->visiting");
}

void fake_check(struct fake *f)
{
    unsigned workers = 0;

    for (unsigned i = 0; i < f->sup->count; i++) {
        check_service(f, f->sup->services[i]);
        workers += f->sup->services[i]->worker != NULL;
    }
    fake_must(workers == f->workers, "workers is %u", workers);
    fake_must(f->stopped_told <= (f->sup->stopping && !workers), "told that all stopped");
}
