/* Services, logs and metrics. */
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "core/base/own.h"

static void duration(long long ms, char *to, size_t size)
{
    long long s = ms / 1000;

    if (s >= 86400)
        snprintf(to, size, "%lldd%lldh", s / 86400, s % 86400 / 3600);
    else if (s >= 3600)
        snprintf(to, size, "%lldh%lldm", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        snprintf(to, size, "%lldm%llds", s / 60, s % 60);
    else
        snprintf(to, size, "%lld.%llds", s, ms % 1000 / 100);
}

static void why(const json_t *s, struct buf *b)
{
    char wait[32];

    if (*member_text(s, "degraded"))
        buf_addf(b, "degraded: %s ", member_text(s, "degraded"));
    if (*member_text(s, "reason"))
        buf_addf(b, "%s ", member_text(s, "reason"));
    if (member_number(s, "next_ms")) {
        duration(member_number(s, "next_ms"), wait, sizeof wait);
        buf_addf(b, "(next try in %s)", wait);
    }
}

static int show_services(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const char *const titles[] = {"SERVICE", "STATE",    "VERSION", "PID",
                                         "UPTIME",  "RESTARTS", "BREAKER", ""};
    AUTO(json_t) json_t *tree = NULL;
    struct table t;
    json_t *s;
    size_t i;
    int r = cli_words(argc, argv, 0, 0, "show services", err);

    if (r == 0)
        r = cli_fetch(cli, "host@1", "services", NULL, &tree, err);
    if (r < 0 || !tree)
        return r;
    table_start(&t, 8, titles);
    json_array_foreach (json_object_get(tree, "services"), i, s) {
        AUTO(buf) struct buf note = {0};
        char up[32] = "-";

        if (member_number(s, "uptime_ms"))
            duration(member_number(s, "uptime_ms"), up, sizeof up);
        why(s, &note);
        table_cell(&t, "%s", member_text(s, "name"));
        table_cell(&t, "%s", member_text(s, "state"));
        table_cell(&t, "%s", member_text(s, "version"));
        table_cell(&t, "%lld", member_number(s, "pid"));
        table_cell(&t, "%s", up);
        table_cell(&t, "%lld", member_number(s, "restarts"));
        table_cell(&t, "%s", member_text(s, "breaker"));
        table_cell(&t, "%s", buf_str(&note));
    }
    json_array_foreach (json_object_get(tree, "refused"), i, s) {
        AUTO(buf)
        struct buf name = {0}, note = {0}; /* a directory of anybody's may be called anything */

        text_plain(member_text(s, "name"), &name);
        text_plain(member_text(s, "error"), &note);
        table_cell(&t, "%s", buf_str(&name));
        table_cell(&t, "refused");
        for (int k = 0; k < 5; k++)
            table_cell(&t, "-");
        table_cell(&t, "%s", buf_str(&note));
    }
    table_print(&t);
    return 0;
}

/* One level of an object as "key: value" lines; deeper values as JSON. */
static void print_object(const json_t *object)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)object, key, value) {
        AUTO(buf) struct buf text = {0};

        if (json_is_string(value))
            text_plain(json_string_value(value), &text);
        else if (json_is_object(value) || json_is_array(value))
            tree_dump_pretty(value, &text);
        else
            tree_dump(value, &text);
        printf("%-18s %s\n", key, buf_str(&text));
    }
}

static void print_crash(const json_t *c)
{
    time_t when = (time_t)(member_number(c, "time_us") / 1000000);
    char text[40], up[32];
    const json_t *record;
    size_t i;

    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", localtime(&when));
    duration(member_number(c, "uptime_ms"), up, sizeof up);
    printf("%s  pid %lld  after %s  ", text, member_number(c, "pid"), up);
    if (json_is_true(json_object_get(c, "signaled")))
        printf("signal %lld (%s)", member_number(c, "status"), member_text(c, "signal"));
    else
        printf("exit status %lld", member_number(c, "status"));
    if (*member_text(c, "ended_because"))
        printf("; %s", member_text(c, "ended_because"));
    if (*member_text(c, "sandbox_step"))
        printf("; sandbox step %s: %s", member_text(c, "sandbox_step"),
               member_text(c, "sandbox_error"));
    if (*member_text(c, "fault_untrusted"))
        printf("\n    the worker itself says: %s", member_text(c, "fault_untrusted"));
    putchar('\n');
    json_array_foreach (json_object_get(json_object_get(c, "log"), "records"), i, record) {
        AUTO(buf) struct buf kv = {0};

        tree_dump(json_object_get(record, "kv"), &kv);
        printf("    %-8s %s %s\n", member_text(record, "level"), member_text(record, "event"),
               buf_str(&kv));
    }
}

static int service_show(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const char expected[] = "service show NAME [sandbox|crashes]";
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    const char *what = "service";
    json_t *c;
    size_t i;
    int r = cli_words(argc, argv, 1, 2, expected, err);

    if (r < 0)
        return r;
    if (argc == 2 && (!strcmp(argv[1], "sandbox") || !strcmp(argv[1], "crashes")))
        what = argv[1];
    else if (argc == 2)
        return orb_fail(err, ORB_E_INVALID, "\"%s\": expected: %s", argv[1], expected);
    cli_pair(&input, "name", argv[0]);
    r = cli_fetch(cli, "host@1", what, buf_str(&input), &tree, err);
    if (r < 0 || !tree)
        return r;
    if (strcmp(what, "crashes")) {
        print_object(tree);
        return 0;
    }
    json_array_foreach (json_object_get(tree, "crashes"), i, c)
        print_crash(c);
    if (!json_array_size(json_object_get(tree, "crashes")))
        puts("no crashes since the daemon started");
    return 0;
}

