/* core/sup/liveness.c: deadlines, with time that the test gives. */
#include "core/sup/liveness.h"
#include "test/lib/harness.h"

static const struct limits limits = {.ready_ms = 10000, .ping_every_ms = 1000, .ping_ms = 3000};

TEST(a_worker_has_all_of_its_time_to_become_ready)
{
    struct liveness l = {0};

    ck_assert_uint_eq(liveness_ready_tick(&limits), 1000);
    for (int i = 0; i < 9; i++)
        ck_assert(!liveness_ready_over(&l, &limits, 1000));
    ck_assert(liveness_ready_over(&l, &limits, 1000));
}

TEST(progress_gives_a_start_its_time_anew)
{
    struct liveness l = {0};

    for (int i = 0; i < 100; i++) {
        ck_assert(!liveness_ready_over(&l, &limits, 1000));
        if (i % 5 == 0)
            liveness_alive(&l);
    }
}

TEST(a_pong_must_follow_each_ping_in_time)
{
    struct liveness l = {0};

    for (int i = 0; i < 4; i++)
        ck_assert(!liveness_ping_over(&l, &limits, 1000));
    ck_assert(liveness_ping_over(&l, &limits, 1000));
    liveness_alive(&l);
    ck_assert(!liveness_ping_over(&l, &limits, 1000));
}

TEST(a_pause_of_the_host_is_not_the_worker_s_silence)
{
    struct liveness l = {0};

    ck_assert(!liveness_ping_over(&l, &limits, 3600 * 1000));
    ck_assert_uint_eq(l.silent_ms, limits.ping_every_ms);
    liveness_alive(&l);
    ck_assert(!liveness_ready_over(&l, &limits, 3600 * 1000));
}

TEST(what_the_worker_did_not_have_does_not_count)
{
    struct liveness l = {0};

    for (int i = 0; i < 40; i++)
        ck_assert(!liveness_ping_over(&l, &limits, 100));
    ck_assert(liveness_ping_over(&l, &limits, 1000));
}

TEST(a_deadline_shorter_than_its_ticks_still_ends)
{
    struct limits soon = {.ready_ms = 3};
    struct liveness l = {0};
    int ticks = 1;

    ck_assert_uint_eq(liveness_ready_tick(&soon), 1);
    while (!liveness_ready_over(&l, &soon, 1))
        ticks++;
    ck_assert_int_eq(ticks, 3);
}
