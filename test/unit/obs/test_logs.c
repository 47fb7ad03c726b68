/* core/obs: rings, rates, files, metrics. */
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/scan.h"
#include "core/json/tree.h"
#include "core/obs/logfile.h"
#include "core/obs/logs.h"
#include "core/obs/metrics.h"
#include "test/lib/harness.h"

static struct logs *quiet(const char *dir)
{
    struct logs_options options = {.dir = dir, .output = LOGS_QUIET};
    struct logs *logs;
    struct orb_err err;

    ck_assert_msg(logs_new(&options, &logs, &err) == 0, "%s", err.text);
    return logs;
}

static void remove_dir(const char *dir)
{
    AUTO_FREE char *log = buf_format("%s/log.jsonl", dir);
    AUTO_FREE char *audit = buf_format("%s/audit.jsonl", dir);

    unlink(log);
    unlink(audit);
    ck_assert_int_eq(rmdir(dir), 0);
}

static size_t count(struct logs *logs, const struct logs_query *query, json_t **ret_tree)
{
    AUTO(buf) struct buf out = {0};
    AUTO(json_t) json_t *tree = NULL;
    struct orb_err err;
    size_t n;

    logs_find(logs, query, &out);
    ck_assert_msg(tree_parse(out.data, out.len, NULL, &tree, &err) == 0, "%s: %s", err.text,
                  out.data);
    n = json_array_size(json_object_get(tree, "records"));
    if (ret_tree)
        *ret_tree = take_ptr(tree);
    return n;
}

TEST(records_are_found_by_service_and_level)
{
    struct logs *logs = quiet(NULL);
    struct logs_query all = {0}, warn = {.level = LOG_LEVEL_WARN}, fw = {.service = "fw"};
    const char *text = "{\"level\":\"warning\",\"event\":\"x.y\",\"kv\":{\"a\":1}}";

    log_info(logs_sink(logs), "started", KV("n", 3), KV("text", "q\"uote"));
    logs_record(logs, "fw", text, strlen(text));
    ck_assert_uint_eq(count(logs, &all, NULL), 2);
    ck_assert_uint_eq(count(logs, &warn, NULL), 1);
    ck_assert_uint_eq(count(logs, &fw, NULL), 1);
    logs_free(logs);
}

TEST(a_flood_costs_the_flooding_service_only_and_is_counted)
{
    struct logs *logs = quiet(NULL);
    struct logs_query host = {.service = "host"};
    AUTO(buf) struct buf text = {0};
    const char *at, *flood = "{\"level\":\"info\",\"event\":\"f\"}";

    log_info(logs_sink(logs), "mine");
    for (int i = 0; i < 5000; i++)
        logs_record(logs, "bad", flood, strlen(flood));
    ck_assert_uint_eq(count(logs, &host, NULL), 1);
    logs_files_metrics(logs, &text);
    at = strstr(buf_str(&text), "orbital_log_dropped_total{service=\"bad\"} ");
    ck_assert_ptr_nonnull(at);
    ck_assert_int_ge(atoi(strchr(at, ' ') + 1), 3000); /* all but the burst and a moment's refill */
    logs_free(logs);
}

TEST(output_becomes_records_by_line_whatever_the_pieces)
{
    struct logs *logs = quiet(NULL);
    struct logs_query all = {0};
    AUTO(json_t) json_t *tree = NULL;
    const json_t *first;

    logs_output(logs, "svc", "hel", 3);
    logs_output(logs, "svc", "lo\nwor\xff", 7);
    logs_output(logs, "svc", "ld\n", 3);
    ck_assert_uint_eq(count(logs, &all, &tree), 2);
    first = json_array_get(json_object_get(tree, "records"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(first, "kv"), "line")),
                     "hello");
    logs_free(logs);
}

TEST(the_file_is_rotated_and_old_ones_are_few)
{
    char dir[] = "/tmp/orbital-test-XXXXXX";
    struct logs *logs;
    AUTO_FREE char *big = xcalloc(1, 4000);
    AUTO_FREE char *path = NULL, *old = NULL;
    struct stat st;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    logs = quiet(dir);
    memset(big, 'x', 3999);
    for (int i = 0; i < 1500; i++) {
        big[0] = (char)('a' + i % 20); /* of many causes */
        log_info(logs_sink(logs), "fill", KV("data", (const char *)big));
    }
    logs_free(logs);
    path = buf_format("%s/log.jsonl", dir);
    old = buf_format("%s/log.jsonl.1", dir);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_le((uint64_t)st.st_size, LOGFILE_BYTES);
    ck_assert_int_eq(stat(old, &st), 0);
    unlink(path);
    unlink(old);
    remove_dir(dir);
}

