/* Counters and gauges of the package, sent at intervals. */
#ifndef CORE_WORKER_SDK_OBS_H
#define CORE_WORKER_SDK_OBS_H

#include "core/worker/sdk_internal.h"

struct sdk_metric {
    struct sdk_metric *next;
    uint64_t add;
    double set;
    bool gauge;
    bool dirty;
    char name[SDK_NAME];
};

/* Sends the counters that changed; sdk_open() gives it to the timer. */
void sdk_obs_on_timer(struct sdk_timer *timer);
/* Sends the counters now. */
void sdk_obs_flush(struct orb_ctx *ctx);
void sdk_obs_fini(struct orb_ctx *ctx);

#endif
