/* Whether and when a service that ended is started again: policy, backoff and circuit breaker
 * (M. Nygard, Release It!, 2007, ch. 5). Pure: times and randomness are arguments. */
#ifndef CORE_SUP_RESTART_H
#define CORE_SUP_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pkg/package.h"

#define BREAKER_MEMORY 32 /* failures kept, and the largest number in a manifest */

/* Open: not started again until the cool-down is over. Half-open: one attempt, the next failure
 * opens it again. */
enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* Restart history of one service; all zero is one without a past. Times are monotonic, ms. */
struct restart {
    uint64_t failures[BREAKER_MEMORY]; /* times of the last failures, a ring; 0: none */
    unsigned failure_at;
    unsigned streak; /* failures in a row, for the backoff */
    enum breaker_state breaker;
    uint32_t cooldown_ms;   /* of the last opening; doubles with the next */
    uint64_t running_since; /* 0: it does not run */
    unsigned restarts;      /* starts after the first */
    uint64_t spent_until;   /* restarts are paid for until then; see a_minute */
};

/* RESTART_AFTER: wait *ret_wait_ms (0: none) and start; RESTART_BREAKER: the breaker is open for
 * *ret_wait_ms, then one attempt; RESTART_NONE: no restart by policy. */
enum restart_decision { RESTART_AFTER, RESTART_BREAKER, RESTART_NONE };

/* The service reached Running at now_ms. */
void restart_running(struct restart *restart, uint64_t now_ms);
/* When restart_settle should be called next, monotonic ms; 0: never in the present state. */
uint64_t restart_settles_at(const struct restart *restart, const struct manifest *manifest);
/* Running for the manifest's healthy time: closes the breaker and clears the streak. Call any time
 * while Running. True when the breaker was closed by this call. */
bool restart_settle(struct restart *restart, const struct manifest *manifest, uint64_t now_ms);
/* The process ended. clean: exit status 0; a_minute: starts per minute that the host allows,
 * whatever the manifest specifies (as many at once; 0: any number); random: 0..UINT32_MAX, for the
 * jitter. */
enum restart_decision restart_decide(struct restart *restart, const struct manifest *manifest,
                                     bool clean, unsigned a_minute, uint64_t now_ms,
                                     uint32_t random, uint32_t *ret_wait_ms);
/* Started by a user: clears everything but the count of restarts. */
void restart_reset(struct restart *restart);
/* "closed", "open", "half-open": as in JSON. */
const char *restart_breaker_name(enum breaker_state state);

#endif
