/* core/sup/restart.c: backoff, circuit breaker, policy. */
#include "core/sup/restart.h"
#include "test/lib/harness.h"

static const struct manifest manifest = {
    .restart = RESTART_ALWAYS,
    .backoff_ms = 100,
    .backoff_max_ms = 1000,
    .breaker_failures = 5,
    .breaker_window_s = 60,
    .breaker_cooldown_s = 30,
    .breaker_cooldown_max_s = 100,
    .breaker_healthy_s = 10,
};

TEST(the_first_restart_is_at_once_and_the_next_ones_wait_longer_up_to_the_limit)
{
    struct restart r = {0};
    struct manifest m = manifest;
    uint32_t wait, last = 0;

    m.breaker_failures = 32;
    ck_assert_int_eq(restart_decide(&r, &m, false, 0, 1000, UINT32_MAX, &wait), RESTART_AFTER);
    ck_assert_uint_eq(wait, 0);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(restart_decide(&r, &m, false, 0, 2000, UINT32_MAX, &wait), RESTART_AFTER);
        ck_assert_uint_ge(wait, last);
        ck_assert_uint_le(wait, 1000);
        last = wait;
    }
    ck_assert_uint_eq(last, 1000);
    restart_decide(&r, &m, false, 0, 2000, 0, &wait);
    ck_assert_uint_eq(wait, 500); /* the least jitter */
}

TEST(no_manifest_starts_a_service_more_often_than_the_host_lets_it)
{
    struct manifest m = manifest;
    struct restart r = {0};
    uint64_t now = 1000;
    uint32_t wait;
    unsigned starts = 0;

    m.backoff_ms = m.backoff_max_ms = 10;
    m.breaker_failures = 32;
    m.breaker_window_s = m.breaker_cooldown_s = m.breaker_cooldown_max_s = m.breaker_healthy_s = 1;
    for (; now < 601000; starts++) { /* it runs for 5 ms each time */
        restart_running(&r, now);
        now += 5;
        ck_assert_int_ne(restart_decide(&r, &m, starts & 1, 20, now, 0, &wait), RESTART_NONE);
        now += wait;
    }
    ck_assert_uint_ge(starts, 200);
    ck_assert_uint_le(starts, 220); /* 20 at once, then 20 a minute */
    now += 60000;
    restart_decide(&r, &m, false, 20, now, 0, &wait);
    ck_assert_uint_le(wait, 10); /* a minute of rest: as at the beginning */
}

TEST(the_fifth_failure_in_the_window_opens_the_breaker)
{
    struct restart r = {0};
    uint32_t wait;

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(restart_decide(&r, &manifest, false, 0, 1000 + (uint64_t)i, 0, &wait),
                         RESTART_AFTER);
    ck_assert_int_eq(restart_decide(&r, &manifest, false, 0, 5000, 0, &wait), RESTART_BREAKER);
    ck_assert_uint_eq(wait, 30000);
    ck_assert_int_eq(r.breaker, BREAKER_OPEN);
}

TEST(failures_outside_the_window_do_not_count)
{
    struct restart r = {0};
    uint32_t wait;

    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(
            restart_decide(&r, &manifest, false, 0, 1000 + (uint64_t)i * 20000, 0, &wait),
            RESTART_AFTER);
}

TEST(a_failed_probe_doubles_the_cool_down_and_a_healthy_one_closes_the_breaker)
{
    struct restart r = {.breaker = BREAKER_HALF_OPEN, .cooldown_ms = 30000};
    uint32_t wait;

    ck_assert_int_eq(restart_decide(&r, &manifest, false, 0, 1000, 0, &wait), RESTART_BREAKER);
    ck_assert_uint_eq(wait, 60000);
    r.breaker = BREAKER_HALF_OPEN;
    ck_assert_int_eq(restart_decide(&r, &manifest, false, 0, 2000, 0, &wait), RESTART_BREAKER);
    ck_assert_uint_eq(wait, 100000); /* the limit */
    r.breaker = BREAKER_HALF_OPEN;
    restart_running(&r, 10000);
    ck_assert(!restart_settle(&r, &manifest, 15000));
    ck_assert(restart_settle(&r, &manifest, 20000));
    ck_assert_int_eq(r.breaker, BREAKER_CLOSED);
    ck_assert_int_eq(restart_decide(&r, &manifest, false, 0, 30000, 0, &wait), RESTART_AFTER);
    ck_assert_uint_eq(wait, 0);
}

TEST(the_policy_decides_whether_a_clean_exit_is_restarted)
{
    struct restart r = {0};
    struct manifest m = manifest;
    uint32_t wait;

    m.restart = RESTART_ON_FAILURE;
    ck_assert_int_eq(restart_decide(&r, &m, true, 0, 1, 0, &wait), RESTART_NONE);
    ck_assert_int_eq(restart_decide(&r, &m, false, 0, 1, 0, &wait), RESTART_AFTER);
    m.restart = RESTART_NEVER;
    ck_assert_int_eq(restart_decide(&r, &m, false, 0, 1, 0, &wait), RESTART_NONE);
}

TEST(when_a_run_counts_as_healthy_is_known_before)
{
    struct restart r = {.streak = 1};

    ck_assert_uint_eq(restart_settles_at(&r, &manifest), 0); /* it does not run */
    restart_running(&r, 5000);
    ck_assert_uint_eq(restart_settles_at(&r, &manifest), 15000);
    restart_settle(&r, &manifest, 14999);
    ck_assert_uint_eq(r.streak, 1);
    restart_settle(&r, &manifest, 15000);
    ck_assert_uint_eq(r.streak, 0);
    ck_assert_uint_eq(restart_settles_at(&r, &manifest), 0);
}
