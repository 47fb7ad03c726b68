/* core/obs/logread and logs_find: every record once, in pages, over files, runs and damage. */
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/tree.h"
#include "core/obs/logline.h"
#include "core/obs/logread.h"
#include "core/obs/logs.h"
#include "test/lib/harness.h"

static char *make(void)
{
    char *dir = xstrdup("/tmp/orbital-test-XXXXXX");

    ck_assert_ptr_nonnull(mkdtemp(dir));
    return dir;
}

static void clean(char *dir)
{
    AUTO_FREE char *audit = NULL;

    for (int i = 0; i < 20; i++) {
        AUTO_FREE char *path =
            i ? buf_format("%s/log.jsonl.%d", dir, i) : buf_format("%s/log.jsonl", dir);

        unlink(path);
    }
    audit = buf_format("%s/audit.jsonl", dir);
    unlink(audit);
    ck_assert_int_eq(rmdir(dir), 0);
    free(dir);
}

static void put(FILE *file, unsigned long long seq)
{
    fprintf(file,
            "{\"seq\":%llu,\"time-us\":%llu,\"level\":\"%s\",\"service\":\"%s\",\"event\":\"n\","
            "\"kv\":{\"k\":\"v%llu\",\"list\":[1,{\"x\":2}]}}\n",
            seq, seq * 1000, seq % 2 ? "info" : "warning", seq % 3 ? "a" : "b", seq);
}

/* The records from..to of the i-th file. */
static void fill(const char *dir, int i, unsigned from, unsigned to)
{
    AUTO_FREE char *path =
        i ? buf_format("%s/log.jsonl.%d", dir, i) : buf_format("%s/log.jsonl", dir);
    FILE *file = fopen(path, "a");

    for (unsigned n = from; n <= to; n++)
        put(file, n);
    fclose(file);
}

static struct logs *begin(const char *dir)
{
    struct logs_options options = {.dir = dir, .output = LOGS_QUIET, .level = LOG_LEVEL_INFO};
    struct logs *logs;
    struct orb_err err;

    ck_assert_msg(logs_new(&options, &logs, &err) == 0, "%s", err.text);
    return logs;
}

