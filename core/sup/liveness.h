/* Does a worker's loop turn? The arithmetic alone: until READY it has ready-ms, afterwards every
 * PING wants a PONG within ping-ms. Time counts as the worker had it (pace.h) and begins anew with
 * each sign of life. worker.c has the timers. */
#ifndef CORE_SUP_LIVENESS_H
#define CORE_SUP_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pkg/package.h"

struct liveness {
    uint64_t silent_ms; /* of the worker's own time since its last sign of life */
};

/* A sign of life, or the begin of a deadline. */
void liveness_alive(struct liveness *liveness);
/* How often to call liveness_ready_over, ms, at least 1. */
uint64_t liveness_ready_tick(const struct limits *limits);
/* Once per liveness_ready_tick until READY; spent_ms: of the worker's time since the last call.
 * True when the deadline is over. */
bool liveness_ready_over(struct liveness *liveness, const struct limits *limits, uint64_t spent_ms);
/* Once per limits->ping_every_ms from READY on, before the next PING is sent. True when a PONG is
 * overdue. */
bool liveness_ping_over(struct liveness *liveness, const struct limits *limits, uint64_t spent_ms);

#endif
