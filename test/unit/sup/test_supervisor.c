/* core/sup/service.c, supervisor.c: what happens to one service, and what follows for others. */
#include <string.h>

#include "core/base/xalloc.h"
#include "core/sup/follow.h"
#include "test/lib/harness.h"
#include "test/unit/sup/fake.h"

/* One service, running, and a fresh trace. */
static void run_one(struct fake *f)
{
    fake_new(f);
    fake_package(f, "a", NULL);
    fake_start(f);
    fake_run_all(f);
    ck_assert_str_eq(fake_state(f, "a"), "Running");
    fake_trace(f);
    buf_clear(&f->logged);
}

TEST(a_service_is_spawned_becomes_ready_and_runs)
{
    struct fake f;

    fake_new(&f);
    fake_package(&f, "a", NULL);
    fake_start(&f);
    ck_assert_str_eq(fake_trace(&f),
                     "Starting a, phase core, phase control, phase features, spawn a");
    fake_ready(&f, "a");
    ck_assert_str_eq(fake_trace(&f), "ready a, Running a");
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "phase operational");
    fake_free(&f);
}

TEST(a_crash_is_reported_and_the_first_restart_comes_at_once)
{
    struct fake f;

    run_one(&f);
    fake_exit(&f, "a", false);
    supervisor_settle(f.sup);
    ck_assert_str_eq(fake_trace(&f), "Restarting a"); /* others see it before the next turn */
    ck_assert_str_eq(fake_service(&f, "a")->reason, "killed by signal 11");
    ck_assert_uint_eq(f.crashed, 1);
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "Starting a, spawn a");
    ck_assert_uint_eq(fake_service(&f, "a")->restart.restarts, 1);
    fake_free(&f);
}

TEST(the_second_restart_waits_for_its_backoff)
{
    struct fake f;

    run_one(&f);
    fake_exit(&f, "a", false);
    fake_turn(&f);
    fake_exit(&f, "a", false);
    fake_turn(&f);
    ck_assert_str_eq(fake_state(&f, "a"), "Restarting");
    fake_advance(&f, 99);
    ck_assert_uint_eq(f.spawned, 2);
    fake_advance(&f, 1);
    ck_assert_uint_eq(f.spawned, 3);
    fake_free(&f);
}

/* Until the breaker opens; five failures within its window. */
static void fail_until_open(struct fake *f)
{
    for (int i = 0; i < 5; i++) {
        fake_exit(f, "a", false);
        fake_turn(f);
        if (i < 4)
            fake_advance(f, 1000);
    }
    ck_assert_str_eq(fake_state(f, "a"), "Failed");
    ck_assert_int_eq(fake_service(f, "a")->restart.breaker, BREAKER_OPEN);
}

TEST(an_open_breaker_allows_one_attempt_after_its_cool_down)
{
    struct fake f;
    unsigned before;

    run_one(&f);
    fail_until_open(&f);
    before = f.spawned;
    fake_advance(&f, 29999);
    ck_assert_uint_eq(f.spawned, before);
    fake_advance(&f, 1);
    ck_assert_uint_eq(f.spawned, before + 1);
    ck_assert_int_eq(fake_service(&f, "a")->restart.breaker, BREAKER_HALF_OPEN);
    fake_exit(&f, "a", false); /* in vain: twice the cool-down */
    fake_turn(&f);
    ck_assert_int_eq(fake_service(&f, "a")->restart.breaker, BREAKER_OPEN);
    fake_advance(&f, 59999);
    ck_assert_uint_eq(f.spawned, before + 1);
    fake_advance(&f, 1);
    ck_assert_uint_eq(f.spawned, before + 2);
    fake_free(&f);
}

TEST(a_half_open_breaker_closes_once_the_service_has_run_long_enough)
{
    struct fake f;

    run_one(&f);
    fail_until_open(&f);
    fake_advance(&f, 30000);
    fake_run_all(&f);
    fake_advance(&f, 9999);
    ck_assert_int_eq(fake_service(&f, "a")->restart.breaker, BREAKER_HALF_OPEN);
    buf_clear(&f.logged);
    fake_advance(&f, 1);
    ck_assert_int_eq(fake_service(&f, "a")->restart.breaker, BREAKER_CLOSED);
    ck_assert(fake_logged(&f, "service.breaker-closed"));
    fake_exit(&f, "a", false); /* its failures no longer count */
    fake_turn(&f);
    ck_assert_str_eq(fake_state(&f, "a"), "Starting");
    fake_free(&f);
}

TEST(a_worker_that_is_late_or_silent_is_killed_and_restarted_when_it_is_gone)
{
    struct fake f;

    run_one(&f);
    service_worker_events.unhealthy(fake_service(&f, "a"));
    ck_assert_str_eq(fake_trace(&f), "kill a");
    ck_assert_str_eq(fake_state(&f, "a"), "Running"); /* it is there until it has ended */
    fake_turn(&f);
    fake_exit(&f, "a", false);
    fake_turn(&f);
    service_worker_events.late(fake_service(&f, "a"));
    fake_turn(&f);
    ck_assert(fake_service(&f, "a")->late);
    service_worker_events.ready(fake_service(&f, "a"), 0); /* its word came after the decision */
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "Restarting a, Starting a, spawn a, kill a");
    fake_exit(&f, "a", false);
    fake_advance(&f, 1000);
    fake_run_all(&f);
    ck_assert(!fake_service(&f, "a")->late);
    fake_free(&f);
}

