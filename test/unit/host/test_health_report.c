/* core/host/health_report.c: what each state of a service, of the boot and of the machine means. */
#include "core/host/health_report.h"

#include <string.h>

#include "core/base/own.h"
#include "test/lib/harness.h"

static const struct problems fine;

static struct service_view view(const char *name, enum service_state state, enum boot_phase phase)
{
    return (struct service_view){.name = name,
                                 .state = state,
                                 .phase = phase,
                                 .shipped = true,
                                 .wanted = true,
                                 .reason = "",
                                 .health = "",
                                 .stopped_by = "",
                                 .problems = &fine,
                                 .since_ms = 1000};
}

static enum health_level level_of(struct service_view s, const char *words)
{
    AUTO(health_report) struct health_report v = {0};

    health_report_add_service(&v, &s, 9000000, 3000);
    if (words) {
        ck_assert_uint_eq(v.count, 1);
        ck_assert_msg(strstr(v.reasons[0].what, words), "%s", v.reasons[0].what);
        ck_assert_str_eq(v.reasons[0].service, s.name);
    } else {
        ck_assert_uint_eq(v.count, 0);
    }
    return v.level;
}

TEST(a_failed_service_of_the_appliance_itself_is_failed_and_a_feature_is_degraded)
{
    struct service_view s = view("firewall", SERVICE_FAILED, PHASE_CONTROL);

    s.reason = "it broke";
    ck_assert_int_eq(level_of(s, "firewall has failed: it broke"), HEALTH_FAILED);
    s.shipped = false; /* a third-party service, whatever its phase */
    ck_assert_int_eq(level_of(s, "has failed"), HEALTH_DEGRADED);
    s = view("hotspot", SERVICE_FAILED, PHASE_FEATURES);
    ck_assert_int_eq(level_of(s, "hotspot has failed: no reason is known"), HEALTH_DEGRADED);
    s.critical = true;
    ck_assert_int_eq(level_of(s, "hotspot"), HEALTH_FAILED);
    s.wanted = false;
    ck_assert_int_eq(level_of(s, NULL), HEALTH_OK);
}

TEST(a_config_service_that_does_not_run_is_failed_whatever_it_does_instead)
{
    ck_assert_int_eq(level_of(view("config", SERVICE_RESTARTING, PHASE_EARLY), "restarted"),
                     HEALTH_FAILED);
    ck_assert_int_eq(level_of(view("config", SERVICE_STARTING, PHASE_EARLY), "not ready"),
                     HEALTH_FAILED);
    ck_assert_int_eq(level_of(view("config", SERVICE_RUNNING, PHASE_EARLY), NULL), HEALTH_OK);
    ck_assert_int_eq(level_of(view("routing", SERVICE_RESTARTING, PHASE_CONTROL), "restarted"),
                     HEALTH_DEGRADED);
}

TEST(a_service_that_does_not_come_back_is_failed_after_a_while)
{
    AUTO(health_report) struct health_report late = {0};
    struct service_view s = view("routing", SERVICE_STARTING, PHASE_CONTROL);

    health_report_add_service(&late, &s, 99000000, 12000); /* since 11 s */
    ck_assert_int_eq(late.level, HEALTH_FAILED);
    s.state = SERVICE_RESTARTING;
    s.failures_in_a_row = 3;
    ck_assert_int_eq(level_of(s, "restarted"), HEALTH_FAILED);
    s = view("hotspot", SERVICE_RESTARTING, PHASE_FEATURES);
    s.failures_in_a_row = 30;
    ck_assert_int_eq(level_of(s, "restarted"), HEALTH_DEGRADED);
}

