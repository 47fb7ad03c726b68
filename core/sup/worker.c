/* One worker process: spawn, descriptors on the loop, readiness and health deadlines, its end. */
#include "core/sup/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/own.h"

static const char *name_of(const struct worker *worker)
{
    return worker->service->package->manifest.name;
}

/* ---- the end ---- */

static void on_closed(struct loop_scope *scope)
{
    struct worker *worker = container_of(scope, struct worker, scope);
    struct supervisor *sup = worker->sup; /* the service may be gone already */

    close(worker->child.pidfd);
    close(worker->child.stderr_fd);
    close(worker->child.crash_fd);
    free(worker);
    supervisor_put(sup);
}

static void read_stderr(struct worker *worker)
{
    char data[16384];
    ssize_t n;

    /* At most 64 KiB a turn: a flood of one service must not starve the others. */
    for (int i = 0; i < 4; i++) {
        n = read(worker->child.stderr_fd, data, sizeof data);
        if (n > 0) {
            logs_output(worker->service->sup->setup.logs, name_of(worker), data, (size_t)n);
            continue;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            if (worker->stderr_open)
                loop_watch_set(&worker->stderr_poll, 0);
            worker->stderr_open = false;
        }
        return;
    }
}

static void describe_verdict(const struct worker *worker, const struct verdict *v, char *text,
                             size_t size)
{
    const char *when = v->loading ? " while its library was loaded" : "";

    if (!strcmp(v->step, "load"))
        snprintf(text, size, "the package cannot be loaded: %s", v->fault);
    else if (v->step[0])
        snprintf(text, size, "the sandbox failed at step %s: %s", v->step, strerror(v->step_errno));
    else if (worker->reason[0])
        snprintf(text, size, "%s", worker->reason);
    else if (v->signaled)
        snprintf(text, size, "killed by signal %d (%s)%s%s%s", v->status, strsignal(v->status),
                 when, v->fault[0] ? ": " : "", v->fault);
    else if (v->status == 134)
        snprintf(text, size, "aborted%s%s%s", when, v->fault[0] ? ": " : "", v->fault);
    else
        snprintf(text, size, "exited with status %d%s", v->status, when);
}

static void finish(struct worker *worker)
{
    struct service *service = worker->service;
    struct supervisor *sup = service->sup;
    struct verdict verdict = {0};
    struct orb_err err = {0};
    char reason[512]; /* the service keeps its beginning */
    bool clean;

    if (sandbox_reap(sup->setup.sandbox, &worker->child, &verdict, &err) != 0)
        return; /* not ended yet: a spurious wake-up */
    read_stderr(worker);
    if (worker->peer)
        peer_close(worker->peer);
    worker->peer = NULL;
    clean = !verdict.signaled && verdict.status == 0;
    describe_verdict(worker, &verdict, reason, sizeof reason);
    log_info(sup->log, "worker.exited", KV("service", name_of(worker)),
             KV("pid", worker->child.pid), KV("how", reason));
    if (!(clean && worker->stopping))
        crash_record(service, worker, &verdict);
    service->worker = NULL;
    problems_fini(&service->problems);
    loop_scope_close(&worker->scope);
    service_judge(service, clean, reason);
}

static void on_exit_ready(struct loop_watch *poll, int status, int events)
{
    struct worker *worker = container_of(poll, struct worker, exit_poll);

    if (worker->service->worker == worker)
        finish(worker);
}

bool supervisor_worker_ended(struct supervisor *sup, pid_t pid)
{
    for (unsigned i = 0; i < sup->count; i++) {
        struct worker *worker = sup->services[i]->worker;

        if (!worker || worker->child.pid != pid)
            continue;
        finish(worker);
        return true;
    }
    return false;
}

static void on_stderr(struct loop_watch *poll, int status, int events)
{
    read_stderr(container_of(poll, struct worker, stderr_poll));
}

static void on_kill_late(uv_timer_t *timer)
{
    struct worker *worker = container_of(timer, struct worker, timer);

    sandbox_kill(worker->service->sup->setup.sandbox, &worker->child, SIGKILL);
}

void worker_kill(struct worker *worker, const char *reason)
{
    if (worker->killed)
        return;
    worker->killed = true;
    if (reason != worker->reason) /* it may be the one kept already */
        snprintf(worker->reason, sizeof worker->reason, "%s", reason);
    log_warn(worker->service->sup->log, "worker.kill", KV("service", name_of(worker)),
             KV("reason", reason));
    uv_timer_stop(&worker->ping_timer);
    /* SIGABRT first: the in-worker handler records where it hangs. */
    sandbox_kill(worker->service->sup->setup.sandbox, &worker->child, SIGABRT);
    uv_timer_start(&worker->timer, on_kill_late, HANG_GRACE_MS, 0);
}