TEST(records_below_their_level_leave_nothing)
{
    static const struct logs_level levels[] = {{"chatty", LOG_LEVEL_WARN},
                                               {"deep", LOG_LEVEL_DEBUG}};
    static const char info[] = "{\"level\":\"info\",\"event\":\"i\"}";
    static const char debug[] = "{\"level\":\"debug\",\"event\":\"d\"}";
    static const char *const names[] = {"chatty", "deep", "other"};
    static const unsigned wanted[2][3] = {{1, 1, 1}, {0, 2, 1}};
    struct logs_options options = {.output = LOGS_QUIET, .level = LOG_LEVEL_INFO};
    struct logs *logs;
    struct orb_err err;

    for (unsigned round = 0; round < 2; round++) {
        ck_assert_int_eq(logs_new(&options, &logs, &err), 0);
        if (round)
            logs_levels(logs, LOG_LEVEL_INFO, levels, 2);
        for (unsigned i = 0; i < 3; i++) {
            struct logs_query of = {.service = names[i]};

            logs_record(logs, names[i], info, strlen(info));
            logs_record(logs, names[i], debug, strlen(debug));
            ck_assert_uint_eq(count(logs, &of, NULL), wanted[round][i]);
        }
        logs_free(logs);
    }
}

TEST(orders_are_recorded_at_any_level)
{
    struct logs *logs = quiet(NULL);
    struct logs_query all = {0};

    logs_levels(logs, LOG_LEVEL_ERROR, NULL, 0);
    log_info(logs_sink(logs), "service.ready");
    log_notice(logs_sink(logs), "audit.order");
    log_notice(logs_sink(logs), "host.start");
    ck_assert_uint_eq(count(logs, &all, NULL), 2);
    logs_free(logs);
}

TEST(a_record_that_is_too_long_keeps_its_beginning)
{
    struct logs *logs = quiet(NULL);
    struct logs_query all = {0};
    AUTO_FREE char *huge = xcalloc(1, 300001);
    AUTO(json_t) json_t *tree = NULL;

    memset(huge, 'x', 300000);
    log_info(logs_sink(logs), "long", KV("data", (const char *)huge));
    log_info(logs_sink(logs), "next");
    ck_assert_uint_eq(count(logs, &all, &tree), 2);
    ck_assert_int_ge(json_integer_value(tree_get(tree, "/records/0/kv/too-long-bytes")), 300000);
    logs_free(logs);
}

TEST(pairs_of_a_service_that_are_too_long_keep_their_beginning)
{
    struct logs *logs = quiet(NULL);
    struct logs_query all = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(json_t) json_t *tree = NULL;
    const char *begins;

    buf_addf(&text, "{\"event\":\"long\",\"kv\":{\"first\":1,\"data\":\"%05000d\"}}", 1);
    logs_record(logs, "fw", text.data, text.len);
    ck_assert_uint_eq(count(logs, &all, &tree), 1);
    ck_assert_int_ge(json_integer_value(tree_get(tree, "/records/0/kv/too-long-bytes")), 5000);
    begins = json_string_value(tree_get(tree, "/records/0/kv/begins"));
    ck_assert_ptr_nonnull(begins);
    ck_assert(
        !strncmp(begins, "{\"first\":1,\"data\":\"000", strlen("{\"first\":1,\"data\":\"000")));
    logs_free(logs);
}

