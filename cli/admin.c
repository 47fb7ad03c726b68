/* Tokens, whoami, and the switch of the fast path. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/table.h"
#include "core/base/json_write.h"
#include "core/base/own.h"

static int whoami(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_call(cli, "auth@1", "whoami", NULL, &text, err);
    if (r < 0 || cli_print_json(cli, buf_str(&text)))
        return r;
    out("%s (%s)\n", cli->client.user, cli->client.role);
    return 0;
}

/* 12h, 90d, never in seconds. */
static int lifetime_parse(const char *text, long *ret_s, struct orb_err *err)
{
    char *unit = NULL;
    long n = strtol(text, &unit, 10);

    *ret_s = 0;
    if (!strcmp(text, "never"))
        return 0;
    if (n < 1 || n > 9999 || (strcmp(unit, "h") && strcmp(unit, "d")) ||
        !isdigit((unsigned char)*text))
        return orb_fail(err, ORB_E_INVALID,
                        "--expires: expected hours or days such as 12h or 90d (at most 3650d), or "
                        "never; got \"%.40s\"",
                        text);
    *ret_s = n * (*unit == 'h' ? 3600 : 86400);
    if (*ret_s > 3650L * 86400)
        return orb_fail(err, ORB_E_INVALID, "--expires: at most 3650d; got \"%.40s\"", text);
    return 0;
}

static int token_create(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0};
    AUTO(json_t) json_t *tree = NULL;
    struct json_write w = json_write_to(&input);
    const char *expires = cli_option(&argc, argv, "--expires");
    long lifetime_s = 0;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0 && expires)
        r = lifetime_parse(expires, &lifetime_s, err);
    if (r < 0)
        return r;
    json_write_object(&w, NULL);
    json_write_string(&w, "name", argv[0]);
    json_write_string(&w, "role", argv[1]);
    if (expires)
        json_write_integer(&w, "expires-s", lifetime_s);
    json_write_end(&w);
    r = cli_fetch(cli, "auth@1", "token-create", buf_str(&input), &tree, err);
    if (r < 0 || !tree)
        return r;
    if (r == 0)
        out("%s\n", table_text(tree, "token"));
    return r;
}

static void expiry_cell(struct table *t, const json_t *token)
{
    long long at_us = table_number(token, "expires-us");
    char when[40];

    table_time(at_us / 1000000, TIME_FULL, when, sizeof(when));
    table_cell(t, "%s%s", json_is_true(json_object_get(token, "expired")) ? "expired " : "",
               at_us ? when : "never");
}

static int token_list(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    static const char *const titles[] = {"NAME", "ROLE", "EXPIRES"};
    AUTO(json_t) json_t *tree = NULL;
    struct table t;
    json_t *e;
    size_t i;
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_fetch(cli, "auth@1", "token-list", NULL, &tree, err);
    if (r < 0 || !tree)
        return r;
    table_start(&t, 3, titles);
    json_array_foreach (json_object_get(tree, "tokens"), i, e) {
        table_cell(&t, "%s", table_text(e, "name"));
        table_cell(&t, "%s", table_text(e, "role"));
        expiry_cell(&t, e);
    }
    table_print(&t);
    return 0;
}

static int token_revoke(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    AUTO(buf) struct buf input = {0}, text = {0};
    int r = cli_words(cli, argc, argv, err);

    if (r < 0)
        return r;
    cli_pair(&input, "name", argv[0]);
    r = cli_call(cli, "auth@1", "token-revoke", buf_str(&input), &text, err);
    if (r == 0)
        cli_print_json(cli, buf_str(&text));
    return r;
}

static int fast_path(struct cli *cli, const char *method, int argc, char **argv,
                     struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r = cli_words(cli, argc, argv, err);

    if (r == 0)
        r = cli_call(cli, "dataplane@1", method, NULL, &text, err);
    if (r == 0)
        cli_print_json(cli, buf_str(&text));
    return r;
}

static int dataplane_enable(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return fast_path(cli, "enable", argc, argv, err);
}

static int dataplane_disable(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    return fast_path(cli, "disable", argc, argv, err);
}

/* false: the user at the terminal declined; without a terminal --yes is required. */
static bool is_sure(const char *question)
{
    char answer[16] = "";

    if (!isatty(STDIN_FILENO))
        return false;
    out_err("%s [y/N] ", question);
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int dataplane_detach(struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    bool yes = cli_flag(&argc, argv, "--yes");
    AUTO(buf) struct buf text = {0};
    int r = cli_words(cli, argc, argv, err);

    if (r < 0)
        return r;
    if (!yes && !is_sure("From then on nothing is filtered, translated or forwarded. Detach?"))
        return orb_fail(err, ORB_E_STATE,
                        "nothing was detached; without a terminal --yes is required");
    r = cli_call(cli, "dataplane@1", "detach", NULL, &text, err);
    if (r == 0)
        cli_print_json(cli, buf_str(&text));
    return r;
}

const struct command admin_commands[] = {
    {"dataplane detach", "[--yes]", "take filter, fast path and settings away from the kernel",
     dataplane_detach},
    {"dataplane disable", "", "fast path off; nftables alone enforces", dataplane_disable},
    {"dataplane enable", "", "fast path on again; after detach: everything", dataplane_enable},
    {"token create", "NAME metrics|viewer|operator|admin [--expires LIFETIME]",
     "make an API token; shown once", token_create},
    {"token list", "", "names, roles and expiry of the tokens", token_list},
    {"token revoke", "TOKEN", "revoke a token at once", token_revoke},
    {"whoami", "", "who you are to the daemon", whoami},
    {0},
};
