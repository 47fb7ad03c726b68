/* `config salvage`: shows damage of the datastore and what can be recovered, and accepts continuing
 * with the rest. */
#include <string.h>
#include <time.h>

#include "cli/config.h"
#include "cli/table.h"
#include "core/base/own.h"

static void print_findings(const json_t *tree)
{
    json_t *finding;
    size_t i;

    json_array_foreach (json_object_get(tree, "findings"), i, finding) {
        out("%s, byte %lld: %s\n", table_text(finding, "file"), table_number(finding, "byte"),
            table_text(finding, "text"));
    }
}

static void print_records(const json_t *tree)
{
    static const char *const titles[] = {"FILE", "BYTE",  "REVISION", "TIME",
                                         "USER", "STATE", "CHANGES",  "COMMENT"};
    const json_t *records = json_object_get(tree, "records");
    struct table t;
    json_t *e;
    size_t i;

    if (!json_array_size(records))
        return;
    out("\nrecords that can be read:\n");
    table_start(&t, 8, titles);
    json_array_foreach ((json_t *)records, i, e) {
        long long when = table_number(e, "time");
        char stamp[32] = "";

        if (when)
            table_time(when, TIME_FULL, stamp, sizeof(stamp));
        table_cell(&t, "%s", table_text(e, "file"));
        table_cell(&t, "%lld", table_number(e, "byte"));
        table_cell(&t, "%lld", table_number(e, "revision"));
        table_cell(&t, "%s", stamp);
        table_cell(&t, "%s", table_text(e, "user"));
        table_cell(&t, "%s", table_text(e, "state"));
        table_cell(&t, "%lld", table_number(e, "changes"));
        table_cell(&t, "%s", table_text(e, "comment"));
    }
    table_print(&t);
    if (table_number(tree, "records-left-out"))
        out("… and %lld more\n", table_number(tree, "records-left-out"));
}

/* What `--accept` would do now, in one sentence. */
static const char *consequence(const char *state)
{
    if (!strcmp(state, "repaired"))
        return "Nothing was lost. `orbctl config salvage --accept`, or the next commit, moves the "
               "configuration to files that are whole.";
    if (!strcmp(state, "damaged"))
        return "It runs, and no commit is taken: newer revisions may be lost. Put the files back "
               "and `orbctl service restart config`, or go on with this one by `orbctl config "
               "salvage --accept`.";
    if (!strcmp(state, "held"))
        return "It is handed to no service; the kernel stays as it is. `orbctl config show` shows "
               "it. Put the files back and `orbctl service restart config`, or bring the kernel to "
               "this one by `orbctl config salvage --accept`.";
    return "The datastore is whole.";
}

static int show(struct cli *cli, struct orb_err *err)
{
    AUTO(json_t) json_t *tree = NULL;
    const char *state;
    int r = cli_fetch(cli, "config@1", "salvage", NULL, &tree, err);

    if (r < 0 || !tree)
        return r;
    state = table_text(tree, "state");
    if (strcmp(state, "whole")) {
        out("%s\n", table_text(tree, "text"));
        print_findings(tree);
        print_records(tree);
        out("\n");
    }
    out("revision %lld%s. %s\n", table_number(tree, "revision"),
        strcmp(state, "held") ? " runs" : " is stored", consequence(state));
    return 0;
}

static int accept(struct cli *cli, struct orb_err *err)
{
    AUTO(json_t) json_t *tree = NULL;
    int r = cli_fetch(cli, "config@1", "salvage-accept", NULL, &tree, err);

    if (r < 0 || !tree)
        return r;
    if (table_number(tree, "from") == table_number(tree, "revision"))
        out("revision %lld is in files that are whole\n", table_number(tree, "revision"));
    else
        out("what was left of revision %lld is revision %lld; the services are brought to it\n",
            table_number(tree, "from"), table_number(tree, "revision"));
    return 0;
}

int config_salvage(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    bool accepted = cli_flag(&argc, argv, "--accept");
    int r = cli_words(cli, argc, argv, err);

    if (r < 0)
        return r;
    return accepted ? accept(cli, err) : show(cli, err);
}