/* An answer contains its records in more levels, all of which its reader counts. */
TEST(no_record_is_nested_too_deeply_for_the_answer_that_has_it)
{
    struct logs *logs = quiet(NULL);
    struct logs_query all = {0};
    AUTO(json_t) json_t *tree = NULL;
    unsigned as_text = 0;

    for (unsigned depth = 1; depth < JSON_MAX_DEPTH - 1; depth++) {
        AUTO(buf) struct buf text = {0};

        buf_adds(&text, "{\"event\":\"deep\",\"kv\":{\"a\":");
        for (unsigned i = 0; i < depth; i++)
            buf_addc(&text, '[');
        for (unsigned i = 0; i < depth; i++)
            buf_addc(&text, ']');
        buf_adds(&text, "}}");
        ck_assert_int_eq(scan_json(text.data, text.len, NULL, NULL), 0);
        logs_record(logs, "guest", text.data, text.len);
    }
    ck_assert_uint_eq(count(logs, &all, &tree), JSON_MAX_DEPTH - 2);
    for (unsigned i = 0; i < JSON_MAX_DEPTH - 2; i++) {
        const json_t *kv = json_object_get(json_array_get(tree_get(tree, "/records"), i), "kv");

        as_text += json_is_integer(json_object_get(kv, "nested-deeper-than"));
        ck_assert_ptr_nonnull(json_object_get(kv, as_text ? "begins" : "a"));
        if (as_text) /* the whole of it */
            ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(kv, "begins")), "]}"));
        if (as_text)
            ck_assert_uint_lt(json_string_length(json_object_get(kv, "begins")), 80);
    }
    ck_assert_uint_ge(as_text, 4);
    ck_assert_uint_le(as_text, JSON_MAX_DEPTH / 2);
    logs_free(logs);
}

TEST(what_a_flood_lost_is_reported_also_when_it_is_over)
{
    struct logs *logs = quiet(NULL);
    struct logs_query of = {.service = "bad"};
    AUTO(json_t) json_t *tree = NULL;
    AUTO(buf) struct buf metrics = {0};
    const char *flood = "{\"level\":\"info\",\"event\":\"f\"}", *event = "", *at;
    const json_t *record;
    long long told = 0;
    size_t i;

    for (int k = 0; k < 5000; k++)
        logs_record(logs, "bad", flood, strlen(flood));
    logs_files_look(logs);
    count(logs, &of, &tree);
    json_array_foreach (json_object_get(tree, "records"), i, record) {
        event = json_string_value(json_object_get(record, "event"));
        told += json_integer_value(tree_get(record, "/kv/count"));
    }
    ck_assert_str_eq(event, "log.dropped");
    logs_files_metrics(logs, &metrics);
    at = strstr(buf_str(&metrics), "orbital_log_dropped_total{service=\"bad\"} ");
    ck_assert_ptr_nonnull(at);
    /* On a slow machine the flood lasts for several reports. */
    ck_assert_int_eq(told, atoll(strchr(at, ' ') + 1));
    ck_assert_int_ge(told, 3000); /* all but the burst and a moment's refill */
    logs_free(logs);
}

/* Page by page, each with one family at least. */
static void all_metrics(const struct metrics *m, struct buf *text)
{
    char last[METRICS_NAME] = "";
    AUTO(buf) struct buf page = {0};

    while (!metrics_page(m, last, 1, &page, last)) {
        ck_assert_uint_gt(page.len, 0);
        buf_add(text, page.data, page.len);
        buf_clear(&page);
    }
    buf_add(text, page.data, page.len);
}

