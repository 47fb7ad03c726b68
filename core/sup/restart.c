/* See restart.h. */
#include "core/sup/restart.h"

#include <string.h>

#define MINUTE_MS 60000u

const char *restart_breaker_name(enum breaker_state state)
{
    static const char *const names[] = {"closed", "open", "half-open"};

    return names[state];
}

void restart_running(struct restart *restart, uint64_t now_ms)
{
    restart->running_since = now_ms;
}

uint64_t restart_settles_at(const struct restart *restart, const struct manifest *manifest)
{
    if (!restart->running_since || (!restart->streak && restart->breaker == BREAKER_CLOSED))
        return 0;
    return restart->running_since + (uint64_t)manifest->breaker_healthy_s * 1000;
}

bool restart_settle(struct restart *restart, const struct manifest *manifest, uint64_t now_ms)
{
    bool was_open = restart->breaker != BREAKER_CLOSED;

    if (!restart->running_since ||
        now_ms - restart->running_since < (uint64_t)manifest->breaker_healthy_s * 1000)
        return false;
    restart->streak = 0;
    if (was_open) {
        restart->breaker = BREAKER_CLOSED;
        restart->cooldown_ms = 0;
        memset(restart->failures, 0, sizeof(restart->failures));
    }
    return was_open;
}

static unsigned recent_failures(const struct restart *restart, uint64_t now_ms, uint64_t window_ms)
{
    unsigned n = 0;

    for (unsigned i = 0; i < BREAKER_MEMORY; i++)
        if (restart->failures[i] && now_ms - restart->failures[i] <= window_ms)
            n++;
    return n;
}

static uint32_t backoff(const struct manifest *manifest, unsigned streak, uint32_t random)
{
    uint64_t wait = manifest->backoff_ms;

    for (unsigned i = 2; i < streak && wait < manifest->backoff_max_ms; i++)
        wait *= 2;
    if (wait > manifest->backoff_max_ms)
        wait = manifest->backoff_max_ms;
    return (uint32_t)(wait / 2 + wait / 2 * random / UINT32_MAX); /* · U(0.5, 1) */
}

static enum restart_decision open_breaker(struct restart *restart, const struct manifest *manifest,
                                          uint32_t *ret_wait_ms)
{
    uint64_t max = (uint64_t)manifest->breaker_cooldown_max_s * 1000;
    uint64_t wait = restart->cooldown_ms ? (uint64_t)restart->cooldown_ms * 2
                                         : (uint64_t)manifest->breaker_cooldown_s * 1000;

    restart->breaker = BREAKER_OPEN;
    restart->cooldown_ms = (uint32_t)(wait < max ? wait : max);
    *ret_wait_ms = restart->cooldown_ms;
    return RESTART_BREAKER;
}

/* Token bucket of starts: each start uses its share of a minute, at most one minute is saved up. */
static uint32_t host_wait(struct restart *restart, unsigned a_minute, uint64_t now_ms)
{
    if (!a_minute)
        return 0;
    if (restart->spent_until < now_ms)
        restart->spent_until = now_ms;
    restart->spent_until += MINUTE_MS / a_minute;
    return restart->spent_until > now_ms + MINUTE_MS
               ? (uint32_t)(restart->spent_until - now_ms - MINUTE_MS)
               : 0;
}

static enum restart_decision decide(struct restart *restart, const struct manifest *manifest,
                                    bool clean, uint64_t now_ms, uint32_t random,
                                    uint32_t *ret_wait_ms)
{
    uint64_t window = (uint64_t)manifest->breaker_window_s * 1000;
    unsigned limit = manifest->breaker_failures;

    *ret_wait_ms = 0;
    restart_settle(restart, manifest, now_ms);
    restart->running_since = 0;
    if (manifest->restart == RESTART_NEVER || (clean && manifest->restart == RESTART_ON_FAILURE))
        return RESTART_NONE;
    restart->failures[restart->failure_at++ % BREAKER_MEMORY] = now_ms ? now_ms : 1;
    restart->streak++;
    if (restart->breaker == BREAKER_HALF_OPEN)
        return open_breaker(restart, manifest, ret_wait_ms);
    if (limit > BREAKER_MEMORY)
        limit = BREAKER_MEMORY;
    if (recent_failures(restart, now_ms, window) >= limit)
        return open_breaker(restart, manifest, ret_wait_ms);
    if (restart->streak > 1)
        *ret_wait_ms = backoff(manifest, restart->streak, random);
    return RESTART_AFTER;
}

enum restart_decision restart_decide(struct restart *restart, const struct manifest *manifest,
                                     bool clean, unsigned a_minute, uint64_t now_ms,
                                     uint32_t random, uint32_t *ret_wait_ms)
{
    enum restart_decision r = decide(restart, manifest, clean, now_ms, random, ret_wait_ms);
    uint32_t least = r == RESTART_NONE ? 0 : host_wait(restart, a_minute, now_ms);

    if (*ret_wait_ms < least)
        *ret_wait_ms = least;
    return r;
}

void restart_reset(struct restart *restart)
{
    unsigned restarts = restart->restarts;

    *restart = (struct restart){.restarts = restarts};
}