TEST(what_a_user_stopped_is_reported_and_what_the_configuration_disabled_is_not)
{
    struct service_view s = view("routing", SERVICE_DISABLED, PHASE_CONTROL);

    s.wanted = false;
    s.stopped_by = "ada";
    ck_assert_int_eq(level_of(s, "routing was stopped by ada"), HEALTH_DEGRADED);
    s.state = SERVICE_RUNNING; /* it still ends */
    ck_assert_int_eq(level_of(s, "routing was stopped by ada"), HEALTH_DEGRADED);
    s.state = SERVICE_DISABLED;
    s.stopped_by = "the configuration";
    ck_assert_int_eq(level_of(s, NULL), HEALTH_OK);
    s = view("config", SERVICE_DISABLED, PHASE_EARLY);
    s.wanted = false;
    s.stopped_by = "ada";
    ck_assert_int_eq(level_of(s, "stopped by ada"), HEALTH_FAILED);
}

TEST(what_was_stopped_is_failed_once_the_configuration_moves_on)
{
    struct service_view s = view("firewall", SERVICE_DISABLED, PHASE_CONTROL);

    s.wanted = false;
    s.stopped_by = "ada";
    s.revision = s.due = 4;
    ck_assert_int_eq(level_of(s, "what it did stays"), HEALTH_DEGRADED);
    s.due = 6;
    ck_assert_int_eq(level_of(s, "follows revision 4: revision 6 changed it"), HEALTH_FAILED);
    s.shipped = false;
    ck_assert_int_eq(level_of(s, "follows revision 4"), HEALTH_DEGRADED);
    s = view("hotspot", SERVICE_DISABLED, PHASE_FEATURES);
    s.wanted = false;
    s.stopped_by = "ada";
    s.revision = 4;
    s.due = 6;
    ck_assert_int_eq(level_of(s, "follows revision 4"), HEALTH_DEGRADED);
}

TEST(what_the_configuration_both_configures_and_switches_off_is_reported)
{
    struct service_view s = view("firewall", SERVICE_DISABLED, PHASE_CONTROL);

    s.wanted = false;
    s.stopped_by = "the configuration";
    ck_assert_int_eq(level_of(s, NULL), HEALTH_OK);
    s.configured = true;
    ck_assert_int_eq(level_of(s, "switched off by the configuration"), HEALTH_DEGRADED);
    s.phase = PHASE_FEATURES; /* an installed service that is not needed now */
    ck_assert_int_eq(level_of(s, NULL), HEALTH_OK);
}

static enum health_level behind(uint64_t for_ms, bool shipped, const char *words)
{
    AUTO(health_report) struct health_report v = {0};
    struct service_view s = view("firewall", SERVICE_RUNNING, PHASE_CONTROL);

    s.revision = 4;
    s.due = 6;
    s.shipped = shipped;
    s.behind_ms = 1000000;
    health_report_add_service(&v, &s, 9000000000, 1000000 + for_ms);
    ck_assert_msg(!words == !v.count && (!words || strstr(v.reasons[0].what, words)), "%s",
                  v.count ? v.reasons[0].what : "no reason");
    if (words) {
        ck_assert_uint_eq(v.reasons[0].since_us, 9000000000 - for_ms * 1000);
        ck_assert_ptr_nonnull(strstr(v.reasons[0].todo, "orbctl service restart firewall"));
    }
    return v.level;
}

TEST(a_running_service_that_does_not_follow_what_was_committed_is_degraded_then_failed)
{
    ck_assert_int_eq(behind(500, true, NULL), HEALTH_OK);
    ck_assert_int_eq(behind(3000, true,
                            "firewall follows revision 4 of the configuration and not "
                            "6, the one that was committed"),
                     HEALTH_DEGRADED);
    ck_assert_int_eq(behind(11000, true, "follows revision 4"), HEALTH_FAILED);
    ck_assert_int_eq(behind(11000, false, "follows revision 4"), HEALTH_DEGRADED);
}

TEST(the_breaker_and_its_own_words_degrade_a_running_service)
{
    struct service_view s = view("routing", SERVICE_RUNNING, PHASE_CONTROL);

    s.breaker = BREAKER_HALF_OPEN;
    ck_assert_int_eq(level_of(s, "circuit breaker"), HEALTH_DEGRADED);
    s = view("routing", SERVICE_RUNNING, PHASE_CONTROL);
    s.health = "no upstream";
    ck_assert_int_eq(level_of(s, "routing: no upstream"), HEALTH_DEGRADED);
}

