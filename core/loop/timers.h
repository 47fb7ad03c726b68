/* Many timers on one timerfd. An active uv_timer gives every epoll_wait of the loop a timeout, and
 * the kernel sets up and takes down a timer for it at each sleep (1–3 µs); here the loop sleeps
 * without one, and the timerfd is touched only when the earliest deadline becomes earlier. So it
 * may wake the loop for a timer that was stopped meanwhile, but never late. */
#ifndef CORE_LOOP_TIMERS_H
#define CORE_LOOP_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/loop/scope.h"
#include "orbital/error.h"

struct loop_timer;
typedef void loop_timer_cb(struct loop_timer *timer);

/* Embedded in its user, zeroed before the first start. The user stops it before its memory goes,
 * be it in its own callback. */
struct loop_timer {
    struct loop_timers *timers; /* NULL: does not run */
    loop_timer_cb *cb;
    uint64_t at_ns;
    uint64_t repeat_ns;
    struct loop_timer *child, *next; /* the heap, core/loop/timers.c */
    struct loop_timer *prev;         /* left neighbour, or parent of the leftmost */
};

struct loop_timers {
    uv_poll_t poll;
    int fd;
    uint64_t armed_ns; /* 0: not armed */
    bool firing;
    struct loop_timer *first; /* the earliest */
};

/* Opens the timerfd and hands its handle to scope, which ends it like every other; in the scope's
 * `done` call loop_timers_fini. The handle keeps the loop alive: uv_unref(&timers->poll) when it
 * should not. Errors: negative errno; timers may be given to loop_timers_fini then, too. */
int loop_timers_open(struct loop_timers *timers, uv_loop_t *loop, struct loop_scope *scope,
                     struct orb_err *err);
void loop_timers_fini(struct loop_timers *timers);

/* Calls cb from the loop after_ms from now, then every repeat_ms (0: once); a running timer starts
 * anew. Once the scope closes nothing fires any more; starting stays harmless. */
void loop_timer_start(struct loop_timers *timers, struct loop_timer *timer, loop_timer_cb *cb,
                      uint64_t after_ms, uint64_t repeat_ms);
/* A stopped one may be stopped again. O(log n) amortised. */
void loop_timer_stop(struct loop_timer *timer);

#endif
