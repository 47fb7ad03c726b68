/* The package's timers and watches of descriptors. */
#ifndef CORE_WORKER_SDK_LOOP_H
#define CORE_WORKER_SDK_LOOP_H

#include "core/loop/loop_watch.h"
#include "core/worker/sdk_timer.h"
#include "orbital/orbital.h"

struct orb_ctx;

struct orb_timer {
    struct orb_timer *prev;
    struct orb_timer *next;
    struct sdk_timer timer;
    orb_timer_fn *cb;
    void *arg;
};

struct orb_watch {
    struct orb_ctx *ctx;
    struct orb_watch *prev;
    struct orb_watch *next;
    struct loop_scope scope;
    struct loop_watch poll;
    orb_watch_fn *cb;
    void *arg;
};

/* Frees timers and watches that the package did not free. */
void sdk_loop_fini(struct orb_ctx *ctx);

#endif
