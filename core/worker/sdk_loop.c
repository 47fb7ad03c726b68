/* Timers and watched descriptors of a plugin. Their memory is freed by the loop's close callback,
 * never by orb_timer_free() itself, so freeing one inside its own callback is fine. */
#include <stdlib.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_loop.h"

uint64_t orb_now_ms(void)
{
    return now_ms();
}

static void on_timer(struct sdk_timer *handle)
{
    struct orb_timer *timer = container_of(handle, struct orb_timer, timer);

    timer->cb(handle->ctx, timer->arg);
}

struct orb_timer *orb_timer_new(struct orb_ctx *ctx, orb_timer_fn *cb, void *arg)
{
    struct orb_timer *timer = xcalloc(1, sizeof(*timer));

    sdk_timer_init(&timer->timer, ctx, on_timer);
    timer->cb = cb;
    timer->arg = arg;
    timer->next = ctx->timers;
    if (timer->next)
        timer->next->prev = timer;
    ctx->timers = timer;
    return timer;
}

void orb_timer_start(struct orb_timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
    sdk_timer_start(&timer->timer, after_ms, repeat_ms);
}

void orb_timer_stop(struct orb_timer *timer)
{
    sdk_timer_stop(&timer->timer);
}

static void on_timer_closed(struct sdk_timer *handle)
{
    free(container_of(handle, struct orb_timer, timer));
}

void orb_timer_free(struct orb_timer *timer)
{
    if (!timer)
        return;
    if (timer->prev)
        timer->prev->next = timer->next;
    else
        timer->timer.ctx->timers = timer->next;
    if (timer->next)
        timer->next->prev = timer->prev;
    sdk_timer_close(&timer->timer, on_timer_closed);
}

static void on_watch(struct loop_watch *poll, int status, int events)
{
    struct orb_watch *watch = container_of(poll, struct orb_watch, poll);
    unsigned seen = 0;

    if (watch->ctx->state == SDK_ENDED)
        return;
    if (events & UV_READABLE)
        seen |= ORB_READABLE;
    if (events & UV_WRITABLE)
        seen |= ORB_WRITABLE;
    if (status < 0)
        seen = ORB_READABLE | ORB_WRITABLE; /* the plugin's own read or write gets the error */
    watch->cb(watch->ctx, watch->arg, poll->fd, seen);
}

void orb_watch_set(struct orb_watch *watch, unsigned events)
{
    int wanted = 0;

    if (events & ORB_READABLE)
        wanted |= UV_READABLE;
    if (events & ORB_WRITABLE)
        wanted |= UV_WRITABLE;
    loop_watch_set(&watch->poll, wanted);
}

static void on_watch_closed(struct loop_scope *scope)
{
    free(container_of(scope, struct orb_watch, scope));
}

struct orb_watch *orb_watch_new(struct orb_ctx *ctx, int fd, unsigned events, orb_watch_fn *cb,
                                void *arg, struct orb_err *err)
{
    struct orb_watch *watch = xcalloc(1, sizeof(*watch));
    int r;

    loop_scope_init(&watch->scope, on_watch_closed);
    r = loop_watch_init(&watch->poll, &ctx->loop, &watch->scope, fd, on_watch);
    if (r < 0) {
        orb_fail(err, r, "descriptor %d cannot be watched", fd);
        free(watch);
        return NULL;
    }
    watch->ctx = ctx;
    watch->cb = cb;
    watch->arg = arg;
    watch->next = ctx->watches;
    if (watch->next)
        watch->next->prev = watch;
    ctx->watches = watch;
    orb_watch_set(watch, events);
    return watch;
}

void orb_watch_free(struct orb_watch *watch)
{
    if (!watch)
        return;
    if (watch->prev)
        watch->prev->next = watch->next;
    else
        watch->ctx->watches = watch->next;
    if (watch->next)
        watch->next->prev = watch->prev;
    loop_scope_close(&watch->scope);
}

void sdk_loop_fini(struct orb_ctx *ctx)
{
    while (ctx->timers)
        orb_timer_free(ctx->timers);
    while (ctx->watches)
        orb_watch_free(ctx->watches);
}
