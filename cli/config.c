/* What becomes of a candidate: diff, validate, commit, confirm, rollback, history. */
#include <string.h>
#include <time.h>

#include "cli/config.h"
#include "cli/config_commit.h"
#include "cli/table.h"
#include "core/base/json_write.h"
#include "core/base/own.h"

static void print_changes(const json_t *tree)
{
    json_t *change;
    size_t i;

    json_array_foreach (json_object_get(tree, "changes"), i, change) {
        const json_t *value = json_object_get(change, "value"),
                     *old = json_object_get(change, "old");
        AUTO(buf) struct buf to = {0}, from = {0};

        if (old)
            table_plain(old, &from);
        if (value)
            table_plain(value, &to);
        if (old)
            out("- %s %s\n", table_text(change, "path"), buf_str(&from));
        if (value)
            out("+ %s %s\n", table_text(change, "path"), buf_str(&to));
        if (!old && !value)
            out("- %s\n", table_text(change, "path"));
    }
    if (json_is_true(json_object_get(tree, "truncated")))
        out("… the first %zu of %lld changes; `config show --candidate` shows all\n", i,
            table_number(tree, "count"));
}

static int config_diff(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    long from = 0, to = 0;
    int r = cli_words(cli, argc, argv, err);
    struct json_write w = json_write_to(&input);

    if (r == 0 && argc > 0)
        r = cli_number(argv[0], "revision", 0, 1000000000, &from, err);
    if (r == 0 && argc > 1)
        r = cli_number(argv[1], "revision", 0, 1000000000, &to, err);
    if (r < 0)
        return r;
    json_write_object(&w, NULL);
    if (argc > 0)
        json_write_integer(&w, "from", from);
    if (argc > 1)
        json_write_integer(&w, "to", to);
    json_write_end(&w);
    r = cli_fetch(cli, "config@1", "diff", buf_str(&input), &tree, err);
    if (r < 0 || !tree)
        return r;
    if (r == 0)
        print_changes(tree);
    return r;
}

static int config_validate(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(json_t) json_t *tree = NULL;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_fetch(cli, "config@1", "validate", NULL, &tree, err);
    if (r < 0 || !tree)
        return r;
    if (r == 0)
        out("valid; %lld change%s\n", table_changes(tree), table_plural(table_changes(tree)));
    return r;
}

static int simple(struct cli *cli, const char *method, const char *input, const char *done,
                  int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_call(cli, "config@1", method, input, &text, err);
    if (r == 0 && !cli_print_json(cli, buf_str(&text)))
        out("%s\n", done);
    return r;
}

static int config_confirm(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return simple(cli, "confirm", NULL, "confirmed", argc, argv, err);
}

static int config_discard(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return simple(cli, "discard", NULL, "the candidate is empty", argc, argv, err);
}

static int config_lock(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return simple(cli, "lock", NULL, "locked", argc, argv, err);
}

static int config_unlock(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    struct json_write w = json_write_to(&input);

    json_write_object(&w, NULL);
    if (cli_flag(&argc, argv, "--force"))
        json_write_boolean(&w, "force", true);
    json_write_end(&w);
    return simple(cli, "unlock", buf_str(&input), "unlocked", argc, argv, err);
}

static int config_rollback(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    long n = 0;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_number(argv[0], "N", 0, 1000000, &n, err);
    if (r < 0)
        return r;
    cli_pair_number(&input, "n", n);
    r = cli_fetch(cli, "config@1", "rollback", buf_str(&input), &tree, err);
    if (r < 0 || !tree)
        return r;
    if (r == 0)
        out("%lld change%s in the candidate; `orbctl config commit` makes it running\n",
            table_changes(tree), table_plural(table_changes(tree)));
    return r;
}

static int config_history(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const char *const titles[] = {"REVISION", "TIME", "USER", "STATE", "CHANGES", "COMMENT"};
    AUTO(json_t) json_t *tree = NULL;
    struct table t;
    const char *limit = cli_option(&argc, argv, "--limit");
    AUTO(buf) struct buf input = {0};
    json_t *e;
    size_t i;
    long n = 50;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0 && limit)
        r = cli_number(limit, "--limit", 1, 500, &n, err);
    cli_pair_number(&input, "limit", n);
    if (r == 0)
        r = cli_fetch(cli, "config@1", "history", buf_str(&input), &tree, err);
    if (r < 0 || !tree)
        return r;
    table_start(&t, 6, titles);
    json_array_foreach (json_object_get(tree, "entries"), i, e) {
        long long when = table_number(e, "time");
        long long s = when > 100000000000 ? when / 1000000 : when; /* µs or s */
        char stamp[32];

        table_time(s, TIME_FULL, stamp, sizeof(stamp));
        table_cell(&t, "%lld", table_number(e, "revision"));
        table_cell(&t, "%s", stamp);
        table_cell(&t, "%s", table_text(e, "user"));
        table_cell(&t, "%s", table_text(e, "state"));
        table_cell(&t, "%lld", table_changes(e));
        table_cell(&t, "%s", table_text(e, "comment"));
    }
    table_print(&t);
    return 0;
}

const struct command config_commands[] = {
    {"service enable", "SERVICE", "run a service from now on (commits /services/NAME/enabled)",
     config_edit_enable},
    {"service disable", "SERVICE", "do not run it, also after a restart", config_edit_disable},
    {"config show", "[PATH...] [--format tree|set|json] [--candidate] [--revision REVISION]",
     "the running configuration", config_show},
    {"config set", "PATH... VALUE", "set a value in your candidate (a list gets one more)",
     config_edit_set},
    {"config delete", "PATH... [VALUE]", "delete from your candidate (VALUE: one of a list)",
     config_edit_delete},
    {"config load", "FILE [--merge|--replace]", "load a JSON file into your candidate (- stdin)",
     config_edit_load},
    {"config diff", "[REVISION [REVISION]]", "candidate against running, or two revisions",
     config_diff},
    {"config validate", "", "check the candidate, change nothing", config_validate},
    {"config commit", "[--confirm SECONDS] [--comment TEXT] [--dry-run]",
     "make the candidate running, atomically", config_commit_commit},
    {"config cancel", "", "end your commit that is not being applied yet", config_commit_cancel},
    {"config confirm", "", "keep what a commit --confirm made", config_confirm},
    {"config discard", "", "forget your candidate", config_discard},
    {"config rollback", "COMMITS", "load the revision so many commits ago into your candidate",
     config_rollback},
    {"config history", "[--limit COUNT]", "who committed what, when", config_history},
    {"config salvage", "[--accept]",
     "show damage of the datastore; --accept: continue with what is left", config_salvage},
    {"config lock", "", "keep all others from committing", config_lock},
    {"config unlock", "[--force]",
     "let others commit again; --force: also a lock of another session", config_unlock},
    {0},
};
