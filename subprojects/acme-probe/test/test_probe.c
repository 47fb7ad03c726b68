/* The package driven in this process by the test kit of Orbital (orbital/testing.h). Linked with
 * its sources, so that sanitizers see all of it: meson setup -Dtests=true -Db_sanitize=address.
 *
 *     test_probe SCHEMA */
#include <orbital/testing.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct orb_plugin orbital_plugin;
static const char *schema;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s:%d: %s does not hold (%s: %s)\n", __FILE__, __LINE__, #condition, err.path, \
                   err.text);                                                                      \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static struct orb_test *start(const char *config)
{
    struct orb_err err = {0};
    struct orb_test *test = orb_test_of(&orbital_plugin, schema, &err);

    CHECK(test);
    CHECK(orb_test_start(test, config, &err) == 0);
    return test;
}

static void stop(struct orb_test *test)
{
    struct orb_err err = {0};

    CHECK(orb_test_stop(test, &err) == 0);
}

static void each_target_ticks_in_its_interval(void)
{
    struct orb_test *test = start("{\"acme-probe\":{\"targets\":{"
                                  "\"gw\":{\"address\":\"192.0.2.1\",\"interval\":500}}}}");
    struct orb_err err = {0};
    const char *out;

    CHECK(!orb_test_next(test, ORB_TEST_EVENT, "tick"));
    orb_test_advance(test, 1250);
    CHECK(!strcmp(orb_test_next(test, ORB_TEST_EVENT, "tick"), "{\"target\":\"gw\",\"count\":1}"));
    CHECK(!strcmp(orb_test_next(test, ORB_TEST_EVENT, "tick"), "{\"target\":\"gw\",\"count\":2}"));
    CHECK(!orb_test_next(test, ORB_TEST_EVENT, "tick"));
    CHECK(orb_test_metric(test, "ticks") == 2);
    CHECK(orb_test_call(test, "status", NULL, &out, &err) == 0);
    CHECK(strstr(out, "\"uptime-ms\":1250"));
    CHECK(orb_test_next(test, ORB_TEST_LOG, "probe.ready"));
    stop(test);
}

static void a_change_is_refused_applied_and_undone(void)
{
    struct orb_test *test = start(NULL);
    struct orb_err err = {0};
    const char *out;

    CHECK(orb_test_set(test, "/acme-probe/targets/x", "{\"address\":\"1.2.3\"}", &err) == 0);
    CHECK(orb_test_prepare(test, &err) == ORB_E_VETO);
    CHECK(!strcmp(err.path, "/acme-probe/targets/x/address"));
    CHECK(orb_test_set(test, "/acme-probe/greeting", "7", &err) == 0);
    CHECK(orb_test_prepare(test, &err) == ORB_E_SCHEMA); /* never gets to the package */

    CHECK(orb_test_set(test, "/acme-probe/greeting", "\"Servus\"", &err) == 0);
    CHECK(orb_test_commit(test, &err) == 0);
    CHECK(!strcmp(orb_test_next(test, ORB_TEST_PLAN, NULL),
                  "{\"kind\":\"live\",\"text\":\"probe 0 targets\"}"));
    CHECK(orb_test_call(test, "status", NULL, &out, &err) == 0);
    CHECK(strstr(out, "\"greeting\":\"Servus\""));
    CHECK(orb_test_abort(test, &err) == 0);
    CHECK(orb_test_call(test, "status", NULL, &out, &err) == 0);
    CHECK(strstr(out, "\"greeting\":\"hello\""));

    CHECK(orb_test_call(test, "fail-apply", NULL, &out, &err) == 0);
    CHECK(orb_test_set(test, "/acme-probe/greeting", "\"Moin\"", &err) == 0);
    CHECK(orb_test_commit(test, &err) == ORB_E_IO);
    CHECK(orb_test_call(test, "status", NULL, &out, &err) == 0);
    CHECK(strstr(out, "\"greeting\":\"hello\""));
    stop(test);
}

static void a_slow_answer_comes_when_its_time_is_over(void)
{
    struct orb_test *test = start(NULL);
    struct orb_err err = {0};
    const char *out;

    CHECK(orb_test_call(test, "slow", "{\"ms\":5000}", &out, &err) == ORB_LATER);
    orb_test_advance(test, 4999);
    CHECK(orb_test_answer(test, 0, &out, &err) == ORB_LATER);
    orb_test_advance(test, 1);
    CHECK(orb_test_answer(test, 0, &out, &err) == 0);
    CHECK(!strcmp(out, "{\"ms\":5000}"));
    CHECK(orb_test_call(test, "slow", "{\"ms\":-1}", &out, &err) == ORB_E_SCHEMA);
    CHECK(!strcmp(err.path, "/ms"));
    stop(test);
}

static void a_thread_reports_to_the_loop(void)
{
    struct orb_test *test = start(NULL);
    struct orb_err err = {0};
    const char *out;
    int r = orb_test_call(test, "count", "{\"steps\":20000}", &out, &err);

    if (r == ORB_LATER)
        r = orb_test_answer(test, 60000, &out, &err);
    CHECK(r == 0);
    CHECK(!strcmp(out, "{\"counted\":20000}"));
    CHECK(orb_test_call(test, "count", "{\"steps\":1000000000}", &out, &err) == ORB_LATER);
    stop(test); /* while it counts */
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    schema = argv[1];
    each_target_ticks_in_its_interval();
    a_change_is_refused_applied_and_undone();
    a_slow_answer_comes_when_its_time_is_over();
    a_thread_reports_to_the_loop();
    return 0;
}
