/* Services and metrics. */
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/crashes.h"
#include "cli/table.h"
#include "cli/when.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

static void why(const json_t *s, struct buf *b)
{
    char wait[32];

    if (*table_text(s, "degraded"))
        buf_addf(b, "degraded: %s ", table_text(s, "degraded"));
    if (*table_text(s, "reason"))
        buf_addf(b, "%s ", table_text(s, "reason"));
    if (table_number(s, "next-ms")) {
        when_duration(table_number(s, "next-ms"), wait, sizeof(wait));
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
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_fetch(cli, "host@1", "services", NULL, &tree, err);
    if (r < 0 || !tree)
        return r;
    table_start(&t, 8, titles);
    json_array_foreach (json_object_get(tree, "services"), i, s) {
        AUTO(buf) struct buf note = {0};
        char up[32] = "-";

        if (table_number(s, "uptime-ms"))
            when_duration(table_number(s, "uptime-ms"), up, sizeof(up));
        why(s, &note);
        table_cell(&t, "%s", table_text(s, "name"));
        table_cell(&t, "%s", table_text(s, "state"));
        table_cell(&t, "%s", table_text(s, "version"));
        table_cell(&t, "%lld", table_number(s, "pid"));
        table_cell(&t, "%s", up);
        table_cell(&t, "%lld", table_number(s, "restarts"));
        table_cell(&t, "%s", table_text(s, "breaker"));
        table_cell(&t, "%s", buf_str(&note));
    }
    json_array_foreach (json_object_get(tree, "refused"), i, s) {
        table_cell(&t, "%s", table_text(s, "name"));
        table_cell(&t, "refused");
        for (int k = 0; k < 5; k++)
            table_cell(&t, "-");
        table_cell(&t, "%s", table_text(s, "error"));
    }
    if (table_number(tree, "refused-more")) {
        table_cell(&t, "%lld more", table_number(tree, "refused-more"));
        table_cell(&t, "refused");
        for (int k = 0; k < 5; k++)
            table_cell(&t, "-");
        table_cell(&t, "orbctl logs --grep package.refused");
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

        out("%-18s ", key);
        if (json_is_string(value)) {
            out("%s\n", json_string_value(value));
            continue;
        }
        if (json_is_object(value) || json_is_array(value))
            tree_dump_pretty(value, &text);
        else
            tree_dump(value, &text);
        out_json(buf_str(&text));
    }
}

static int service_show(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    const char *what = "service";
    json_t *c;
    size_t i;
    int r = cli_words(cli, argc, argv, err);

    if (r < 0)
        return r;
    if (argc == 2 && (!strcmp(argv[1], "sandbox") || !strcmp(argv[1], "crashes")))
        what = argv[1];
    else if (argc == 2)
        return orb_fail(err, ORB_E_INVALID, "\"%s\": expected: %s %s", argv[1], cli->command->words,
                        cli->command->arguments);
    cli_pair(&input, "name", argv[0]);
    r = cli_fetch(cli, "host@1", what, buf_str(&input), &tree, err);
    if (r < 0 || !tree)
        return r;
    if (strcmp(what, "crashes")) {
        print_object(tree);
        return 0;
    }
    json_array_foreach (json_object_get(tree, "crashes"), i, c)
        crashes_print(c);
    if (!json_array_size(json_object_get(tree, "crashes")))
        out("no crashes\n");
    return 0;
}

static int order(struct cli *cli, const char *method, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0}, input = {0};
    int r = cli_words(cli, argc, argv, err);

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

/* The daemon answers in pages. */
static int metrics_fetch(struct cli *cli, struct buf *ret_text, struct orb_err *err)
{
    AUTO_FREE char *next = NULL;
    int r;

    do {
        AUTO(json_t) json_t *tree = NULL;
        AUTO(buf) struct buf input = {0};

        if (next)
            cli_pair(&input, "from", next);
        r = cli_tree(cli, "host@1", "metrics", next ? buf_str(&input) : NULL, &tree, err);
        if (r < 0)
            return r;
        buf_adds(ret_text, table_text(tree, "text"));
        free(next);
        next = json_object_get(tree, "next") ? xstrdup(table_text(tree, "next")) : NULL;
    } while (next);
    return 0;
}

static int metrics(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0}, json = {0};
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = metrics_fetch(cli, &text, err);
    if (r < 0)
        return r;
    cli_pair(&json, "text", buf_str(&text));
    if (!cli_print_json(cli, buf_str(&json)))
        out_lines(buf_str(&text));
    return 0;
}

const struct command service_commands[] = {
    {"show services", "", "state of every service", show_services},
    {"service show", "SERVICE [sandbox|crashes]", "one service, its sandbox, its crash reports",
     service_show},
    {"service start", "SERVICE", "start a service (closes its breaker)", service_start},
    {"service stop", "SERVICE", "stop a service until it is started again", service_stop},
    {"service restart", "SERVICE", "stop and start a service", service_restart},
    {"metrics", "", "OpenMetrics text", metrics},
    {0},
};