static void on_stop_late(uv_timer_t *timer)
{
    struct worker *worker = container_of(timer, struct worker, timer);

    worker_kill(worker, "did not stop in time");
}

void worker_stop(struct worker *worker)
{
    if (worker->stopping || worker->killed)
        return;
    worker->stopping = true;
    uv_timer_stop(&worker->ping_timer);
    if (worker->peer && worker->said_hello) {
        peer_stop(worker->peer);
        uv_timer_start(&worker->timer, on_stop_late, worker->service->limits.stop_ms, 0);
    } else {
        sandbox_kill(worker->service->sup->setup.sandbox, &worker->child, SIGKILL);
    }
}

/* ---- what the broker tells ---- */

static void on_hello(void *arg)
{
    struct worker *worker = arg;
    struct service *service = worker->service;
    struct orb_err err = {0};

    worker->said_hello = true;
    buf_clear(&service->attested);
    if (sandbox_attest(service->sup->setup.sandbox, &worker->child, &service->plan,
                       &service->attested, &err) < 0) {
        log_error(service->sup->log, "worker.not-confined", KV("service", name_of(worker)),
                  KV("error", err.text));
        worker_kill(worker, err.text);
        return;
    }
}

static void on_ready(void *arg, uint64_t revision)
{
    struct worker *worker = arg;

    worker->service->revision = revision;
    if (!worker->stopping && !worker->killed)
        service_event(worker->service, EVENT_READY);
    service_follow(worker->service);
}

static void on_applied(void *arg, uint64_t revision)
{
    struct worker *worker = arg;

    worker->service->revision = revision;
    service_follow(worker->service);
}

static void on_pong(void *arg, const char *degraded)
{
    struct worker *worker = arg;
    struct service *service = worker->service;

    liveness_alive(worker);
    if (!strcmp(service->degraded, degraded))
        return;
    log_notice(service->sup->log, "service.health", KV("service", name_of(worker)),
               KV("degraded", degraded));
    if (!service->degraded[0])
        service->degraded_ms = now_ms();
    snprintf(service->degraded, sizeof service->degraded, "%s", degraded);
    service_health_changed(service);
}

static void on_progress(void *arg)
{
    struct worker *worker = arg;

    worker->progress_ms = now_ms();
    liveness_alive(worker);
}

static void on_failed(void *arg, const char *text)
{
    struct worker *worker = arg;

    if (!worker->reason[0])
        snprintf(worker->reason, sizeof worker->reason, "%s", text);
}

static void on_log(void *arg, const char *data, size_t len)
{
    struct worker *worker = arg;

    logs_record(worker->service->sup->setup.logs, name_of(worker), data, len);
}

static void on_metric(void *arg, const char *data, size_t len)
{
    struct worker *worker = arg;

    metrics_frame(worker->service->sup->setup.metrics, name_of(worker), data, len, now_ms());
}

/* A problem that came or went is worth a record: the list alone knows only the present. */
static void log_difference(const struct service *service, const struct problems *before,
                           const struct problems *after)
{
    struct log_sink *log = service->sup->log;
    const char *name = service->package->manifest.name;

    for (unsigned i = 0; i < after->count; i++)
        if (!problems_find(before, after->items[i].key))
            log_warn(log, "service.problem", KV("service", name), KV("what", after->items[i].what),
                     KV("path", after->items[i].path));
    for (unsigned i = 0; i < before->count; i++)
        if (!problems_find(after, before->items[i].key))
            log_notice(log, "service.problem-gone", KV("service", name),
                       KV("what", before->items[i].what), KV("path", before->items[i].path));
}

static void on_problems(void *arg, const char *data, size_t len)
{
    struct worker *worker = arg;
    struct service *service = worker->service;
    struct problems fresh = {0};
    struct orb_err err = {0};

    if (problems_read(&service->problems, data, len, now_ms(), &fresh, &err) < 0) {
        log_warn(service->sup->log, "service.problems-refused", KV("service", name_of(worker)),
                 KV("error", err.text));
        return;
    }
    log_difference(service, &service->problems, &fresh);
    problems_fini(&service->problems);
    service->problems = fresh;
    service_health_changed(service);
}

static void on_eof_grace(uv_timer_t *timer)
{
    struct worker *worker = container_of(timer, struct worker, timer);

    worker_kill(worker, worker->reason[0] ? worker->reason : "closed its connection and lived on");
}

