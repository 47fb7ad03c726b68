/* core/sup/control.c: actions of users and of the configuration. */
#include <string.h>

#include "core/base/xalloc.h"
#include "test/lib/harness.h"
#include "test/unit/sup/fake.h"

static void run_one(struct fake *f)
{
    fake_new(f);
    fake_package(f, "firewall", NULL);
    fake_start(f);
    fake_run_all(f);
    fake_trace(f);
}

static int configure(struct fake *f, const char *name, int enabled, const char *const *grants,
                     uint32_t ready_ms)
{
    struct limits limits = {.ready_ms = ready_ms};
    struct orb_err err = {0};

    return control_configure(f->sup, name, enabled, grants, &limits, &err);
}

TEST(a_name_that_is_not_installed_is_answered_with_those_that_are)
{
    struct fake f;
    struct orb_err err = {0};

    run_one(&f);
    ck_assert_int_eq(control_start(f.sup, "firewal", &err), ORB_E_NOT_FOUND);
    ck_assert_str_eq(err.text,
                     "no service \"firewal\"; there are: firewall; did you mean firewall?");
    fake_free(&f);
}

TEST(a_stopped_service_stays_down_until_it_is_started)
{
    struct fake f;

    run_one(&f);
    ck_assert_int_eq(control_stop(f.sup, "firewall", "ada", NULL), 0);
    fake_turn(&f);
    ck_assert_str_eq(fake_state(&f, "firewall"), "Running");
    fake_exit(&f, "firewall", true);
    fake_advance(&f, 100000);
    ck_assert_str_eq(fake_trace(&f), "stop firewall, Disabled firewall");
    ck_assert_str_eq(fake_service(&f, "firewall")->stopped_by, "ada");
    ck_assert_uint_eq(f.crashed, 0);
    ck_assert_int_eq(control_start(f.sup, "firewall", NULL), 0);
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "Starting firewall, spawn firewall");
    ck_assert_uint_eq(fake_service(&f, "firewall")->restart.restarts, 0);
    fake_free(&f);
}

TEST(a_restart_stops_and_starts_again)
{
    struct fake f;

    run_one(&f);
    ck_assert_int_eq(control_restart(f.sup, "firewall", NULL), 0);
    fake_turn(&f);
    fake_exit(&f, "firewall", true);
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "stop firewall, Disabled firewall, Starting firewall, "
                                     "spawn firewall");
    fake_free(&f);
}

TEST(a_start_while_it_stops_starts_it_afterwards)
{
    struct fake f;

    run_one(&f);
    control_stop(f.sup, "firewall", "ada", NULL);
    fake_turn(&f);
    control_start(f.sup, "firewall", NULL);
    fake_turn(&f);
    fake_exit(&f, "firewall", true);
    fake_turn(&f);
    ck_assert_uint_eq(f.spawned, 2);
    fake_free(&f);
}

TEST(of_orders_during_a_stop_the_last_one_counts)
{
    struct fake f;

    run_one(&f);
    control_restart(f.sup, "firewall", NULL);
    control_restart(f.sup, "firewall", NULL);
    control_stop(f.sup, "firewall", "ada", NULL);
    fake_turn(&f);
    fake_exit(&f, "firewall", true);
    fake_turn(&f);
    ck_assert_str_eq(fake_state(&f, "firewall"), "Disabled");
    control_start(f.sup, "firewall", NULL);
    control_restart(f.sup, "firewall", NULL); /* it waits for the turn */
    fake_turn(&f);
    ck_assert_uint_eq(f.spawned, 2);
    control_restart(f.sup, "firewall", NULL); /* it is not ready yet */
    fake_turn(&f);
    fake_exit(&f, "firewall", false);
    fake_turn(&f);
    ck_assert_uint_eq(f.spawned, 3);
    fake_free(&f);
}

TEST(a_restart_of_a_worker_that_is_being_killed_waits_for_its_end)
{
    struct fake f;

    run_one(&f);
    ck_assert_int_eq(control_kill(f.sup, "firewall", "no answer to prepare", NULL), 0);
    control_restart(f.sup, "firewall", NULL);
    fake_turn(&f);
    fake_exit(&f, "firewall", false);
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "kill firewall, Disabled firewall, Starting firewall, "
                                     "spawn firewall");
    ck_assert_uint_eq(f.crashed, 1);
    fake_free(&f);
}