static json_t *ask(struct logs *logs, const struct logs_query *q)
{
    AUTO(buf) struct buf out = {0};
    struct logs_search *search;
    struct orb_err err = {0};
    json_t *tree = NULL;
    size_t found;

    ck_assert_msg(logs_find_new(logs, q, &search, &err) == 0, "%s", err.text);
    if (!logs_find_done(search))
        logs_find_run(search);
    ck_assert_msg(logs_find_answer(search, &out, &found, &err) == 0, "%s", err.text);
    logs_find_free(search);
    ck_assert_msg(tree_parse(out.data, out.len, NULL, &tree, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(json_array_size(json_object_get(tree, "records")), found);
    return tree;
}

static long long number(const json_t *tree, const char *key)
{
    return json_integer_value(json_object_get(tree, key));
}

/* Walks all pages of a query; returns how many records there were, which must rise (or fall). */
static unsigned walk(struct logs *logs, struct logs_query q, long long *ret_skipped)
{
    bool more = true;
    unsigned n = 0;
    long long last = q.newest ? INT64_MAX : 0;

    *ret_skipped = 0;
    while (more) {
        AUTO(json_t) json_t *page = ask(logs, &q);
        const json_t *records = json_object_get(page, "records");
        size_t size = json_array_size(records);

        for (size_t i = 0; i < size; i++) {
            size_t at = q.newest ? size - 1 - i : i;
            long long seq = number(json_array_get(records, at), "seq");

            ck_assert(q.newest ? seq < last : seq > last);
            last = seq;
            n++;
        }
        more = json_is_true(json_object_get(page, "more"));
        *ret_skipped += number(page, "skipped");
        if (q.newest)
            q.before = (uint64_t)number(page, "first");
        else
            q.after = (uint64_t)number(page, "next");
    }
    return n;
}

TEST(pages_of_files_and_memory_give_every_record_once)
{
    char *dir = make();
    static const unsigned limits[] = {1, 7, 100, 1000};
    struct logs *logs;
    long long skipped;

    fill(dir, 2, 1, 100);
    fill(dir, 1, 101, 150);
    fill(dir, 0, 151, 230);
    logs = begin(dir);
    for (int i = 0; i < 700; i++) /* more than the memory holds */
        log_info(logs_sink(logs), "mine", KV("i", i));
    for (unsigned i = 0; i < ARRAY_LEN(limits); i++) {
        struct logs_query all = {.after = 1, .limit = limits[i]}, some = all, back = all;

        ck_assert_uint_eq(walk(logs, all, &skipped), 229 + 700); /* after 1 */
        some.service = "b";
        ck_assert_uint_eq(walk(logs, some, &skipped), 76);
        some.level = LOG_LEVEL_WARN;
        ck_assert_uint_eq(walk(logs, some, &skipped), 38);
        back.after = 0;
        back.newest = true;
        ck_assert_uint_eq(walk(logs, back, &skipped), 230 + 700);
        ck_assert_int_eq(skipped, 0);
    }
    logs_free(logs);
    clean(dir);
}

TEST(times_and_numbers_bound_what_is_found)
{
    char *dir = make();
    struct logs *logs;
    struct logs_query time = {.after = 1, .limit = 1000, .since_us = 50000, .until_us = 60000};
    struct logs_query part = {.after = 20, .before = 31, .limit = 1000};
    struct logs_query tail = {.newest = true, .after = 20, .before = 31, .limit = 3};
    AUTO(json_t) json_t *page = NULL;
    long long skipped;

    fill(dir, 1, 1, 55);
    fill(dir, 0, 56, 100);
    logs = begin(dir);
    ck_assert_uint_eq(walk(logs, time, &skipped), 10);
    ck_assert_uint_eq(walk(logs, part, &skipped), 10);
    page = ask(logs, &tail);
    ck_assert_int_eq(json_integer_value(tree_get(page, "/records/0/seq")), 28);
    ck_assert_int_eq(json_integer_value(tree_get(page, "/records/2/seq")), 30);
    logs_free(logs);
    clean(dir);
}

TEST(records_of_an_earlier_run_are_found_and_runs_told)
{
    char *dir = make();
    AUTO_FREE char *first = NULL;
    AUTO(buf) struct buf runs = {0};
    AUTO(json_t) json_t *tree = NULL, *page = NULL;
    struct logs_query all = {.limit = 10};
    struct orb_err err;
    struct logs *logs = begin(dir);

    first = xstrdup(logs_run(logs));
    log_notice(logs_sink(logs), "host.start", KV("run", logs_run(logs)));
    log_info(logs_sink(logs), "before");
    logs_free(logs);
    logs = begin(dir);
    log_notice(logs_sink(logs), "host.start", KV("run", logs_run(logs)));
    page = ask(logs, &all);
    ck_assert_str_eq(json_string_value(tree_get(page, "/records/1/event")), "before");
    ck_assert_uint_eq(json_array_size(json_object_get(page, "records")), 3);
    logs_find_runs(logs, &runs);
    ck_assert_int_eq(tree_parse(runs.data, runs.len, NULL, &tree, &err), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(tree, "runs")), 2);
    ck_assert_str_eq(json_string_value(tree_get(tree, "/runs/0/run")), first);
    ck_assert_str_eq(json_string_value(tree_get(tree, "/runs/1/run")), logs_run(logs));
    ck_assert_int_gt(json_integer_value(tree_get(tree, "/runs/1/seq")),
                     json_integer_value(tree_get(page, "/records/1/seq")));
    logs_free(logs);
    clean(dir);
}

TEST(a_record_with_the_key_of_earlier_versions_is_found_with_that_of_today)
{
    static const char old[] = "{\"seq\":3,\"time_us\":9,\"level\":\"info\",\"service\":\"a\","
                              "\"event\":\"e\",\"kv\":{\"time_us\":1}}\n";
    char *dir = make();
    AUTO_FREE char *path = buf_format("%s/log.jsonl", dir);
    AUTO(json_t) json_t *page = NULL;
    struct logs_query all = {.limit = 10};
    struct logs *logs;

    ck_assert_int_eq(file_replace(path, old, strlen(old), 0600, NULL), 0);
    logs = begin(dir);
    page = ask(logs, &all);
    ck_assert_int_eq(json_integer_value(tree_get(page, "/records/0/time-us")), 9);
    ck_assert_int_eq(json_integer_value(tree_get(page, "/records/0/kv/time_us")), 1);
    ck_assert_ptr_null(tree_get(page, "/records/0/time_us"));
    ck_assert_int_eq(json_integer_value(tree_get(page, "/skipped")), 0);
    logs_free(logs);
    clean(dir);
}

TEST(damaged_and_foreign_lines_are_passed_over_and_counted)
{
    static const char *const bad[] = {
        "",
        "rubbish",
        "{\"seq\":5}",
        "[1,2]",
        "{\"seq\":11,\"time-us\":1,\"level\":\"info\",\"serv",
        "{\"seq\":11,\"time-us\":1,\"level\":\"shout\",\"service\":\"a\",\"event\":\"e\",\"kv\":{}"
        "}",
        "{\"seq\":11,\"time-us\":1,\"level\":\"info\",\"service\":\"a\",\"event\":\"e\",\"kv\":[]}",
        "{\"seq\":11,\"time-us\":1,\"level\":\"info\",\"service\":\"a\",\"event\":\"\x01\",\"kv\":{"
        "}}",
        "{\"seq\":11,\"time-us\":1,\"level\":\"info\",\"service\":\"a\",\"event\":\"e\",\"kv\":{}}"
        "}",
        "{\"seq\":4,\"time-us\":1,\"level\":\"info\",\"service\":\"a\",\"event\":\"e\",\"kv\":{}}",
        "{\"seq\":900,\"time-us\":1,\"level\":\"info\",\"service\":\"a\",\"event\":\"e\",\"kv\":{}"
        "}",
        "{\"seq\":99999999999999999999,\"time-us\":1,\"level\":\"info\",\"service\":\"a\",\"kv\":{}"
        "}",
    };

    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        char *dir = make();
        AUTO_FREE char *path = buf_format("%s/log.jsonl", dir);
        struct logs_query all = {.after = 1, .limit = 3}, back = {.newest = true, .limit = 3};
        struct logs *logs;
        FILE *file;
        long long skipped;

        fill(dir, 0, 2, 10);
        file = fopen(path, "a");
        fprintf(file, "%s\n", bad[i]);
        fclose(file);
        fill(dir, 0, 12, 20);
        logs = begin(dir);
        ck_assert_msg(walk(logs, all, &skipped) == 18, "line %u: %s", i, bad[i]);
        ck_assert_msg(skipped > 0, "line %u: %s", i, bad[i]);
        ck_assert_msg(walk(logs, back, &skipped) == 18, "backwards, line %u: %s", i, bad[i]);
        logs_free(logs);
        clean(dir);
    }
}