TEST(metrics_are_grouped_by_name_and_bad_names_refused)
{
    struct metrics *m = metrics_new();
    AUTO(buf) struct buf text = {0};
    static const char *const frames[] = {
        "{\"name\":\"hits\",\"add\":2}",   "{\"name\":\"hits\",\"add\":3}",
        "{\"name\":\"load\",\"set\":0.5}", "{\"name\":\"Bad name\",\"add\":1}",
        "{\"name\":\"hits\",\"add\":-1}",
    };

    for (unsigned i = 0; i < ARRAY_LEN(frames); i++)
        metrics_frame(m, "a", frames[i], strlen(frames[i]), 1);
    all_metrics(m, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "orbital_service_hits_total{service=\"a\"} 5\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "orbital_service_load{service=\"a\"} 0.5\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "orbital_metrics_refused_total 2\n"));
    metrics_free(m);
}

TEST(a_service_cannot_write_a_line_of_its_own_into_the_file)
{
    char dir[] = "/tmp/orbital-test-XXXXXX";
    struct logs *logs;
    AUTO(buf) struct buf text = {0};
    AUTO_FREE char *path = NULL;
    struct orb_err err;
    static const char forged[] =
        "{\"event\":\"a\\nb\",\"kv\":{\"k\":\n{\"service\":\"config\",\"s\":\"a b\\\" c\"}\r\n}}";

    ck_assert_ptr_nonnull(mkdtemp(dir));
    logs = quiet(dir);
    logs_record(logs, "bad", forged, strlen(forged));
    logs_free(logs);
    path = buf_format("%s/log.jsonl", dir);
    ck_assert_int_eq(file_read(path, 10000, &text, &err), 0);
    ck_assert_ptr_eq(strchr(text.data, '\n'), text.data + text.len - 1);
    ck_assert_ptr_nonnull(strstr(text.data, "\"event\":\"a?b\""));
    ck_assert_ptr_nonnull(
        strstr(text.data, "\"kv\":{\"k\":{\"service\":\"config\",\"s\":\"a b\\\" c\"}}}"));
    unlink(path);
    remove_dir(dir);
}

/* U+009B begins a command of terminals, U+202E turns text around: files and journal are read there.
 */
TEST(what_acts_on_a_terminal_is_escaped_before_it_is_kept)
{
    static const char frame[] = "{\"event\":\"e\xc2\x9b\",\"level\":\"error\",\"kv\":{"
                                "\"k\xe2\x80\xae\":\"\xc2\x9b"
                                "2J\x7f\"}}";
    char dir[] = "/tmp/orbt-logs-XXXXXX";
    AUTO(buf) struct buf text = {0};
    AUTO_FREE char *file = NULL;
    struct logs *logs;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    file = buf_format("%s/log.jsonl", dir);
    logs = quiet(dir);
    logs_record(logs, "evil", frame, sizeof(frame) - 1);
    log_error(logs_sink(logs), "worker.failed",
              KV("why", "\xc2\x9b"
                        "31m"));
    logs_free(logs);
    ck_assert_int_eq(file_read(file, 1 << 20, &text, NULL), 0);
    ck_assert_ptr_nonnull(strstr(buf_str(&text), "{\"k\\u202e\":\"\\u009b2J\\u007f\"}"));
    ck_assert_ptr_nonnull(strstr(buf_str(&text), "{\"why\":\"\\u009b31m\"}"));
    for (size_t i = 0; i < text.len; i++)
        ck_assert((unsigned char)text.data[i] < 0x7f);
    remove_dir(dir);
}

TEST(an_answer_has_room_in_a_frame_whatever_was_logged)
{
    struct logs *logs = quiet(NULL);
    struct logs_query last = {.limit = 200}, after = {.limit = 1000, .after = 1}, tail = {0};
    AUTO(buf) struct buf out = {0};
    struct json_write w = json_write_to(&out);
    AUTO_FREE char *big = xcalloc(1, 4000);
    AUTO(json_t) json_t *tree = NULL;
    json_int_t newest;

    memset(big, 'x', 3999);
    for (int i = 0; i < 500; i++)
        log_info(logs_sink(logs), "fill", KV("data", (const char *)big));
    ck_assert_uint_ge(count(logs, &last, &tree), 40);
    newest = json_integer_value(json_object_get(tree, "next"));
    json_decref(tree);
    ck_assert_uint_ge(count(logs, &after, &tree), 40);
    ck_assert_int_lt(json_integer_value(json_object_get(tree, "next")),
                     newest - 440); /* continues from there */
    logs_find(logs, &tail, &out);
    ck_assert_uint_le(out.len, LOGS_ANSWER + 100);
    buf_clear(&out);
    logs_find_tail(logs, "host", 20, &w, NULL);
    ck_assert_uint_le(out.len, LOGS_TAIL + 100);
    logs_free(logs);
}

TEST(a_metric_has_neither_the_hosts_name_nor_two_types)
{
    struct metrics *m = metrics_new();
    AUTO(buf) struct buf text = {0};
    static const char *const frames[] = {
        "{\"name\":\"up\",\"set\":1}", "{\"name\":\"restarts\",\"add\":1}",
        "{\"name\":\"x_total\",\"set\":1}", "{\"name\":\"hits\",\"set\":1}"};

    metrics_frame(m, "good", "{\"name\":\"hits\",\"add\":2}", 23, 1);
    for (unsigned i = 0; i < ARRAY_LEN(frames); i++)
        metrics_frame(m, "bad", frames[i], strlen(frames[i]), 1);
    all_metrics(m, &text);
    ck_assert_ptr_null(strstr(text.data, "bad"));
    ck_assert_ptr_nonnull(strstr(text.data, "orbital_metrics_refused_total 4\n"));
    metrics_free(m);
}

TEST(a_shipped_service_has_its_name_with_its_type_even_if_another_was_first)
{
    struct metrics *m = metrics_new();
    AUTO(buf) struct buf text = {0};
    static const char gauge[] = "{\"name\":\"requests\",\"set\":1}";
    static const char counter[] = "{\"name\":\"requests\",\"add\":1}";

    metrics_limit(m, "api", &(struct metrics_limits){.names = 3, .rate = 10, .first = true});
    metrics_limit(m, "one", &(struct metrics_limits){.names = 1, .rate = 10});
    metrics_frame(m, "one", gauge, strlen(gauge), 1);
    metrics_frame(m, "two", counter, strlen(counter), 1); /* refused: the first has it */
    metrics_frame(m, "api", counter, strlen(counter), 1);
    metrics_frame(m, "one", gauge, strlen(gauge), 1);     /* refused */
    metrics_frame(m, "one", counter, strlen(counter), 1); /* its name is free again */
    all_metrics(m, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "# TYPE orbital_service_requests counter\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "requests_total{service=\"api\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "requests_total{service=\"one\"} 1\n"));
    ck_assert_ptr_null(strstr(text.data, "two"));
    ck_assert_ptr_nonnull(strstr(text.data, "orbital_metrics_refused_total 2\n"));
    metrics_free(m);
}

TEST(values_over_the_rate_of_a_service_are_dropped_and_counted_others_are_not)
{
    static const char frame[] = "{\"name\":\"hits\",\"add\":1}";
    struct metrics *m = metrics_new();
    AUTO(buf) struct buf text = {0};

    metrics_limit(m, "flood", &(struct metrics_limits){.names = 3, .rate = 10});
    for (int i = 0; i < 100; i++) {
        metrics_frame(m, "flood", frame, strlen(frame), 1000);
        metrics_frame(m, "other", frame, strlen(frame), 1000);
    }
    metrics_frame(m, "flood", frame, strlen(frame), 1100); /* a tenth of a second later */
    metrics_frame(m, "flood", frame, strlen(frame), 1100);
    metrics_frame(m, "flood", frame, strlen(frame),
                  900); /* the clock does not go back, if it did */
    all_metrics(m, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "hits_total{service=\"flood\"} 21\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "hits_total{service=\"other\"} 100\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "orbital_metrics_refused_total 82\n"));
    metrics_free(m);
}

TEST(every_page_of_the_metrics_has_whole_families_and_none_is_missing)
{
    struct metrics *m = metrics_new();
    AUTO(buf) struct buf text = {0};
    unsigned pages = 1, samples = 0;
    char last[METRICS_NAME] = "";

    for (int s = 0; s < 100; s++)
        for (int n = 0; n < METRICS_PER_SERVICE; n++) {
            AUTO_FREE char *service = buf_format("service-%d", s);
            AUTO_FREE char *frame =
                buf_format("{\"name\":\"name_%d\",\"add\":1}", n + (s & 1) * 40);

            metrics_frame(m, service, frame, strlen(frame), 1);
        }
    for (bool end = false; !end; pages += !end) {
        AUTO(buf) struct buf page = {0};

        end = metrics_page(m, last, 48 << 10, &page, last);
        ck_assert_uint_lt(page.len, 96 << 10);
        ck_assert_int_eq(strncmp(page.data, "# TYPE ", 7), 0);
        buf_add(&text, page.data, page.len);
    }
    ck_assert_uint_gt(pages, 5);
    for (const char *at = text.data; (at = strstr(at, "_total{service=")); at++)
        samples++;
    ck_assert_uint_eq(samples, 100 * METRICS_PER_SERVICE);
    for (int n = 0; n < METRICS_PER_SERVICE + 40; n++) {
        AUTO_FREE char *head = buf_format("# TYPE orbital_service_name_%d counter\n", n);
        const char *first = strstr(text.data, head);

        ck_assert_ptr_nonnull(first);
        ck_assert_ptr_null(strstr(first + 1, head));
    }
    metrics_free(m);
}

/* ---- the memory with all it may hold ---- */

#define CROWD (LOGS_SERVICES - 1) /* and host */

static struct logs *crowd(unsigned each)
{
    static const char text[] = "{\"level\":\"%s\",\"event\":\"e\",\"kv\":{\"i\":%u}}";
    struct logs *logs = quiet(NULL);

    log_info(logs_sink(logs), "first");
    for (unsigned i = 0; i < each * CROWD; i++) {
        unsigned who = i * 2654435761u % CROWD; /* in no order */
        AUTO_FREE char *name = buf_format("svc%u", who);
        AUTO_FREE char *record = buf_format(text, i % 7 ? "info" : "warning", i);

        logs_record(logs, name, record, strlen(record));
    }
    return logs;
}

static bool wanted(unsigned i, const struct logs_query *q)
{
    char name[16];

    snprintf(name, sizeof(name), "svc%u", i * 2654435761u % CROWD);
    return (q->level < LOG_LEVEL_WARN || i % 7 == 0) && (!q->service || !strcmp(q->service, name));
}

/* Are the records of the page the newest, or the oldest, of those that fit? Returns how many. */
static unsigned count_fitting(struct logs *logs, const struct logs_query *q, unsigned all)
{
    AUTO(json_t) json_t *tree = NULL;
    unsigned n = (unsigned)count(logs, q, &tree), at = 0, step = 0;
    const json_t *list = json_object_get(tree, "records");

    for (unsigned k = 0; k < n; k++) {
        unsigned place = q->newest ? n - 1 - k : k;
        const json_t *kv = json_object_get(json_array_get(list, place), "kv");

        do
            at = q->newest ? all - 1 - step++ : step++;
        while (!wanted(at, q));
        ck_assert_int_eq(json_integer_value(json_object_get(kv, "i")), at);
    }
    return n;
}

TEST(records_of_many_services_come_in_order_from_either_end)
{
    enum { EACH = 40, ALL = EACH * CROWD };
    static const unsigned limits[] = {1, 3, 200, 1000};
    struct logs *logs = crowd(EACH);

    for (unsigned i = 0; i < ARRAY_LEN(limits) * 8; i++) {
        struct logs_query q = {.limit = limits[i / 8], .newest = i & 1};
        unsigned fitting = 0;

        q.level = i & 2 ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG;
        q.service = i & 4 ? "svc77" : NULL;
        if (!q.newest) {
            AUTO(json_t) json_t *tree = NULL;
            struct logs_query host = {.service = "host"};

            count(logs, &host, &tree); /* after the record of the host itself */
            q.after = (uint64_t)json_integer_value(
                json_object_get(json_array_get(json_object_get(tree, "records"), 0), "seq"));
        }
        for (unsigned k = 0; k < ALL; k++)
            fitting += wanted(k, &q);
        ck_assert_uint_eq(count_fitting(logs, &q, ALL), fitting < q.limit ? fitting : q.limit);
    }
    logs_free(logs);
}

static uint64_t spent_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The loop itself looks through the memory; a query without matches is the most expensive. */
TEST(a_look_through_a_full_memory_is_short)
{
    struct logs *logs = crowd(LOGS_RING);
    struct logs_query queries[] = {{.level = LOG_LEVEL_ERROR},
                                   {.until_us = 1},
                                   {.limit = 1000},
                                   {.limit = 1000, .newest = true},
                                   {.limit = 1000, .after = 1}};

    for (unsigned i = 0; i < ARRAY_LEN(queries); i++) {
        uint64_t least = UINT64_MAX;

        for (unsigned k = 0; k < 5; k++) {
            AUTO(buf) struct buf out = {0};
            uint64_t before = spent_ns(), took;

            logs_find(logs, &queries[i], &out);
            took = spent_ns() - before;
            least = took < least ? took : least;
        }
        printf("# query %u: %.2f ms\n", i, (double)least / 1e6);
        ck_assert_uint_lt(least, 50000000);
    }
    logs_free(logs);
}

static size_t lines_of(const char *dir, const char *name, const char *word)
{
    AUTO_FREE char *path = buf_format("%s/%s", dir, name);
    AUTO(buf) struct buf text = {0};
    size_t n = 0;

    ck_assert_int_ge(file_read(path, 64 << 20, &text, NULL), 0);
    for (const char *at = buf_str(&text); (at = strchr(at, '\n')); at++)
        n++;
    ck_assert_msg(!word || !n || strstr(buf_str(&text), word), "%s lacks %s", name, word);
    return n;
}

TEST(orders_outlive_a_flood_of_everything_else)
{
    char dir[] = "/tmp/orbital-test-XXXXXX";
    struct logs *logs = quiet(mkdtemp(dir));
    struct logs_query audit = {.audit = true}, host = {.service = "host", .limit = 1000};
    AUTO(json_t) json_t *tree = NULL;

    log_notice(logs_sink(logs), "audit.order", KV("user", "ada"));
    for (int i = 0; i < 3000; i++) {
        AUTO_FREE char *by = buf_format("cause%d", i % 20);

        log_warn(logs_sink(logs), "something", KV("by", by));
    }
    ck_assert_uint_eq(count(logs, &audit, &tree), 1);
    ck_assert_str_eq(json_string_value(tree_get(tree, "/records/0/event")), "audit.order");
    ck_assert_str_eq(json_string_value(tree_get(tree, "/records/0/service")), "host");
    ck_assert_uint_ge(count(logs, &host, NULL), LOGS_RING); /* control: there was a flood */
    logs_free(logs);
    ck_assert_uint_eq(lines_of(dir, "audit.jsonl", "audit.order"), 1);
    ck_assert_uint_ge(lines_of(dir, "log.jsonl", "audit.order"), 3000);
    remove_dir(dir);
}

TEST(one_cause_does_not_take_the_records_of_another)
{
    struct logs *logs = quiet(NULL);
    struct logs_query audit = {.audit = true, .limit = 1000};
    AUTO(json_t) json_t *tree = NULL;
    AUTO(buf) struct buf text = {0};
    size_t n;

    log_notice(logs_sink(logs), "audit.order", KV("user", "ada"));
    for (int i = 0; i < 20000; i++)
        log_warn(logs_sink(logs), "audit.login-refused", KV("by", "api"));
    log_notice(logs_sink(logs), "audit.order", KV("user", "otto"));
    n = count(logs, &audit, &tree);
    ck_assert_uint_ge(n, 2 + 100);
    ck_assert_uint_lt(n, 2 + 150); /* it may have taken some seconds */
    ck_assert_str_eq(json_string_value(tree_get(tree, "/records/0/kv/user")), "ada");
    tree_dump(tree, &text);
    ck_assert_ptr_nonnull(strstr(buf_str(&text), "otto"));
    buf_clear(&text);
    logs_files_metrics(logs, &text);
    ck_assert_ptr_null(strstr(buf_str(&text), "orbital_log_not_recorded_total 0\n"));
    logs_free(logs);
}

TEST(a_services_rate_and_names_are_what_they_were_set_to)
{
    struct logs *logs = quiet(NULL);
    struct metrics *metrics = metrics_new();
    struct logs_query of = {.service = "few", .limit = 1000},
                      other = {.service = "other", .limit = 1000};
    const char *text = "{\"level\":\"info\",\"event\":\"f\"}";
    unsigned count_few = 0, count_other = 0;
    AUTO(buf) struct buf out = {0};

    logs_limit(logs, "few", 2);
    metrics_limit(metrics, "few", &(struct metrics_limits){.names = 3, .rate = 1000});
    for (int i = 0; i < 100; i++) {
        AUTO_FREE char *name = buf_format("{\"name\":\"m%d\",\"add\":1}", i);

        logs_record(logs, "few", text, strlen(text));
        logs_record(logs, "other", text, strlen(text));
        metrics_frame(metrics, "few", name, strlen(name), 1);
        metrics_frame(metrics, "other", name, strlen(name), 1);
    }
    ck_assert_uint_ge(count(logs, &of, NULL), 10);
    ck_assert_uint_lt(count(logs, &of, NULL), 30);     /* it may have taken some seconds */
    ck_assert_uint_eq(count(logs, &other, NULL), 100); /* control */
    all_metrics(metrics, &out);
    for (const char *at = buf_str(&out); (at = strstr(at, "{service=\"few\"}")); at++)
        count_few++;
    for (const char *at = buf_str(&out); (at = strstr(at, "{service=\"other\"}")); at++)
        count_other++;
    ck_assert_uint_eq(count_few, 3);
    ck_assert_uint_eq(count_other, METRICS_PER_SERVICE); /* control */
    metrics_free(metrics);
    logs_free(logs);
}
