/* Liveness of a worker's loop, without timers: until READY it has ready-ms, afterwards every PING
 * needs a PONG within ping-ms. Only time in which the worker could run counts (pace.h), and it
 * restarts with each frame. worker.c has the timers. */
#ifndef CORE_SUP_LIVENESS_H
#define CORE_SUP_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pkg/package.h"

struct liveness {
    uint64_t silent_ms; /* of the worker's own time since its last frame */
};

/* Restarts the deadline: a frame was received, or a deadline begins. */
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