TEST(a_line_without_end_costs_itself_only)
{
    char *dir = make();
    AUTO_FREE char *path = buf_format("%s/log.jsonl", dir);
    struct logs_query all = {.after = 1, .limit = 1000};
    struct logs *logs;
    FILE *file;
    long long skipped;

    fill(dir, 0, 2, 10);
    file = fopen(path, "a");
    for (unsigned i = 0; i < 1000000; i++)
        fputc(0, file);
    fputc('\n', file);
    fclose(file);
    fill(dir, 0, 11, 20);
    logs = begin(dir);
    ck_assert_uint_eq(walk(logs, all, &skipped), 19);
    ck_assert_int_eq(skipped, 1);
    logs_free(logs);
    clean(dir);
}

static unsigned matches(struct logs *logs, const char *pattern)
{
    struct logs_query q = {.after = 1, .limit = 50, .grep = pattern};
    long long skipped;

    return walk(logs, q, &skipped);
}

TEST(a_pattern_is_matched_against_what_users_see)
{
    char *dir = make();
    struct logs *logs;

    fill(dir, 1, 2, 100);
    fill(dir, 0, 101, 200);
    logs = begin(dir);
    log_info(logs_sink(logs), "config.committed", KV("revision", 7), KV("user", "Eve"));
    ck_assert_uint_eq(matches(logs, "revision=7 user="), 1);
    ck_assert_uint_eq(matches(logs, "^host config"), 1);
    ck_assert_uint_eq(matches(logs, "k=\"v15\\d"), 10);
    ck_assert_uint_eq(matches(logs, "eve"), 1);
    ck_assert_uint_eq(matches(logs, "EVE"), 0);
    ck_assert_uint_eq(matches(logs, "list=\\[1,\\{\"x\":2\\}\\]$"), 199);
    ck_assert_uint_eq(matches(logs, "nothing of the kind"), 0);
    logs_free(logs);
    clean(dir);
}

