/* See liveness.h. Note: a pause of the host's own loop must not kill a healthy worker whose PONG is
 * unread. So a tick that is much too late counts as one in time. */
#include "core/sup/liveness.h"

#define READY_TICKS 10 /* looks at a worker that is not ready, within its deadline */

static uint64_t at_most_a_tick(uint64_t spent_ms, uint64_t tick_ms)
{
    return spent_ms < tick_ms * 2 ? spent_ms : tick_ms;
}

void liveness_alive(struct liveness *liveness)
{
    liveness->silent_ms = 0;
}

uint64_t liveness_ready_tick(const struct limits *limits)
{
    uint64_t tick = limits->ready_ms / READY_TICKS;

    return tick ? tick : 1;
}

bool liveness_ready_over(struct liveness *liveness, const struct limits *limits, uint64_t spent_ms)
{
    liveness->silent_ms += at_most_a_tick(spent_ms, liveness_ready_tick(limits));
    return liveness->silent_ms >= limits->ready_ms;
}

bool liveness_ping_over(struct liveness *liveness, const struct limits *limits, uint64_t spent_ms)
{
    liveness->silent_ms += at_most_a_tick(spent_ms, limits->ping_every_ms);
    return liveness->silent_ms > (uint64_t)limits->ping_ms + limits->ping_every_ms;
}
