/* Looking into the broker: what there is, calling it by hand, watching events. */
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "core/base/json_write.h"
#include "core/base/own.h"

static int ipc_list(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const char *const titles[] = {"INTERFACE", "VERSION", "PROVIDER",
                                         "STATE",     "METHODS", "TOPICS"};
    AUTO(json_t) json_t *tree = NULL;
    struct table t;
    json_t *e;
    size_t i;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_fetch(cli, "host@1", "interfaces", NULL, &tree, err);
    if (r < 0 || !tree)
        return r;
    table_start(&t, 6, titles);
    json_array_foreach (json_object_get(tree, "interfaces"), i, e) {
        table_cell(&t, "%s", table_text(e, "interface"));
        table_cell(&t, "%s", table_text(e, "version"));
        table_cell(&t, "%s", table_text(e, "provider"));
        table_cell(&t, "%s", table_text(e, "state"));
        table_cell(&t, "%lld", table_number(e, "methods"));
        table_cell(&t, "%lld", table_number(e, "topics"));
    }
    table_print(&t);
    return 0;
}

static int ipc_describe(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    json_t *m;
    size_t i;
    int r = cli_words(cli, argc, argv, err);

    if (r < 0)
        return r;
    cli_pair(&input, "interface", argv[0]);
    r = cli_fetch(cli, "host@1", "describe", buf_str(&input), &tree, err);
    if (r < 0 || !tree)
        return r;
    out("%s %s\n", table_text(tree, "interface"), table_text(tree, "version"));
    json_array_foreach (json_object_get(tree, "methods"), i, m) {
        AUTO(buf) struct buf in = {0};

        table_plain(json_object_get(m, "input"), &in);
        out("\n  %s (%s)\n      %s\n      input: %s\n", table_text(m, "name"),
            table_text(m, "requires"), table_text(m, "description"), buf_str(&in));
    }
    json_array_foreach (json_object_get(tree, "events"), i, m)
        out("\n  event %s (%s, %s)\n      %s\n", table_text(m, "name"), table_text(m, "requires"),
            table_text(m, "class"), table_text(m, "description"));
    return 0;
}

static int ipc_call(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf pretty = {0};
    AUTO(json_t) json_t *tree = NULL;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0 && argc == 3 && scan_json(argv[2], strlen(argv[2]), NULL, err) < 0)
        r = orb_wrap(err, "the input");
    if (r == 0)
        r = cli_fetch(cli, argv[0], argv[1], argc == 3 ? argv[2] : NULL, &tree, err);
    if (r < 0 || !tree)
        return r;
    tree_dump_pretty(tree, &pretty);
    out_json(buf_str(&pretty));
    return 0;
}

static int on_event(void *arg, const char *topic, const char *text, size_t len)
{
    AUTO(buf) struct buf line = {0};
    struct json_write w = json_write_to(&line);

    json_write_object(&w, NULL);
    json_write_string(&w, "topic", topic);
    json_write_raw(&w, "payload", text, len);
    json_write_end(&w);
    out_json(buf_str(&line));
    return !out_flush();
}

static int ipc_watch(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf version = {0};
    int r = cli_words(cli, argc, argv, err);

    if (r == 0) /* opens the connection */
        r = cli_call(cli, "host@1", "version", NULL, &version, err);
    if (r < 0)
        return r;
    return client_watch(&cli->client, argv[0], argc == 2 ? argv[1] : "*", on_event, NULL, err);
}

const struct command ipc_commands[] = {
    {"ipc list", "", "interfaces and who provides them", ipc_list},
    {"ipc describe", "INTERFACE", "methods and events of an interface", ipc_describe},
    {"ipc call", "INTERFACE METHOD [JSON]", "call a method by hand", ipc_call},
    {"ipc watch", "INTERFACE [TOPIC]", "print events as they come", ipc_watch},
    {0},
};