static void on_peer_closed(void *arg, const struct orb_err *err)
{
    struct worker *worker = arg;

    worker->peer = NULL;
    uv_timer_stop(&worker->ping_timer);
    if (err && (err->code == ORB_E_PROTOCOL || err->code == ORB_E_VERSION)) {
        worker_kill(worker, err->text);
        return;
    }
    if (err && err->code == ORB_E_LIMIT)
        snprintf(worker->reason, sizeof worker->reason, "%s", err->text);
    if (!worker->killed)
        uv_timer_start(&worker->timer, on_eof_grace, EOF_GRACE_MS, 0);
}

static void on_welcome(void *arg, struct json_write *w)
{
    const struct worker *worker = arg;
    const struct service *service = worker->service;

    json_write_string(w, "instance", service->plan.instance);
    json_write_array(w, "config");
    for (char **c = service->capabilities; *c; c++)
        if (!strncmp(*c, "config.read:", 12))
            json_write_string(w, NULL, *c + 12);
    json_write_end(w);
    json_write_string(w, "plan", service->plan.hash);
}

static const struct peer_events events = {
    .hello = on_hello,
    .welcome = on_welcome,
    .ready = on_ready,
    .progress = on_progress,
    .applied = on_applied,
    .pong = on_pong,
    .failed = on_failed,
    .problems = on_problems,
    .log = on_log,
    .metric = on_metric,
    .closed = on_peer_closed,
};

/* ---- the start ---- */

static bool reads_config(const struct service *service)
{
    for (char **c = service->capabilities; *c; c++)
        if (!strncmp(*c, "config.read:", 12))
            return true;
    return false;
}

/* The state directory belongs to the service's uid, which may differ from the last run's. One that
 * cannot be given is no end: the service knows best what it can do without. */
static int own_state(const struct service *service, struct orb_err *err)
{
    const char *dir = service->plan.state_dir;
    struct orb_err why = {0};
    int r;

    if (!dir)
        return 0;
    r = dir_make(dir, 0700, err);
    if (r == 0 && state_dir_give(dir, service->plan.uid, &why) < 0)
        log_error(service->sup->log, "service.state-not-given",
                  KV("service", service->package->manifest.name), KV("error", why.text));
    return r;
}

static int add_peer(struct worker *worker, struct orb_err *err)
{
    struct service *service = worker->service;
    struct peer_spec spec = {
        .kind = PEER_SERVICE,
        .capabilities = (const char *const *)service->capabilities,
        .contract = service->package->contract,
        .has_config = reads_config(service),
        .progress_ms = service->limits.progress_ms,
        .queue_bytes = service->limits.queue_bytes,
        .requests = service->limits.requests,
        .events = &events,
        .arg = worker,
    };

    snprintf(spec.name, sizeof spec.name, "%s", name_of(worker));
    worker->peer = broker_add_peer(service->sup->setup.broker, worker->child.ipc_fd, &spec, err);
    worker->child.ipc_fd = -1;
    return worker->peer ? 0 : err ? err->code : ORB_E_INTERNAL;
}

static void watch(struct worker *worker)
{
    uv_loop_t *loop = worker->service->sup->setup.loop;

    loop_watch_init(&worker->exit_poll, loop, &worker->scope, worker->child.pidfd, on_exit_ready);
    loop_watch_set(&worker->exit_poll, UV_READABLE);
    loop_watch_init(&worker->stderr_poll, loop, &worker->scope, worker->child.stderr_fd, on_stderr);
    loop_watch_set(&worker->stderr_poll, UV_READABLE);
    worker->stderr_open = true;
    uv_timer_init(loop, &worker->timer);
    loop_scope_adopt(&worker->scope, (uv_handle_t *)&worker->timer);
    uv_timer_init(loop, &worker->ping_timer);
    loop_scope_adopt(&worker->scope, (uv_handle_t *)&worker->ping_timer);
}

int worker_spawn(struct service *service, struct orb_err *err)
{
    AUTO_FREE struct worker *worker = xcalloc(1, sizeof *worker);
    int r = quota_check(service, err);

    if (!r)
        r = own_state(service, err);
    if (r < 0)
        return r;
    worker->service = service;
    worker->sup = service->sup;
    worker->started_ms = now_ms();
    r = sandbox_spawn(service->sup->setup.sandbox, &service->plan, &worker->child, err);
    if (r < 0)
        return r;
    service->reason[0] = '\0';
    service->worker = worker;
    service->sup->open_scopes++; /* put back by on_closed */
    loop_scope_init(&worker->scope, on_closed);
    watch(worker);
    r = add_peer(worker, err);
    liveness_spawned(worker);
    if (r < 0)
        worker_kill(worker, err ? err->text : "no connection");
    take_ptr(worker); /* the loop's and the service's from here on */
    return 0;
}