TEST(a_problem_called_failed_is_believed_of_the_appliances_own_services_only)
{
    struct problem one = {.key = "k", .what = "the datastore is damaged", .failed = true};
    struct problems list = {.items = &one, .count = 1};
    struct service_view s = view("config", SERVICE_RUNNING, PHASE_EARLY);

    s.problems = &list;
    ck_assert_int_eq(level_of(s, "damaged"), HEALTH_FAILED);
    s.shipped = false;
    ck_assert_int_eq(level_of(s, "damaged"), HEALTH_DEGRADED);
    s = view("hotspot", SERVICE_RUNNING, PHASE_FEATURES);
    s.problems = &list;
    ck_assert_int_eq(level_of(s, "damaged"), HEALTH_DEGRADED);
    s.state = SERVICE_DISABLED; /* what it reported before it was stopped is outdated */
    ck_assert_int_eq(level_of(s, NULL), HEALTH_OK);
}

static enum health_level boot(enum boot_phase phase, unsigned packages, bool config,
                              const char *words)
{
    AUTO(health_report) struct health_report v = {0};

    health_report_add_boot(&v, phase, packages, config,
                           phase < PHASE_OPERATIONAL ? "firewall" : "");
    ck_assert_msg(!words == !v.count && (!words || strstr(v.reasons[0].what, words)), "%s",
                  v.count ? v.reasons[0].what : "no reason");
    return v.level;
}

TEST(a_boot_without_packages_or_config_is_failed_and_one_under_way_is_degraded)
{
    ck_assert_int_eq(boot(PHASE_OPERATIONAL, 0, false, "no package was found"), HEALTH_FAILED);
    ck_assert_int_eq(boot(PHASE_OPERATIONAL, 3, false, "configuration service"), HEALTH_FAILED);
    ck_assert_int_eq(boot(PHASE_FEATURES, 3, true, "waiting for firewall"), HEALTH_DEGRADED);
    ck_assert_int_eq(boot(PHASE_OPERATIONAL, 3, true, NULL), HEALTH_OK);
}

static enum health_level machine(struct health_machine m, const char *words)
{
    AUTO(health_report) struct health_report v = {0};
    struct health_reason r;

    m.state_dir = "/state";
    for (unsigned kind = 0; kind < MACHINE_KINDS; kind++)
        if (health_report_machine(&m, kind, &r))
            health_report_add(&v, &r);
    ck_assert_msg(!words == !v.count && (!words || strstr(v.reasons[0].what, words)), "%s",
                  v.count ? v.reasons[0].what : "no reason");
    return v.level;
}

TEST(what_the_machine_lacks_degrades)
{
    const struct health_machine none = {
        .disk_percent = -1, .inodes_percent = -1, .conntrack_percent = -1};
    struct health_machine m = none;

    ck_assert_int_eq(machine(m, NULL), HEALTH_OK);
    m.disk_percent = 90;
    ck_assert_int_eq(machine(m, NULL), HEALTH_OK);
    m.disk_percent = 91;
    ck_assert_int_eq(machine(m, "/state is 91 % full"), HEALTH_DEGRADED);
    m = none;
    m.inodes_percent = 99;
    ck_assert_int_eq(machine(m, "99 % full (inodes)"), HEALTH_DEGRADED);
    m = none;
    m.disk_read_only = true;
    ck_assert_int_eq(machine(m, "read-only"), HEALTH_DEGRADED);
    m = none;
    m.conntrack_percent = 95;
    ck_assert_int_eq(machine(m, "connections is 95 % full"), HEALTH_DEGRADED);
    m = none;
    m.clock_unset = true;
    ck_assert_int_eq(machine(m, "clock"), HEALTH_DEGRADED);
}

