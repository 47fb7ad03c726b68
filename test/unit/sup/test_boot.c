/* core/sup/boot.c: boot phases, dependencies, the order of stopping. */
#include <string.h>

#include "core/base/xalloc.h"
#include "core/sup/boot.h"
#include "test/lib/harness.h"
#include "test/unit/sup/fake.h"

static struct package *in_phase(struct fake *f, const char *name, const char *requires,
                                enum boot_phase phase)
{
    struct package *package = fake_package(f, name, requires);

    package->manifest.phase = phase;
    return package;
}

/* config early, net core, ssh control, web features. */
static void four_phases(struct fake *f)
{
    fake_new(f);
    in_phase(f, "config", NULL, PHASE_EARLY);
    in_phase(f, "net", NULL, PHASE_CORE);
    in_phase(f, "ssh", NULL, PHASE_CONTROL);
    in_phase(f, "web", NULL, PHASE_FEATURES);
}

TEST(a_phase_is_reached_when_the_services_of_the_one_before_run)
{
    struct fake f;

    four_phases(&f);
    fake_start(&f);
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_EARLY);
    ck_assert_uint_eq(f.workers, 1); /* the others wait for the configuration */
    ck_assert_str_eq(fake_service(&f, "net")->reason, "waiting for the configuration");
    fake_ready(&f, "config");
    fake_turn(&f);
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_CORE);
    ck_assert_uint_eq(f.workers, 4);
    fake_ready(&f, "web");
    fake_ready(&f, "ssh");
    fake_turn(&f);
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_CORE);
    ck_assert(boot_held_by(fake_service(&f, "net")));
    fake_ready(&f, "net");
    fake_turn(&f);
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_OPERATIONAL);
    ck_assert(!boot_held_by(fake_service(&f, "net")));
    fake_free(&f);
}

static void on_phase_nothing(struct fake *f, enum boot_phase phase)
{
}

TEST(services_behind_early_wait_until_they_are_released)
{
    struct fake f;

    four_phases(&f);
    f.on_phase = on_phase_nothing;
    fake_start(&f);
    fake_ready(&f, "config");
    fake_advance(&f, 10000);
    ck_assert_uint_eq(f.workers, 1);
    supervisor_release(f.sup);
    fake_turn(&f);
    ck_assert_uint_eq(f.workers, 4);
    fake_free(&f);
}

TEST(a_phase_without_progress_is_given_up_but_operational_needs_the_core)
{
    struct fake f;

    four_phases(&f);
    fake_start(&f);
    fake_ready(&f, "config");
    fake_turn(&f);
    fake_ready(&f, "ssh");
    fake_ready(&f, "web");
    fake_advance(&f, 29999);
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_CORE);
    fake_advance(&f, 1);
    ck_assert(fake_logged(&f, "boot.phase-late"));
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_CONTROL);
    fake_advance(&f, 300000);
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_FEATURES);
    fake_ready(&f, "net");
    fake_turn(&f);
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_OPERATIONAL);
    ck_assert_uint_eq(boot_due(f.sup), 0);
    fake_free(&f);
}

TEST(a_start_that_continues_holds_the_boot_for_ten_minutes_at_most)
{
    struct fake f;

    four_phases(&f);
    fake_start(&f);
    for (int s = 0; s < 590; s += 10) {
        service_worker_events.progress(fake_service(&f, "config"));
        fake_advance(&f, 10000);
    }
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_EARLY);
    for (int s = 0; s < 60; s += 10) {
        service_worker_events.progress(fake_service(&f, "config"));
        fake_advance(&f, 10000);
    }
    ck_assert_int_gt(supervisor_phase(f.sup), PHASE_EARLY);
    fake_free(&f);
}

TEST(a_feature_that_fails_twice_is_done_without)
{
    struct fake f;

    fake_new(&f);
    in_phase(&f, "net", NULL, PHASE_CORE);
    in_phase(&f, "web", NULL, PHASE_FEATURES);
    fake_start(&f);
    fake_ready(&f, "net");
    fake_exit(&f, "web", false);
    fake_turn(&f);
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_FEATURES);
    fake_exit(&f, "web", false);
    fake_turn(&f);
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_OPERATIONAL);
    fake_free(&f);
}

TEST(the_boot_waits_for_no_package_of_a_third_party)
{
    struct fake f;
    struct package *acme;

    fake_new(&f);
    acme = in_phase(&f, "acme", NULL, PHASE_FEATURES);
    acme->shipped = false;
    in_phase(&f, "net", NULL, PHASE_CORE);
    fake_open(&f);
    fake_service(&f, "acme")->enabled = 1;
    supervisor_start(f.sup);
    fake_turn(&f);
    fake_ready(&f, "net");
    fake_turn(&f);
    ck_assert_str_eq(fake_state(&f, "acme"), "Starting");
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_OPERATIONAL);
    fake_free(&f);
}

