/* Crash reports of services, of this run of the daemon and of those before. */
#include "cli/crashes.h"

#include <inttypes.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "cli/when.h"
#include "core/base/json_write.h"
#include "core/base/own.h"

void crashes_print(const json_t *c)
{
    char text[40], up[32];
    const json_t *record;
    size_t i;

    table_time(table_number(c, "time-us") / 1000000, TIME_FULL, text, sizeof(text));
    when_duration(table_number(c, "uptime-ms"), up, sizeof(up));
    out("%s  pid %lld  after %s  ", text, table_number(c, "pid"), up);
    if (json_is_true(json_object_get(c, "signaled")))
        out("signal %lld (%s)", table_number(c, "status"), table_text(c, "signal"));
    else
        out("exit status %lld", table_number(c, "status"));
    if (*table_text(c, "ended-because"))
        out("; %s", table_text(c, "ended-because"));
    if (*table_text(c, "load-error"))
        out("; %s", table_text(c, "load-error"));
    else if (*table_text(c, "sandbox-step"))
        out("; sandbox step %s: %s", table_text(c, "sandbox-step"), table_text(c, "sandbox-error"));
    if (*table_text(c, "fault-untrusted"))
        out("\n    reported by the worker itself: %s", table_text(c, "fault-untrusted"));
    out("\n");
    json_array_foreach (json_object_get(json_object_get(c, "log"), "records"), i, record) {
        AUTO(buf) struct buf kv = {0};

        table_plain(json_object_get(record, "kv"), &kv);
        out("    %-8s %s %s\n", table_text(record, "level"), table_text(record, "event"),
            buf_str(&kv));
    }
}

static int crashes_of(struct cli *cli, const char *service, bool name_them, json_t *all,
                      struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    json_t *c;
    size_t i;
    int r;

    cli_pair(&input, "name", service);
    r = cli_tree(cli, "host@1", "crashes", buf_str(&input), &tree, err);
    json_array_foreach (json_object_get(tree, "crashes"), i, c) {
        json_array_append(all, c);
        if (cli->json)
            continue;
        if (name_them)
            out("%s  ", service);
        crashes_print(c);
    }
    return r;
}

static int crashes(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(json_t) json_t *list = NULL, *all = json_array();
    AUTO(buf) struct buf text = {0};
    const json_t *s;
    size_t i;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0 && argc)
        r = crashes_of(cli, argv[0], false, all, err);
    else if (r == 0)
        r = cli_tree(cli, "host@1", "services", NULL, &list, err);
    json_array_foreach (json_object_get(list, "services"), i, s)
        if (r == 0)
            r = crashes_of(cli, table_text(s, "name"), true, all, err);
    if (r < 0)
        return r;
    if (cli->json) {
        AUTO(buf) struct buf whole = {0};
        struct json_write w = json_write_to(&whole);

        tree_dump(all, &text);
        json_write_object(&w, NULL);
        json_write_raw(&w, "crashes", text.data, text.len);
        json_write_end(&w);
        out_json(buf_str(&whole));
    } else if (!json_array_size(all)) {
        out("no crashes\n");
    }
    return 0;
}

const struct command crashes_commands[] = {
    {"crashes", "[SERVICE]", "crash reports, also of earlier runs of the daemon", crashes},
    {0},
};