TEST(the_worst_and_oldest_reason_comes_first_and_makes_the_sentence)
{
    AUTO(health_report) struct health_report v = {0};
    AUTO(buf) struct buf json = {0};
    struct json_write w = json_write_to(&json);
    char text[200];

    health_report_sentence(&v, text, sizeof(text));
    ck_assert_str_eq(text, "ok");
    health_report_add(
        &v, &(struct health_reason){.level = HEALTH_DEGRADED, .what = "A", .since_us = 1});
    health_report_sentence(&v, text, sizeof(text));
    ck_assert_str_eq(text, "degraded: A");
    health_report_add(&v,
                      &(struct health_reason){.level = HEALTH_FAILED, .what = "C", .since_us = 9});
    health_report_add(
        &v, &(struct health_reason){
                .level = HEALTH_FAILED, .what = "B", .since_us = 8, .path = "/p", .todo = "do"});
    health_report_sort(&v);
    health_report_sentence(&v, text, sizeof(text));
    ck_assert_str_eq(text, "failed: B, and 2 more");
    json_write_object(&w, NULL);
    health_report_write(&v, &w);
    json_write_end(&w);
    ck_assert_ptr_nonnull(strstr(buf_str(&json),
                                 "{\"verdict\":\"failed\",\"reasons\":[{\"level\":"
                                 "\"failed\",\"what\":\"B\",\"service\":\"\","
                                 "\"path\":\"/p\",\"todo\":\"do\",\"since-us\":8}"));
}

/* ---- room in the answer ---- */

/* The longest report of a service, each character six bytes of JSON. */
static struct problems loud(struct problem items[ORB_PROBLEMS_MAX])
{
    for (unsigned i = 0; i < ORB_PROBLEMS_MAX; i++) {
        items[i] = (struct problem){.failed = true};
        memset(items[i].what, 1, sizeof(items[i].what) - 1);
        memset(items[i].path, 1, sizeof(items[i].path) - 1);
        memset(items[i].todo, 1, sizeof(items[i].todo) - 1);
    }
    return (struct problems){.items = items, .count = ORB_PROBLEMS_MAX, .more = 7};
}

TEST(what_third_parties_say_leaves_room_for_all_others)
{
    static struct problem items[ORB_PROBLEMS_MAX];
    struct problems many = loud(items);
    AUTO(health_report) struct health_report v = {.share = 1000};
    AUTO(buf) struct buf json = {0};
    struct json_write w = json_write_to(&json);
    struct service_view s = view("attacker", SERVICE_RUNNING, PHASE_FEATURES);

    s.shipped = false;
    s.problems = &many;
    s.health = items[0].what;
    for (unsigned i = 0; i < 120; i++)
        health_report_add_service(&v, &s, 9000000, 3000);
    s = view("firewall", SERVICE_FAILED, PHASE_CONTROL);
    s.reason = "it broke";
    health_report_add_service(&v, &s, 9000000, 3000);
    health_report_sort(&v);
    json_write_object(&w, NULL);
    health_report_write(&v, &w);
    json_write_end(&w);
    ck_assert_uint_lt(json.len, 160 << 10);
    ck_assert_ptr_nonnull(strstr(json.data, "firewall has failed: it broke"));
    ck_assert_ptr_nonnull(strstr(json.data, "attacker reports 31 more problems"));
    ck_assert_ptr_nonnull(strstr(json.data, "orbctl service show attacker"));
}

TEST(a_third_party_with_little_to_say_is_shown_in_full)
{
    struct problem items[2] = {{.what = "one thing"}, {.what = "another", .todo = "do"}};
    struct problems few = {.items = items, .count = 2};
    AUTO(health_report) struct health_report v = {.share = 1000};
    struct service_view s = view("honest", SERVICE_RUNNING, PHASE_FEATURES);

    s.shipped = false;
    s.problems = &few;
    health_report_add_service(&v, &s, 9000000, 3000);
    ck_assert_uint_eq(v.count, 2);
    ck_assert_str_eq(v.reasons[1].what, "another");
}
