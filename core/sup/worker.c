/* See worker.h. Memory is freed with the last close callback of its handles. */
#include "core/sup/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sandbox/state_dir.h"
#include "core/sup/worker_internal.h"

#define HANG_GRACE_MS 300 /* between SIGABRT (for a stack) and SIGKILL */
#define OUTPUT_READS 4    /* of 16 KiB a turn: a flood of one service must not starve the others */

/* ---- the end ---- */

static void on_closed(struct loop_scope *scope)
{
    struct worker *worker = container_of(scope, struct worker, scope);
    const struct worker_host *host = worker->host;

    if (worker->child.pid) {
        close(worker->child.pidfd);
        close(worker->child.stderr_fd);
        close(worker->child.crash_fd);
    }
    free(worker->state_dir);
    free(worker);
    host->freed(host->arg);
}

static void read_stderr(struct worker *worker)
{
    char data[16384];
    ssize_t n;

    for (int i = 0; i < OUTPUT_READS; i++) {
        n = read(worker->child.stderr_fd, data, sizeof(data));
        if (n > 0) {
            logs_output(worker->host->logs, worker->child.service, data, (size_t)n);
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

static void describe_end(const struct worker *worker, const struct exit_status *v, char *text,
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

/* Reports the end and closes the worker. */
static void end(struct worker *worker, struct worker_exit *exit)
{
    worker->ended = true;
    exit->stopped = worker->stopping;
    exit->ended_because = worker->reason;
    worker->events->exited(worker->arg, exit);
    loop_scope_close(&worker->scope);
}

static void end_without_process(struct worker *worker, const char *why)
{
    end(worker, &(struct worker_exit){.clean = worker->stopping, .why = why});
}

static void finish(struct worker *worker)
{
    struct exit_status status = {0};
    char why[512]; /* the service keeps its beginning */

    if (reap_worker(worker->host->sandbox, &worker->child, &status, NULL) != 0)
        return; /* not ended yet: a spurious wake-up */
    read_stderr(worker);
    if (worker->peer)
        peer_close(worker->peer);
    worker->peer = NULL;
    describe_end(worker, &status, why, sizeof(why));
    log_info(worker->host->log, "worker.exited", KV("service", worker->child.service),
             KV("pid", worker->child.pid), KV("how", (const char *)why));
    end(worker, &(struct worker_exit){.spawned = true,
                                      .clean = !status.signaled && status.status == 0,
                                      .reached_ready = worker->ready_ms != 0,
                                      .pid = worker->child.pid,
                                      .uptime_ms = now_ms() - worker->started_ms,
                                      .status = &status,
                                      .why = why});
}

static void on_exit_ready(struct loop_watch *poll, int status, int events)
{
    struct worker *worker = container_of(poll, struct worker, exit_poll);

    if (!worker->ended)
        finish(worker);
}

bool worker_ended(struct worker *worker, pid_t pid)
{
    if (!pid || worker->child.pid != pid)
        return false;
    finish(worker);
    return true;
}

static void on_stderr(struct loop_watch *poll, int status, int events)
{
    read_stderr(container_of(poll, struct worker, stderr_poll));
}

static void on_kill_late(uv_timer_t *timer)
{
    struct worker *worker = container_of(timer, struct worker, timer);

    reap_kill(worker->host->sandbox, &worker->child, SIGKILL);
}

void worker_kill(struct worker *worker, const char *why)
{
    if (worker->killed)
        return;
    worker->killed = true;
    if (why != worker->reason) /* it may be the one kept already */
        snprintf(worker->reason, sizeof(worker->reason), "%s", why);
    log_warn(worker->host->log, "worker.kill", KV("service", worker->spec->name),
             KV("reason", why));
    if (!worker->child.pid)
        return; /* on_prepared handles it */
    uv_timer_stop(&worker->ping_timer);
    /* SIGABRT first: the in-worker handler records where it hangs. */
    reap_kill(worker->host->sandbox, &worker->child, SIGABRT);
    uv_timer_start(&worker->timer, on_kill_late, HANG_GRACE_MS, 0);
}

static void on_stop_late(uv_timer_t *timer)
{
    worker_kill(container_of(timer, struct worker, timer), "did not stop in time");
}

void worker_stop(struct worker *worker)
{
    if (worker->stopping || worker->killed)
        return;
    worker->stopping = true;
    if (!worker->child.pid)
        return; /* on_prepared handles it */
    uv_timer_stop(&worker->ping_timer);
    if (worker->peer && worker->sent_hello) {
        peer_stop(worker->peer);
        uv_timer_start(&worker->timer, on_stop_late, worker->spec->limits.stop_ms, 0);
    } else {
        reap_kill(worker->host->sandbox, &worker->child, SIGKILL);
    }
}

/* ---- deadlines ---- */

static uint64_t spent(struct worker *worker)
{
    return pace_spent(&worker->pace, worker->child.pid, now_ms());
}

static void on_ready_tick(uv_timer_t *timer)
{
    struct worker *worker = container_of(timer, struct worker, timer);

    if (!liveness_ready_over(&worker->liveness, &worker->spec->limits, spent(worker)))
        return;
    uv_timer_stop(timer);
    worker->events->late(worker->arg);
}

static void expect_ready(struct worker *worker)
{
    uint64_t tick = liveness_ready_tick(&worker->spec->limits);

    liveness_alive(&worker->liveness);
    pace_start(&worker->pace, worker->child.pid, now_ms());
    uv_timer_start(&worker->timer, on_ready_tick, tick, tick);
}

static void on_ping(uv_timer_t *timer)
{
    struct worker *worker = container_of(timer, struct worker, ping_timer);

    if (liveness_ping_over(&worker->liveness, &worker->spec->limits, spent(worker)))
        worker->events->unhealthy(worker->arg);
    else if (worker->peer)
        peer_ping(worker->peer);
}

void worker_open(struct worker *worker)
{
    uint64_t every = worker->spec->limits.ping_every_ms;

    worker->ready_ms = now_ms();
    uv_timer_stop(&worker->timer);
    liveness_alive(&worker->liveness);
    pace_start(&worker->pace, worker->child.pid, worker->ready_ms);
    uv_timer_start(&worker->ping_timer, on_ping, every, every);
    peer_open(worker->peer);
    log_info(worker->host->log, "service.ready", KV("service", worker->spec->name),
             KV("pid", worker->child.pid), KV("ms", worker->ready_ms - worker->started_ms));
}

void worker_limit(struct worker *worker)
{
    if (worker->peer)
        peer_limit(worker->peer, worker->spec->limits.queue_bytes, worker->spec->limits.requests);
}

/* ---- the start ---- */

static void watch(struct worker *worker)
{
    uv_loop_t *loop = worker->host->loop;

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

static void start(struct worker *worker)
{
    struct orb_err err = {0};

    if (spawn_worker(worker->host->sandbox, &worker->spec->plan, &worker->child, &err) < 0) {
        worker->child.pid = 0;
        end_without_process(worker, err.text);
        return;
    }
    worker->started_ms = now_ms();
    watch(worker);
    worker->events->started(worker->arg, worker->child.pid);
    expect_ready(worker);
    if (worker_peer_add(worker, &err) < 0)
        worker->events->failed(worker->arg, err.text);
}

/* The state directory belongs to the service's uid, which may differ from the last run's. */
static void on_prepare(uv_work_t *work)
{
    struct worker *worker = container_of(work, struct worker, work);

    state_dir_prepare(worker->state_dir, worker->uid, &worker->not_given, &worker->no_dir);
}

static void on_prepared(uv_work_t *work, int status)
{
    struct worker *worker = container_of(work, struct worker, work);

    if (worker->not_given.code && !worker->no_dir.code)
        log_error(worker->host->log, "service.state-not-given", KV("service", worker->spec->name),
                  KV("error", worker->not_given.text));
    if (worker->stopping || worker->killed)
        end_without_process(worker, worker->reason);
    else if (worker->no_dir.code)
        end_without_process(worker, worker->no_dir.text);
    else
        start(worker);
}

static void on_nothing(uv_work_t *work)
{
}

struct worker *worker_spawn(const struct worker_host *host, const struct worker_spec *spec,
                            const struct worker_events *events, void *arg)
{
    struct worker *worker = xcalloc(1, sizeof(*worker));

    worker->host = host;
    worker->spec = spec;
    worker->events = events;
    worker->arg = arg;
    worker->uid = spec->plan.uid;
    if (spec->plan.state_dir)
        worker->state_dir = xstrdup(spec->plan.state_dir);
    loop_scope_init(&worker->scope, on_closed);
    uv_queue_work(host->loop, &worker->work, worker->state_dir ? on_prepare : on_nothing,
                  on_prepared);
    return worker;
}
