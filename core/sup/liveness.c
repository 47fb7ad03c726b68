/* Does a worker's loop turn? Until READY its deadline is ready-ms, afterwards every PING wants a
 * PONG within ping-ms. Time counts as the worker had it (pace.h), and begins anew when it says that
 * work goes on. The surprise: our own pause must not kill a healthy worker, whose PONG lies unread.
 */
#include <string.h>

#include "core/base/own.h"
#include "core/sup/internal.h"

static const struct manifest *manifest_of(const struct worker *worker)
{
    return &worker->service->package->manifest;
}

/* Own time since the last tick, of which there should have been one after every_ms. */
static uint64_t spent(struct worker *worker, uint64_t every_ms)
{
    uint64_t ms = pace_spent(&worker->pace, worker->child.pid, now_ms());

    return ms < every_ms * 2 ? ms : every_ms;
}

void liveness_alive(struct worker *worker)
{
    worker->silent_ms = 0;
}

/* ---- until READY ---- */

static uint64_t ready_tick(const struct worker *worker)
{
    uint64_t tick = worker->service->limits.ready_ms / READY_TICKS;

    return tick ? tick : 1;
}

static void on_ready_tick(uv_timer_t *timer)
{
    struct worker *worker = container_of(timer, struct worker, timer);

    worker->silent_ms += spent(worker, ready_tick(worker));
    if (worker->silent_ms < worker->service->limits.ready_ms)
        return;
    uv_timer_stop(timer);
    service_event(worker->service, EVENT_LATE);
}

void liveness_spawned(struct worker *worker)
{
    uint64_t tick = ready_tick(worker);

    worker->silent_ms = 0;
    pace_start(&worker->pace, worker->child.pid, now_ms());
    uv_timer_start(&worker->timer, on_ready_tick, tick, tick);
}

/* ---- from READY on ---- */

static void on_ping(uv_timer_t *timer)
{
    struct worker *worker = container_of(timer, struct worker, ping_timer);
    const struct manifest *m = manifest_of(worker);
    const struct limits *limits = &worker->service->limits;

    worker->silent_ms += spent(worker, limits->ping_every_ms);
    if (worker->silent_ms > limits->ping_ms + limits->ping_every_ms) {
        service_event(worker->service, EVENT_UNHEALTHY);
        return;
    }
    if (worker->service->state == SERVICE_RUNNING &&
        restart_settle(&worker->service->restart, m, now_ms()))
        log_notice(worker->service->sup->log, "service.breaker-closed", KV("service", m->name));
    if (worker->peer)
        peer_ping(worker->peer);
}

void liveness_ready(struct worker *worker)
{
    uint64_t every = worker->service->limits.ping_every_ms;

    uv_timer_stop(&worker->timer);
    worker->silent_ms = 0;
    pace_start(&worker->pace, worker->child.pid, now_ms());
    uv_timer_start(&worker->ping_timer, on_ping, every, every);
}
