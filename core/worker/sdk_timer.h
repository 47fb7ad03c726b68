/* Timers of a worker, the package's and the SDK's. The module has two implementations: sdk_timer.c
 * runs on the loop's clock, kit/sdk_timer.c on one that a test moves. */
#ifndef CORE_WORKER_SDK_TIMER_H
#define CORE_WORKER_SDK_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/loop/loop_scope.h"

struct orb_ctx;

struct sdk_timer {
    struct orb_ctx *ctx;
    void (*cb)(struct sdk_timer *timer);
    void (*closed)(struct sdk_timer *timer);
    uint64_t repeat_ms;
    unsigned open; /* handles that are not closed */
    uv_timer_t handle;
    uv_idle_t soon; /* for one that fires at once */
    /* kit/sdk_timer.c */
    struct sdk_timer *next; /* of those that run, by due_ms */
    uint64_t due_ms;
    uint64_t round;
};

/* cb is called on the loop, and not once the worker has ended. */
void sdk_timer_init(struct sdk_timer *timer, struct orb_ctx *ctx,
                    void (*cb)(struct sdk_timer *timer));
/* The scope closes the timer, in place of sdk_timer_close(). */
void sdk_timer_adopt(struct sdk_timer *timer, struct loop_scope *scope);
/* Fires after after_ms (0: in the next turn of the loop), then every repeat_ms (0: once). Starting
 * again restarts. */
void sdk_timer_start(struct sdk_timer *timer, uint64_t after_ms, uint64_t repeat_ms);
/* cb is not called any more; nothing when it does not run. */
void sdk_timer_stop(struct sdk_timer *timer);
/* Was it started, and neither fired for the last time nor stopped? */
bool sdk_timer_runs(const struct sdk_timer *timer);
/* closed is called from the loop when the memory may be freed, also when called inside cb. */
void sdk_timer_close(struct sdk_timer *timer, void (*closed)(struct sdk_timer *timer));

#endif