TEST(a_worker_that_breaks_a_rule_is_killed_for_it)
{
    struct fake f;

    run_one(&f);
    service_worker_events.failed(fake_service(&f, "a"), "a frame without a length");
    ck_assert_str_eq(((struct fake_worker *)(void *)fake_service(&f, "a")->worker)->why,
                     "a frame without a length");
    fake_turn(&f);
    service_worker_events.failed(fake_service(&f, "a"), "another one");
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "kill a"); /* once is enough */
    fake_free(&f);
}

TEST(a_worker_that_cannot_be_spawned_is_a_failure_like_any_other)
{
    struct fake f;

    fake_new(&f);
    f.spawn_fails = true;
    fake_package(&f, "a", NULL);
    fake_start(&f);
    ck_assert_uint_eq(f.spawned, 2); /* at once, and once more at once */
    ck_assert_str_eq(fake_state(&f, "a"), "Restarting");
    ck_assert_str_eq(fake_service(&f, "a")->reason, "no processes left");
    ck_assert(fake_logged(&f, "service.spawn-failed"));
    ck_assert_uint_eq(f.crashed, 0); /* there was nothing that could crash */
    fake_advance(&f, 60000);
    ck_assert_str_eq(fake_state(&f, "a"), "Failed");
    f.spawn_fails = false;
    fake_advance(&f, 300000); /* the longest cool-down */
    fake_run_all(&f);
    ck_assert_str_eq(fake_state(&f, "a"), "Running");
    fake_free(&f);
}

TEST(the_policy_decides_what_follows_a_clean_exit)
{
    struct fake f;

    fake_new(&f);
    fake_package(&f, "always", NULL);
    fake_package(&f, "failure", NULL)->manifest.restart = RESTART_ON_FAILURE;
    fake_package(&f, "never", NULL)->manifest.restart = RESTART_NEVER;
    fake_start(&f);
    fake_run_all(&f);
    fake_exit(&f, "always", true);
    fake_exit(&f, "failure", true);
    fake_exit(&f, "never", true);
    fake_turn(&f);
    ck_assert_str_eq(fake_state(&f, "always"), "Starting");
    ck_assert_str_eq(fake_state(&f, "failure"), "Disabled");
    ck_assert_str_eq(fake_state(&f, "never"), "Disabled");
    ck_assert_int_eq(control_start(f.sup, "never", NULL), 0);
    fake_turn(&f);
    fake_exit(&f, "never", false);
    fake_turn(&f);
    ck_assert_str_eq(fake_state(&f, "never"), "Failed");
    fake_advance(&f, 1000000);
    ck_assert_str_eq(fake_state(&f, "never"), "Failed");
    fake_free(&f);
}

TEST(an_interface_that_is_not_there_in_a_fitting_version_keeps_its_user_from_starting)
{
    struct fake f;
    struct package *user;

    fake_new(&f);
    fake_package(&f, "server", NULL);
    user = fake_package(&f, "user", NULL);
    user->manifest.uses[0] = xstrdup("server@2.0");
    fake_start(&f);
    ck_assert_str_eq(fake_service(&f, "user")->reason,
                     "user uses server@2.0; installed is server 1.0");
    ck_assert_uint_eq(f.spawned, 1);
    fake_free(&f);
}

TEST(what_depends_on_a_service_that_failed_is_told_and_continues)
{
    struct fake f;

    fake_new(&f);
    fake_package(&f, "base", NULL);
    fake_package(&f, "user", "base");
    fake_start(&f);
    fake_run_all(&f);
    fake_logged(&f, "");
    fake_exit(&f, "base", false);
    fake_turn(&f);
    ck_assert(fake_logged(&f, "service.dependency-gone"));
    ck_assert_str_eq(fake_state(&f, "user"), "Running");
    fake_free(&f);
}

TEST(a_start_that_nothing_keeps_waits_for_the_turn)
{
    struct fake f;

    fake_new(&f);
    fake_package(&f, "base", NULL);
    fake_package(&f, "user", "base");
    fake_start(&f);
    fake_trace(&f);
    fake_ready(&f, "base");
    ck_assert_str_eq(fake_trace(&f), "ready base, Running base");
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "spawn user");
    fake_free(&f);
}

static unsigned health_told;

static void on_health(void *arg, const char *service)
{
    health_told++;
}

TEST(health_and_revision_are_told_only_when_they_change)
{
    struct fake f;
    struct service *a;

    fake_new(&f);
    f.setup.on_health = on_health;
    fake_package(&f, "a", NULL);
    fake_start(&f);
    fake_run_all(&f);
    a = fake_service(&f, "a");
    service_worker_events.health(a, "no uplink");
    service_worker_events.health(a, "no uplink");
    ck_assert_uint_eq(health_told, 1);
    ck_assert_str_eq(service_degraded(a), "no uplink");
    a->due = 7;
    follow_check(a);
    ck_assert_uint_eq(health_told, 2);
    ck_assert_uint_eq(a->behind_ms, f.now);
    service_worker_events.applied(a, 7);
    ck_assert_uint_eq(health_told, 3);
    ck_assert_uint_eq(a->behind_ms, 0);
    fake_free(&f);
}
