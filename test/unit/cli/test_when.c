/* cli/when: times as users write them. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/when.h"
#include "test/lib/harness.h"

#define NOW 1795862730 /* 2026-11-28 10:45:30 UTC */
#define DAY 86400

static int64_t parse(const char *text)
{
    struct orb_err err = {0};
    int64_t us = -1;

    if (when_parse(text, "--since", NOW * 1000000LL, &us, &err) < 0) {
        ck_assert_ptr_nonnull(strstr(err.text, text));
        ck_assert_ptr_nonnull(strstr(err.text, "--since"));
        ck_assert_ptr_nonnull(strstr(err.text, "expected"));
        return -1;
    }
    return us;
}

static void zone_is(const char *name)
{
    setenv("TZ", name, 1);
    tzset();
}

TEST(times_mean_what_users_mean)
{
    static const struct {
        const char *text;
        int64_t s;
    } table[] = {
        {"30s", NOW - 30},
        {"10m", NOW - 600},
        {"2h30m", NOW - 9000},
        {"1d", NOW - DAY},
        {"1w", NOW - 7 * DAY},
        {"0s", NOW},
        {"now", NOW},
        {"today", NOW - 38730},
        {"yesterday", NOW - 38730 - DAY},
        {"03:00", NOW - 27930},
        {"03:00:10", NOW - 27920},
        {"10:45", NOW - 30},
        {"11:00", NOW + 870 - DAY}, /* the last one there was */
        {"2026-11-27", NOW - 38730 - DAY},
        {"2026-11-27 03:00", NOW - 27930 - DAY},
        {"2026-11-27T03:00:10", NOW - 27920 - DAY},
        {"2026-11-27T03:00:00Z", NOW - 27930 - DAY},
        {"2026-11-27T05:00:00+02:00", NOW - 27930 - DAY},
        {"2026-11-27T00:00:00-0300", NOW - 27930 - DAY},
        {"1970-01-01", 0},
        {"2024-02-29", 1709164800},
    };

    zone_is("UTC0");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        ck_assert_msg(parse(table[i].text) == table[i].s * 1000000, "%s: %lld", table[i].text,
                      (long long)parse(table[i].text));
    ck_assert_int_eq(parse("2026-11-27T03:00:00.25Z"), (NOW - 27930LL - DAY) * 1000000 + 250000);
}

TEST(local_times_are_local)
{
    zone_is("CET-1CEST,M3.5.0,M10.5.0/3");
    ck_assert_int_eq(parse("2026-11-28 11:45:30"), NOW * 1000000LL);
    ck_assert_int_eq(parse("2026-11-28T10:45:30Z"), NOW * 1000000LL);
    ck_assert_int_eq(parse("2026-07-01 12:00"), 1782900000LL * 1000000); /* summer time */
}

TEST(what_is_no_time_is_refused)
{
    static const char *const table[] = {
        "",
        "x",
        "10",
        "10x",
        "m",
        "10m5",
        "-5m",
        "1.5h",
        "25:00",
        "12:60",
        "12:3:",
        "12",
        "2026-13-01",
        "2026-02-30",
        "2026-11-31",
        "2026-11",
        "2026-11-27x",
        "2026-11-27 ",
        "2026-11-27T",
        "2026-11-27T25:00",
        "2026-11-27T03:00:00+25:00",
        "2026-11-27T03:00:00Zx",
        "99999999999999999999s",
        "03:00Z",
        "tomorrow",
        " 10m",
        "10 m",
    };

    zone_is("UTC0");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        ck_assert_msg(parse(table[i]) == -1, "\"%s\" was taken", table[i]);
}
