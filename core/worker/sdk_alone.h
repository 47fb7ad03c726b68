/* The time of steps that no caller waits for. */
#ifndef CORE_WORKER_SDK_ALONE_H
#define CORE_WORKER_SDK_ALONE_H

#include <stdint.h>

struct orb_ctx;
struct sdk_timer;

/* The step that is being worked on has so long; then the worker ends as failed. */
void sdk_alone_start(struct orb_ctx *ctx, uint32_t ms);
/* The same with the time of orb_now_ms() when it is over. */
void sdk_alone_until(struct orb_ctx *ctx, uint64_t at);
/* The step has ended: no time runs. */
void sdk_alone_end(struct orb_ctx *ctx);
/* Restarts the time-out after progress. */
void sdk_alone_progress(struct orb_ctx *ctx);
/* The time is over; sdk_open() gives it to the timer. */
void sdk_alone_on_timer(struct sdk_timer *timer);

#endif