TEST(patterns_that_are_wrong_or_cost_too_much_are_refused)
{
    struct logs *logs = begin(NULL);
    struct logs_query q = {.limit = 10, .grep = "(a"};
    struct logs_search *search;
    struct orb_err err = {0};
    AUTO(buf) struct buf out = {0};
    size_t found;

    log_info(logs_sink(logs), "x",
             KV("text", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    ck_assert_int_eq(logs_find_new(logs, &q, &search, &err), ORB_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "byte 2"));
    q.grep = "(a+)+(a+)+[0-9]$";
    ck_assert_int_eq(logs_find_new(logs, &q, &search, &err), 0);
    ck_assert(!logs_find_done(search));
    logs_find_run(search);
    ck_assert_int_eq(logs_find_answer(search, &out, &found, &err), ORB_E_LIMIT);
    logs_find_free(search);
    logs_free(logs);
}

TEST(a_record_that_comes_during_a_search_is_told_once)
{
    char *dir = make();
    struct logs *logs = begin(dir);

    for (unsigned round = 0; round < 6; round++) {
        struct logs_query q = {.after = 1, .limit = 1000, .grep = round % 2 ? "while" : NULL};
        AUTO(buf) struct buf out = {0};
        AUTO(json_t) json_t *page = NULL, *rest = NULL;
        struct logs_search *search;
        struct orb_err err = {0};
        size_t found;

        ck_assert_int_eq(logs_find_new(logs, &q, &search, &err), 0);
        ck_assert(!logs_find_done(search));
        log_info(logs_sink(logs), "meanwhile", KV("round", round));
        logs_find_run(search); /* the files have it by then */
        ck_assert_int_eq(logs_find_answer(search, &out, &found, &err), 0);
        logs_find_free(search);
        ck_assert_uint_eq(found, round);
        ck_assert_int_eq(tree_parse(out.data, out.len, NULL, &page, &err), 0);
        q.after = (uint64_t)number(page, "next");
        rest = ask(logs, &q);
        ck_assert_uint_eq(json_array_size(json_object_get(rest, "records")), 1);
    }
    logs_free(logs);
    clean(dir);
}

TEST(following_loses_and_repeats_nothing_over_a_restart)
{
    char *dir = make();
    struct logs *logs = begin(dir);
    struct logs_query q = {.limit = 1000};
    unsigned seen = 0;

    for (int round = 0; round < 3; round++) {
        AUTO(json_t) json_t *page = NULL;

        log_info(logs_sink(logs), "a", KV("round", round));
        page = ask(logs, &q);
        seen += (unsigned)json_array_size(json_object_get(page, "records"));
        q.after = (uint64_t)number(page, "next");
        log_info(logs_sink(logs), "b", KV("round", round)); /* not seen before the end */
        logs_free(logs);
        logs = begin(dir);
    }
    json_decref(ask(logs, &q));
    ck_assert_uint_eq(seen, 5); /* of six: the last b comes with the next question */
    logs_free(logs);
    clean(dir);
}

TEST(times_of_this_run_are_taken_by_the_clock_as_it_is_now)
{
    struct logread_query q = {.since_us = 1000, .until_us = 2000, .shifts_from = 10};
    struct logline old = {.seq = 9, .time_us = 500}, first = {.seq = 10, .time_us = 500};
    struct logline between = {.seq = 20, .time_us = 5500}, last = {.seq = 30, .time_us = 1500};

    q.shifts[q.shift_count++] = (struct logread_shift){.seq = 15, .by_us = 5000};
    q.shifts[q.shift_count++] = (struct logread_shift){.seq = 25, .by_us = -4000};
    ck_assert(!logread_fits(&q, &old)); /* of an earlier run: the time of its clock */
    ck_assert(logread_fits(&q, &first));
    ck_assert(logread_fits(&q, &between));
    ck_assert(logread_fits(&q, &last));
    first.time_us = 2500; /* 3500 now */
    ck_assert(!logread_fits(&q, &first));
    q.since_us = 0;
    first.time_us = 0;
    q.shifts[0].by_us = -9000; /* before the epoch: the earliest time that can be expressed */
    ck_assert(logread_fits(&q, &first));
}
