/* A worker's connection: its frames to the host, and its end. */
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/ipc/peers.h"
#include "core/sup/worker_internal.h"

#define EOF_GRACE_MS 200 /* between end of file and kill */

static void on_hello(void *arg)
{
    struct worker *worker = arg;
    AUTO(buf) struct buf report = {0};
    struct orb_err err = {0};
    int r =
        attest_sandbox(worker->host->sandbox, &worker->child, &worker->spec->plan, &report, &err);

    worker->sent_hello = true;
    worker->events->attested(worker->arg, &report);
    if (r < 0) {
        log_error(worker->host->log, "worker.not-confined", KV("service", worker->spec->name),
                  KV("error", err.text));
        worker->events->failed(worker->arg, err.text);
    }
}

static void on_ready(void *arg, uint64_t revision)
{
    struct worker *worker = arg;

    worker->events->ready(worker->arg, revision);
}

static void on_applied(void *arg, uint64_t revision)
{
    struct worker *worker = arg;

    worker->events->applied(worker->arg, revision);
}

static void on_pong(void *arg, const char *degraded)
{
    struct worker *worker = arg;

    liveness_alive(&worker->liveness);
    worker->events->health(worker->arg, degraded);
}

static void on_progress(void *arg)
{
    struct worker *worker = arg;

    liveness_alive(&worker->liveness);
    worker->events->progress(worker->arg);
}

/* Its loop is running, although a PING may still wait behind other requests. */
static void on_answered(void *arg)
{
    struct worker *worker = arg;

    liveness_alive(&worker->liveness);
}

static void on_failed(void *arg, const char *text)
{
    struct worker *worker = arg;

    if (!worker->reason[0])
        snprintf(worker->reason, sizeof(worker->reason), "%s", text);
}

static void on_log(void *arg, const char *data, size_t len)
{
    struct worker *worker = arg;

    logs_record(worker->host->logs, worker->spec->name, data, len);
}

static void on_metric(void *arg, const char *data, size_t len)
{
    struct worker *worker = arg;

    metrics_frame(worker->host->metrics, worker->spec->name, data, len, now_ms());
}

static void on_problems(void *arg, const char *data, size_t len)
{
    struct worker *worker = arg;

    worker->events->problems(worker->arg, data, len);
}

static void on_eof_grace(uv_timer_t *timer)
{
    struct worker *worker = container_of(timer, struct worker, timer);

    worker->events->failed(worker->arg, worker->reason[0] ? worker->reason
                                                          : "closed its connection and lived on");
}

static void on_peer_closed(void *arg, const struct orb_err *err)
{
    struct worker *worker = arg;

    worker->peer = NULL;
    uv_timer_stop(&worker->ping_timer);
    if (err && (err->code == ORB_E_PROTOCOL || err->code == ORB_E_VERSION)) {
        worker->events->failed(worker->arg, err->text);
        return;
    }
    if (err && err->code == ORB_E_LIMIT)
        snprintf(worker->reason, sizeof(worker->reason), "%s", err->text);
    if (!worker->killed)
        uv_timer_start(&worker->timer, on_eof_grace, EOF_GRACE_MS, 0);
}

static void on_welcome(void *arg, struct json_write *w)
{
    const struct worker *worker = arg;

    json_write_string(w, "instance", worker->spec->plan.instance);
    json_write_array(w, "config");
    for (char **c = worker->spec->capabilities; *c; c++)
        if (!strncmp(*c, "config.read:", 12))
            json_write_string(w, NULL, *c + 12);
    json_write_end(w);
    json_write_string(w, "plan", worker->spec->plan.hash);
}

static const struct peer_events peer_events = {
    .hello = on_hello,
    .welcome = on_welcome,
    .ready = on_ready,
    .progress = on_progress,
    .answered = on_answered,
    .applied = on_applied,
    .pong = on_pong,
    .failed = on_failed,
    .problems = on_problems,
    .log = on_log,
    .metric = on_metric,
    .closed = on_peer_closed,
};

static bool reads_config(const struct worker_spec *spec)
{
    for (char **c = spec->capabilities; *c; c++)
        if (!strncmp(*c, "config.read:", 12))
            return true;
    return false;
}

int worker_peer_add(struct worker *worker, struct orb_err *err)
{
    const struct worker_spec *s = worker->spec;
    struct peer_spec spec = {
        .kind = PEER_SERVICE,
        .capabilities = (const char *const *)s->capabilities,
        .contract = s->contract,
        .has_config = reads_config(s),
        .shipped = s->shipped,
        .progress_ms = s->limits.progress_ms,
        .queue_bytes = s->limits.queue_bytes,
        .requests = s->limits.requests,
        .events = &peer_events,
        .arg = worker,
    };

    snprintf(spec.name, sizeof(spec.name), "%s", s->name);
    worker->peer = peers_add(worker->host->broker, worker->child.ipc_fd, &spec, err);
    worker->child.ipc_fd = -1;
    return worker->peer ? 0 : err->code;
}
