/* Watching a descriptor beyond its errors: see loop_watch.h. */
#include "core/loop/loop_watch.h"

#include <poll.h>

#include "core/base/own.h"

static void on_poll(uv_poll_t *handle, int status, int events);

static void start(struct loop_watch *watch)
{
    uv_poll_start(&watch->handle, watch->events, on_poll);
}

static void on_again(uv_timer_t *timer)
{
    start(container_of(timer, struct loop_watch, again));
}

/* After an error that was reported to the callback: watches again at once, or later if the error
 * persists. A descriptor that was closed by others is left alone. */
static void start_again(struct loop_watch *watch)
{
    struct pollfd now = {.fd = watch->fd};
    unsigned pause = 1;

    if (poll(&now, 1, 0) < 0)
        now.revents = POLLERR;
    if (now.revents & POLLNVAL)
        return;
    watch->failed = now.revents & POLLERR ? watch->failed + 1 : 0;
    if (watch->failed <= LOOP_WATCH_AT_ONCE) {
        start(watch);
        return;
    }
    for (unsigned i = LOOP_WATCH_AT_ONCE; i < watch->failed && pause < LOOP_WATCH_PAUSE_MAX; i++)
        pause *= 2;
    uv_timer_start(&watch->again, on_again,
                   pause < LOOP_WATCH_PAUSE_MAX ? pause : LOOP_WATCH_PAUSE_MAX, 0);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct loop_watch *watch = container_of(handle, struct loop_watch, handle);

    if (status >= 0)
        watch->failed = 0;
    watch->cb(watch, status, events);
    /* The memory is valid until the close callback, whatever the callback did. */
    if (status < 0 && watch->events && !uv_is_closing((uv_handle_t *)handle) &&
        !uv_is_active((uv_handle_t *)handle))
        start_again(watch);
}

int loop_watch_init(struct loop_watch *watch, uv_loop_t *loop, struct loop_scope *scope, int fd,
                    loop_watch_fn *cb)
{
    int r = uv_poll_init(loop, &watch->handle, fd);

    if (r < 0)
        return r;
    loop_scope_adopt(scope, (uv_handle_t *)&watch->handle);
    uv_timer_init(loop, &watch->again);
    loop_scope_adopt(scope, (uv_handle_t *)&watch->again);
    watch->cb = cb;
    watch->fd = fd;
    watch->events = 0;
    watch->failed = 0;
    return 0;
}

void loop_watch_drop(struct loop_watch *watch, struct loop_scope *scope)
{
    watch->events = 0;
    loop_scope_drop(scope, (uv_handle_t *)&watch->handle);
    loop_scope_drop(scope, (uv_handle_t *)&watch->again);
}

void loop_watch_set(struct loop_watch *watch, int events)
{
    watch->events = events;
    uv_timer_stop(&watch->again);
    if (events)
        start(watch);
    else
        uv_poll_stop(&watch->handle);
}