static int order(struct cli *cli, const char *method, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0}, input = {0};
    AUTO_FREE char *expected = xasprintf("service %s NAME", method + 8);
    int r = cli_words(argc, argv, 1, 1, expected, err);

    if (r < 0)
        return r;
    cli_pair(&input, "name", argv[0]);
    r = cli_call(cli, "host@1", method, buf_str(&input), &text, err);
    if (r == 0)
        cli_print_json(cli, buf_str(&text));
    return r;
}

static int service_start(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return order(cli, "service-start", argc, argv, err);
}

static int service_stop(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return order(cli, "service-stop", argc, argv, err);
}

static int service_restart(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return order(cli, "service-restart", argc, argv, err);
}

/* ---- logs ---- */

static void print_record(const json_t *record)
{
    long long us = member_number(record, "time_us");
    time_t when = (time_t)(us / 1000000);
    AUTO(buf) struct buf line = {0};
    char text[40];
    const char *key;
    json_t *value;

    strftime(text, sizeof text, "%H:%M:%S", localtime(&when));
    json_object_foreach (json_object_get(record, "kv"), key, value) {
        AUTO(buf) struct buf v = {0};

        tree_dump(value, &v);
        buf_addf(&line, " %s=%s", key, buf_str(&v));
    }
    printf("%s.%03lld %-7s %-12s %s%s\n", text, us / 1000 % 1000, member_text(record, "level"),
           member_text(record, "service"), member_text(record, "event"), buf_str(&line));
}

struct log_request {
    const char *service, *level;
    long limit;
    long long after, since_us;
};

static int fetch_logs(struct cli *cli, struct log_request *q, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    json_t *record;
    size_t i;
    int r;

    buf_addf(&input, "{\"limit\":%ld,\"after\":%lld,\"since_us\":%lld", q->limit, q->after,
             q->since_us);
    if (q->service) {
        buf_adds(&input, ",\"service\":");
        buf_add_json(&input, q->service, strlen(q->service));
    }
    if (q->level) {
        buf_adds(&input, ",\"level\":");
        buf_add_json(&input, q->level, strlen(q->level));
    }
    buf_addc(&input, '}');
    r = cli_tree(cli, "host@1", "logs", buf_str(&input), &tree, err);
    if (r < 0)
        return r;
    json_array_foreach (json_object_get(tree, "records"), i, record) {
        AUTO(buf) struct buf line = {0};

        if (cli->json) {
            tree_dump(record, &line);
            puts(buf_str(&line));
        } else {
            print_record(record);
        }
    }
    if (member_number(tree, "next"))
        q->after = member_number(tree, "next");
    return fflush(stdout) == EOF ? orb_fail(err, ORB_E_IO, "the output is closed") : 0;
}

static int parse_since(const char *text, long long *ret_us, struct orb_err *err)
{
    char *end;
    long n = strtol(text, &end, 10);
    long long unit = !strcmp(end, "s") ? 1 : !strcmp(end, "m") ? 60 : !strcmp(end, "h") ? 3600 : 0;

    if (end == text || n < 0 || !unit)
        return orb_fail(err, ORB_E_INVALID, "--since: expected e.g. 30s, 10m or 2h; got \"%s\"",
                        text);
    *ret_us = (long long)wall_us() - n * unit * 1000000;
    return 0;
}

static int logs(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    struct log_request q = {.limit = 200};
    bool follow = cli_flag(&argc, argv, "-f") || cli_flag(&argc, argv, "--follow");
    const char *since = cli_option(&argc, argv, "--since");
    const char *limit = cli_option(&argc, argv, "--limit");
    int r = 0;

    q.service = cli_option(&argc, argv, "--service");
    q.level = cli_option(&argc, argv, "--level");
    r = cli_words(argc, argv, 0, 0, "logs [-f] [--service S] [--level L] [--since T] [--limit N]",
                  err);
    if (r == 0 && limit)
        r = cli_number(limit, "--limit", 1, 1000, &q.limit, err);
    if (r == 0 && since)
        r = parse_since(since, &q.since_us, err);
    if (r == 0)
        r = fetch_logs(cli, &q, err);
    while (r == 0 && follow) {
        struct timespec pause = {.tv_nsec = 200 * 1000 * 1000}; /* polling interval for people */

        nanosleep(&pause, NULL);
        q.limit = 1000;
        r = fetch_logs(cli, &q, err);
    }
    return r;
}

static int metrics(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(json_t) json_t *tree = NULL;
    int r = cli_words(argc, argv, 0, 0, "metrics", err);

    if (r == 0)
        r = cli_fetch(cli, "host@1", "metrics", NULL, &tree, err);
    if (r < 0 || !tree)
        return r;
    if (r == 0)
        fputs(member_text(tree, "text"), stdout);
    return r;
}

const struct command service_commands[] = {
    {"show services", "", "state of every service", show_services},
    {"service show", "NAME [sandbox|crashes]", "one service, its sandbox, its crash reports",
     service_show},
    {"service start", "NAME", "start a service (closes its breaker)", service_start},
    {"service stop", "NAME", "stop a service until it is started again", service_stop},
    {"service restart", "NAME", "stop and start a service", service_restart},
    {"logs", "[-f] [--service S] [--level L] [--since T] [--limit N]", "log records", logs},
    {"metrics", "", "OpenMetrics text", metrics},
    {0},
};
