/* A watch on a descriptor that persists until its owner stops it. libuv stops a uv_poll_t at the
 * first error of its descriptor (EPOLLERR) and reports it once; for a netlink socket that is only
 * an overrun (ENOBUFS): the next read clears the error and events continue. So the handle is
 * started again here. To avoid spinning, a descriptor whose error persists is polled at growing
 * intervals, up to one second. */
#ifndef CORE_LOOP_LOOP_WATCH_H
#define CORE_LOOP_LOOP_WATCH_H

#include "core/loop/loop_scope.h"

#define LOOP_WATCH_AT_ONCE 8      /* errors in a row that are looked at without a pause */
#define LOOP_WATCH_PAUSE_MAX 1000 /* ms */

struct loop_watch;

/* events: UV_READABLE, UV_WRITABLE; status below 0: the descriptor has an error, which a read or
 * getsockopt(SO_ERROR) takes away. The callback may stop, start again or close the poll. */
typedef void loop_watch_fn(struct loop_watch *poll, int status, int events);

struct loop_watch {
    uv_poll_t handle;
    uv_timer_t again;
    loop_watch_fn *cb;
    int fd;
    int events;      /* wanted; 0: stopped */
    unsigned failed; /* errors in a row that were still there after the callback */
};

/* Adopts two handles in scope. fd stays the owner's and open until scope closed them. Error:
 * libuv's, nothing is adopted then. */
int loop_watch_init(struct loop_watch *poll, uv_loop_t *loop, struct loop_scope *scope, int fd,
                    loop_watch_fn *cb);
/* events 0: stops. */
void loop_watch_set(struct loop_watch *poll, int events);
/* Closes both handles early; the memory stays part of the owner. */
void loop_watch_drop(struct loop_watch *poll, struct loop_scope *scope);

#endif