TEST(a_service_killed_for_a_deadline_counts_as_failed)
{
    struct fake f;

    run_one(&f);
    control_kill(f.sup, "firewall", "no answer to prepare", NULL);
    control_start(f.sup, "firewall", NULL); /* it is wanted already */
    fake_turn(&f);
    fake_exit(&f, "firewall", false);
    fake_turn(&f);
    ck_assert_uint_eq(fake_service(&f, "firewall")->restart.restarts, 1);
    ck_assert_str_eq(fake_trace(&f), "kill firewall, Restarting firewall, Starting firewall, "
                                     "spawn firewall");
    fake_free(&f);
}

TEST(a_start_by_hand_forgets_past_failures)
{
    struct fake f;

    run_one(&f);
    for (int i = 0; i < 5; i++) {
        fake_exit(&f, "firewall", false);
        fake_advance(&f, 1000);
    }
    ck_assert_str_eq(fake_state(&f, "firewall"), "Failed");
    control_start(f.sup, "firewall", NULL);
    fake_turn(&f);
    ck_assert_int_eq(fake_service(&f, "firewall")->restart.breaker, BREAKER_CLOSED);
    ck_assert_str_eq(fake_state(&f, "firewall"), "Starting");
    fake_free(&f);
}

TEST(what_is_needed_is_started_even_if_another_stopped_it)
{
    struct fake f;

    run_one(&f);
    control_need(f.sup, "firewall", "its change was undone", NULL);
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), ""); /* it runs */
    control_stop(f.sup, "firewall", "ada", NULL);
    fake_exit(&f, "firewall", true);
    control_need(f.sup, "firewall", "its change was undone", NULL);
    fake_turn(&f);
    ck_assert_str_eq(fake_state(&f, "firewall"), "Starting");
    configure(&f, "firewall", 0, NULL, 0);
    fake_exit(&f, "firewall", true);
    control_need(f.sup, "firewall", "its change was undone", NULL);
    fake_turn(&f);
    ck_assert_str_eq(fake_state(&f, "firewall"), "Disabled"); /* as configured */
    fake_free(&f);
}

TEST(safe_mode_starts_shipped_packages_only)
{
    struct fake f;
    struct orb_err err = {0};

    fake_new(&f);
    f.setup.shipped_only = true;
    fake_package(&f, "acme", NULL)->shipped = false;
    fake_start(&f);
    configure(&f, "acme", 1, NULL, 0);
    fake_turn(&f);
    ck_assert_uint_eq(f.spawned, 0);
    ck_assert_int_eq(control_start(f.sup, "acme", &err), ORB_E_STATE);
    ck_assert_str_eq(err.text, "acme is not started: only shipped packages run in safe mode");
    fake_free(&f);
}

TEST(the_configuration_starts_stops_and_restarts_what_it_changes)
{
    struct fake f;

    run_one(&f);
    configure(&f, "firewall", -1, NULL, 0);
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), ""); /* nothing changed */
    f.limited = 0;
    configure(&f, "firewall", 0, NULL, 0);
    fake_turn(&f);
    ck_assert_uint_eq(f.limited, 1);
    fake_exit(&f, "firewall", true);
    fake_turn(&f);
    ck_assert_str_eq(fake_service(&f, "firewall")->stopped_by, "the configuration");
    configure(&f, "firewall", 1, NULL, 0);
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "stop firewall, Disabled firewall, Starting firewall, "
                                     "spawn firewall");
    fake_free(&f);
}

TEST(what_a_user_stopped_a_commit_of_something_else_does_not_start)
{
    struct fake f;

    run_one(&f);
    control_stop(f.sup, "firewall", "ada", NULL);
    fake_exit(&f, "firewall", true);
    fake_turn(&f);
    configure(&f, "firewall", -1, NULL, 5000);
    fake_turn(&f);
    ck_assert_str_eq(fake_state(&f, "firewall"), "Disabled");
    fake_free(&f);
}

TEST(other_rights_take_effect_by_a_restart)
{
    static const char *const granted[] = {"log.read", NULL};
    struct fake f;
    struct package *package;

    fake_new(&f);
    package = fake_package(&f, "acme", NULL);
    package->manifest.capabilities[0] = xstrdup("config.read:/system");
    fake_start(&f);
    fake_run_all(&f);
    fake_trace(&f);
    ck_assert_int_eq(configure(&f, "acme", 1, granted, 0), 0);
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "stop acme");
    fake_exit(&f, "acme", true);
    fake_turn(&f);
    ck_assert_str_eq(fake_state(&f, "acme"), "Starting");
    fake_free(&f);
}
