/* core/sup/pace.c: what of a deadline was used up. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/now.h"
#include "core/sup/pace.h"
#include "test/lib/harness.h"

TEST(who_sleeps_or_is_stopped_uses_the_time_of_the_wall)
{
    ck_assert_uint_eq(pace_of('S', 1000, 0), 1000);
    ck_assert_uint_eq(pace_of('T', 1000, 0), 1000);
    ck_assert_uint_eq(pace_of('?', 1000, 0), 1000);
}

TEST(who_computes_uses_what_the_processor_gave_it)
{
    ck_assert_uint_eq(pace_of('R', 1000, 300), 300);
    ck_assert_uint_eq(pace_of('R', 1000, 1000), 1000);
    ck_assert_uint_eq(pace_of('S', 1000, 700), 700); /* it was at work until just now */
}

TEST(no_deadline_lasts_for_ever)
{
    ck_assert_uint_eq(pace_of('R', 1000, 0), 1000 / PACE_SLOWEST);
    ck_assert_uint_eq(pace_of('D', 1000, 0), 1000 / PACE_SLOWEST);
    ck_assert_uint_eq(pace_of('R', 1000, 5000), 1000);
}

TEST(a_stopped_process_is_told_from_one_that_works)
{
    struct pace stopped, works;
    pid_t a = fork(), b;
    uint64_t begin, wall;

    if (a == 0)
        for (;;)
            pause();
    b = fork();
    if (b == 0)
        for (volatile unsigned i = 0;; i++)
            ;
    kill(a, SIGSTOP);
    ck_assert_int_eq(waitpid(a, NULL, WUNTRACED), a);
    begin = now_ms();
    pace_start(&stopped, a, begin);
    pace_start(&works, b, begin);
    while (now_ms() - begin < 300)
        usleep(10000);
    wall = now_ms() - begin;
    ck_assert_uint_eq(pace_spent(&stopped, a, begin + wall), wall);
    ck_assert_uint_ge(pace_spent(&works, b, begin + wall), wall / PACE_SLOWEST);
    kill(a, SIGKILL);
    kill(b, SIGKILL);
    ck_assert_int_eq(waitpid(a, NULL, 0), a);
    ck_assert_int_eq(waitpid(b, NULL, 0), b);
}
