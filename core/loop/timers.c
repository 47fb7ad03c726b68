/* The timers of a loop in a pairing heap: no memory but the timers' own. A timer started later than
 * all others and stopped before it is due – a request that is answered – costs a few pointers. */
#include "core/loop/timers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/own.h"

#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u

/* ---- heap: parent before child; a node's children are a list from `child` over `next` ---- */

/* Both are roots without neighbours. Of equals the first stays before the second. */
static struct loop_timer *meld(struct loop_timer *a, struct loop_timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->at_ns < a->at_ns) {
        struct loop_timer *swap = a;

        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    a->child = b;
    return a;
}

/* The list of siblings as one tree: pairs from left to right, their results from right to left. */
static struct loop_timer *merge(struct loop_timer *list)
{
    struct loop_timer *pairs = NULL, *tree = NULL;

    while (list) {
        struct loop_timer *a = list, *b = list->next;

        list = b ? b->next : NULL;
        a->next = NULL;
        if (b)
            b->next = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct loop_timer *a = pairs;

        pairs = a->next;
        a->next = NULL;
        tree = meld(tree, a);
    }
    if (tree)
        tree->prev = NULL;
    return tree;
}

static void heap_add(struct loop_timers *timers, struct loop_timer *timer)
{
    timer->timers = timers;
    timer->child = timer->next = timer->prev = NULL;
    timers->first = meld(timers->first, timer);
}

static void heap_remove(struct loop_timer *timer)
{
    struct loop_timers *timers = timer->timers;
    struct loop_timer *children = merge(timer->child);

    timer->timers = NULL;
    if (timers->first == timer) {
        timers->first = children;
        return;
    }
    if (timer->prev->child == timer)
        timer->prev->child = timer->next;
    else
        timer->prev->next = timer->next;
    if (timer->next)
        timer->next->prev = timer->prev;
    timers->first = meld(timers->first, children);
}

/* ---- the descriptor ---- */

/* at_ns of CLOCK_MONOTONIC, 0: never. Also takes back that it fired. */
static void arm(struct loop_timers *timers, uint64_t at_ns)
{
    const struct itimerspec spec = {
        .it_value = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)}};

    if (timerfd_settime(timers->fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
        abort(); /* our own mistake */
    timers->armed_ns = at_ns;
}

static bool closing(const struct loop_timers *timers)
{
    return uv_is_closing((const uv_handle_t *)&timers->poll);
}

static void on_due(uv_poll_t *poll, int status, int events)
{
    struct loop_timers *timers = container_of(poll, struct loop_timers, poll);
    uint64_t now = now_ns();

    timers->firing = true;
    while (!closing(timers) && timers->first && timers->first->at_ns <= now) {
        struct loop_timer *timer = timers->first;

        heap_remove(timer);
        if (timer->repeat_ns) {
            timer->at_ns = now + timer->repeat_ns;
            heap_add(timers, timer);
        }
        timer->cb(timer); /* which may free it, and start, stop and close everything */
    }
    timers->firing = false;
    if (!closing(timers))
        arm(timers, timers->first ? timers->first->at_ns : 0);
}

int loop_timers_open(struct loop_timers *timers, uv_loop_t *loop, struct loop_scope *scope,
                     struct orb_err *err)
{
    AUTO_FD int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int r;

    *timers = (struct loop_timers){.fd = -1};
    if (fd < 0)
        return orb_fail(err, -errno, "cannot make a timer");
    r = uv_poll_init(loop, &timers->poll, fd);
    if (r < 0)
        return orb_fail(err, r, "cannot watch a timer");
    timers->fd = take_fd(&fd);
    loop_scope_adopt(scope, (uv_handle_t *)&timers->poll);
    uv_poll_start(&timers->poll, UV_READABLE, on_due);
    return 0;
}

void loop_timers_fini(struct loop_timers *timers)
{
    if (timers->fd >= 0)
        close(timers->fd);
    timers->fd = -1;
}

void loop_timer_start(struct loop_timers *timers, struct loop_timer *timer, loop_timer_cb *cb,
                      uint64_t after_ms, uint64_t repeat_ms)
{
    loop_timer_stop(timer);
    timer->cb = cb;
    timer->at_ns = now_ns() + after_ms * NS_PER_MS;
    timer->repeat_ns = repeat_ms * NS_PER_MS;
    heap_add(timers, timer);
    if (!timers->firing && !closing(timers) &&
        (!timers->armed_ns || timer->at_ns < timers->armed_ns))
        arm(timers, timer->at_ns);
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (timer->timers)
        heap_remove(timer);
}
