/* Timers on the loop's clock: see sdk_timer.h. */
#include "core/base/own.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_timer.h"

static void fire(struct sdk_timer *timer)
{
    if (timer->ctx->state != SDK_ENDED)
        timer->cb(timer);
}

static void on_timer(uv_timer_t *handle)
{
    fire(container_of(handle, struct sdk_timer, handle));
}

static void on_soon(uv_idle_t *handle)
{
    struct sdk_timer *timer = container_of(handle, struct sdk_timer, soon);

    sdk_timer_stop(timer);
    if (timer->repeat_ms)
        uv_timer_start(&timer->handle, on_timer, timer->repeat_ms, timer->repeat_ms);
    fire(timer);
}

void sdk_timer_init(struct sdk_timer *timer, struct orb_ctx *ctx,
                    void (*cb)(struct sdk_timer *timer))
{
    timer->ctx = ctx;
    timer->cb = cb;
    uv_timer_init(&ctx->loop, &timer->handle);
    uv_idle_init(&ctx->loop, &timer->soon);
}

void sdk_timer_adopt(struct sdk_timer *timer, struct loop_scope *scope)
{
    loop_scope_adopt(scope, (uv_handle_t *)&timer->handle);
    loop_scope_adopt(scope, (uv_handle_t *)&timer->soon);
}

/* A timer of 0 ms fires in the next turn of the loop: libuv 1.44 runs one that is started by a
 * timer in the same turn, so that a repeating one would starve all else. */
void sdk_timer_start(struct sdk_timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
    sdk_timer_stop(timer);
    if (!after_ms) {
        timer->repeat_ms = repeat_ms;
        uv_idle_start(&timer->soon, on_soon);
        return;
    }
    /* The loop's time may be as old as the present callback. */
    uv_update_time(&timer->ctx->loop);
    uv_timer_start(&timer->handle, on_timer, after_ms, repeat_ms);
}

void sdk_timer_stop(struct sdk_timer *timer)
{
    uv_timer_stop(&timer->handle);
    uv_idle_stop(&timer->soon);
}

bool sdk_timer_runs(const struct sdk_timer *timer)
{
    return uv_is_active((const uv_handle_t *)&timer->handle) ||
           uv_is_active((const uv_handle_t *)&timer->soon);
}

static void on_closed(uv_handle_t *handle)
{
    struct sdk_timer *timer = handle->data;

    if (--timer->open == 0)
        timer->closed(timer);
}

void sdk_timer_close(struct sdk_timer *timer, void (*closed)(struct sdk_timer *timer))
{
    timer->closed = closed;
    timer->open = 2;
    timer->handle.data = timer->soon.data = timer;
    uv_close((uv_handle_t *)&timer->handle, on_closed);
    uv_close((uv_handle_t *)&timer->soon, on_closed);
}
