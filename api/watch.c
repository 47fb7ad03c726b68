/* Level-triggered and one event at a time (EPOLLONESHOT): what a connection sent while it waited
 * for its turn is reported as soon as it is armed again. */
#include "api/watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "api/connection.h"

#define EVENTS_AT_ONCE 512

static struct epoll_event event_of(struct connection *c, unsigned events)
{
    struct epoll_event e = {.events = EPOLLONESHOT, .data.ptr = c};

    if (events & ORB_READABLE)
        e.events |= EPOLLIN;
    if (events & ORB_WRITABLE)
        e.events |= EPOLLOUT;
    return e;
}

/* No connection ends in it, so that each pointer is valid. */
static void on_ready(struct orb_ctx *ctx, void *arg, int fd, unsigned events)
{
    struct api *api = arg;
    struct epoll_event seen[EVENTS_AT_ONCE];
    int n = epoll_wait(fd, seen, EVENTS_AT_ONCE, 0);

    for (int i = 0; i < n; i++) {
        unsigned what = 0;

        if (seen[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
            what |= ORB_READABLE;
        if (seen[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
            what |= ORB_WRITABLE;
        api->watch_fn(seen[i].data.ptr, what);
    }
}

int watch_start(struct api *api, watch_fn *fn, struct orb_err *err)
{
    api->watch_fn = fn;
    api->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (api->epoll < 0)
        return orb_fail(err, -errno, "no epoll instance for the connections can be made");
    api->watch = orb_watch_new(api->ctx, api->epoll, ORB_READABLE, on_ready, api, err);
    if (api->watch)
        return 0;
    close(api->epoll);
    return err->code;
}

void watch_stop(struct api *api)
{
    if (!api->watch) /* it was not started */
        return;
    orb_watch_free(api->watch);
    close(api->epoll);
}

bool watch_add(struct connection *c)
{
    struct epoll_event e = event_of(c, ORB_READABLE);

    return epoll_ctl(c->api->epoll, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

void watch_again(struct connection *c, unsigned events)
{
    struct epoll_event e = event_of(c, events);

    epoll_ctl(c->api->epoll, EPOLL_CTL_MOD, c->fd, &e);
}
