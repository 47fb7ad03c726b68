/* An eventfd in the loop: see loop_wake.h. */
#include "core/loop/loop_wake.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/own.h"

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct loop_wake *wake = container_of(handle, struct loop_wake, poll);
    eventfd_t count;

    if (eventfd_read(wake->fd, &count) == 0) /* first: what is sent from here on is another call */
        wake->fn(wake);
}

int loop_wake_start(struct loop_wake *wake, uv_loop_t *loop, struct loop_scope *scope,
                    void (*fn)(struct loop_wake *wake), struct orb_err *err)
{
    int r;

    *wake = (struct loop_wake){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .fn = fn};
    if (wake->fd < 0)
        return orb_fail(err, -errno, "there is no descriptor with which threads wake the loop");
    r = uv_poll_init(loop, &wake->poll, wake->fd);
    if (r < 0) {
        close(wake->fd);
        wake->fd = -1;
        return orb_fail(err, r, "the descriptor with which threads wake the loop is not watched");
    }
    loop_scope_adopt(scope, (uv_handle_t *)&wake->poll);
    uv_poll_start(&wake->poll, UV_READABLE, on_poll);
    uv_unref((uv_handle_t *)&wake->poll);
    return 0;
}

void loop_wake_send(struct loop_wake *wake)
{
    eventfd_write(wake->fd, 1);
}

void loop_wake_fini(struct loop_wake *wake)
{
    if (wake->fd >= 0)
        close(wake->fd);
    wake->fd = -1;
}