TEST(services_that_wait_for_each_other_never_start_and_hold_nothing_up)
{
    struct fake f;

    fake_new(&f);
    in_phase(&f, "a", "b", PHASE_FEATURES);
    in_phase(&f, "b", "c", PHASE_FEATURES);
    in_phase(&f, "c", "a", PHASE_FEATURES);
    in_phase(&f, "d", "a", PHASE_FEATURES);
    in_phase(&f, "self", "self", PHASE_FEATURES);
    fake_start(&f);
    ck_assert_uint_eq(f.spawned, 0);
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_OPERATIONAL);
    ck_assert_str_eq(fake_service(&f, "d")->reason, "waiting for a");
    supervisor_stop(f.sup);
    fake_turn(&f);
    ck_assert_uint_eq(f.stopped_told, 1);
    fake_free(&f);
}

TEST(what_needs_a_package_that_is_not_installed_waits_and_the_boot_continues)
{
    struct fake f;

    fake_new(&f);
    in_phase(&f, "a", "ghost", PHASE_FEATURES);
    in_phase(&f, "b", "a", PHASE_FEATURES);
    fake_start(&f);
    ck_assert_str_eq(fake_service(&f, "a")->reason, "waiting for ghost");
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_OPERATIONAL);
    fake_free(&f);
}

TEST(the_host_serving_no_interface_disables_who_uses_it)
{
    struct fake f;

    fake_new(&f);
    f.setup.absent = "dataplane";
    in_phase(&f, "fw", NULL, PHASE_CORE)->manifest.uses[0] = xstrdup("dataplane@1.0");
    fake_start(&f);
    ck_assert_str_eq(fake_state(&f, "fw"), "Disabled");
    ck_assert_int_eq(supervisor_phase(f.sup), PHASE_OPERATIONAL);
    fake_free(&f);
}

/* ---- stopping ---- */

TEST(services_stop_in_reverse_order_of_dependency)
{
    struct fake f;

    fake_new(&f);
    fake_package(&f, "a", NULL);
    fake_package(&f, "b", "a");
    fake_package(&f, "c", "b");
    fake_package(&f, "d", "a");
    fake_start(&f);
    fake_run_all(&f);
    fake_trace(&f);
    supervisor_stop(f.sup);
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "stop c, stop d");
    fake_exit(&f, "d", true);
    fake_turn(&f);
    fake_exit(&f, "c", true);
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "Disabled d, Disabled c, stop b");
    fake_exit(&f, "b", true);
    fake_turn(&f);
    fake_exit(&f, "a", true);
    fake_turn(&f);
    ck_assert_str_eq(fake_trace(&f), "Disabled b, stop a, Disabled a, stopped");
    fake_free(&f);
}

TEST(a_host_that_stops_starts_nothing_again)
{
    struct fake f;

    fake_new(&f);
    fake_package(&f, "a", NULL);
    fake_package(&f, "b", NULL);
    fake_start(&f);
    fake_run_all(&f);
    fake_exit(&f, "a", false);
    fake_turn(&f);
    fake_exit(&f, "a", false); /* its backoff runs */
    fake_turn(&f);
    supervisor_stop(f.sup);
    fake_turn(&f);
    ck_assert_str_eq(fake_state(&f, "a"), "Disabled");
    ck_assert_int_eq(control_start(f.sup, "a", NULL), ORB_E_STATE);
    fake_exit(&f, "b", false); /* a crash on the way out */
    fake_advance(&f, 60000);
    ck_assert_uint_eq(f.stopped_told, 1);
    ck_assert_uint_eq(f.spawned, 3);
    fake_free(&f);
}

TEST(third_parties_have_five_seconds_together_to_stop)
{
    struct fake f;

    fake_new(&f);
    fake_package(&f, "acme", NULL)->shipped = false;
    fake_package(&f, "net", NULL);
    fake_open(&f);
    fake_service(&f, "acme")->enabled = 1;
    supervisor_start(f.sup);
    fake_turn(&f);
    fake_run_all(&f);
    fake_trace(&f);
    supervisor_stop(f.sup);
    fake_turn(&f);
    fake_advance(&f, 4999);
    ck_assert_str_eq(fake_trace(&f), "stop acme, stop net");
    fake_advance(&f, 60000);
    ck_assert_str_eq(fake_trace(&f), "kill acme"); /* once */
    fake_exit(&f, "acme", false);
    fake_exit(&f, "net", true);
    fake_turn(&f);
    ck_assert_uint_eq(f.stopped_told, 1);
    fake_free(&f);
}

TEST(stopping_before_anything_was_started_is_done_at_once)
{
    struct fake f;

    fake_new(&f);
    fake_package(&f, "a", NULL);
    fake_open(&f);
    supervisor_stop(f.sup);
    fake_turn(&f);
    ck_assert_uint_eq(f.stopped_told, 1);
    ck_assert_uint_eq(f.spawned, 0);
    fake_free(&f);
}
