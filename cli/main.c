/* orbctl: finds the command in the table, runs it, prints one error sentence. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/grammar.h"
#include "core/base/own.h"
#include "core/base/suggest.h"

#define DEFAULT_WAIT_S 10
#define DEFAULT_SOCKET "/run/orbital/control.sock"

static const char head[] =
    "orbctl - operate an Orbital appliance\n"
    "\n"
    "usage: orbctl [--socket PATH] [--wait SECONDS] [--json] COMMAND...\n"
    "\n"
    "A PATH is words (firewall rules 10 action) or a JSON pointer (/firewall/rules/10/action).\n"
    "\n";

static const char tail[] =
    "\n"
    "Options: --socket PATH (or $ORBITAL_SOCKET; " DEFAULT_SOCKET "), --json (the reply as JSON),\n"
    "--wait SECONDS (for a daemon or service that is being started, 10; 0 fails at once),\n"
    "--version, --help.\n"
    "Exit status: 0 done, 2 wrong command line or request, 3 does not fit the schema, 4 not "
    "found,\n"
    "5 not allowed, 6 conflict or locked, 7 a service refused, 8 no answer, 9 a limit, 10 system,\n"
    "11 internal.\n";

static void help(void)
{
    out_lines(head);
    for (unsigned i = 0; grammar_tables[i]; i++) {
        for (const struct command *c = grammar_tables[i]; c->words; c++) {
            AUTO_FREE char *left = buf_format("%s %s", c->words, c->arguments);

            if (strlen(left) > 42)
                out("  %s\n  %-42s  %s\n", left, "", c->help);
            else
                out("  %-42s  %s\n", left, c->help);
        }
    }
    out_lines(tail);
}

/* Help for the commands that begin with these words, or are a prefix of them. */
static void command_help(int argc, char **argv)
{
    AUTO(buf) struct buf words = {0};
    unsigned shown = 0;

    for (int i = 0; i < argc && argv[i][0] != '-'; i++)
        buf_addf(&words, "%s ", argv[i]);
    for (unsigned i = 0; grammar_tables[i]; i++)
        for (const struct command *c = grammar_tables[i]; c->words; c++) {
            AUTO_FREE char *own = buf_format("%s ", c->words);
            size_t n = strlen(own) < words.len ? strlen(own) : words.len;

            if (!n || strncmp(own, buf_str(&words), n))
                continue;
            out("orbctl %s%s%s\n    %s\n", c->words, *c->arguments ? " " : "", c->arguments,
                c->help);
            shown++;
        }
    if (!shown)
        help();
}

static int unknown(int argc, char **argv, struct orb_err *err)
{
    const char *names[128];
    AUTO(buf) struct buf given = {0}, group = {0};
    size_t count = 0;
    const char *near;

    if (argv[0][0] == '-')
        return orb_fail(err, ORB_E_INVALID,
                        "option \"%s\" is unknown or lacks its value; expected --socket PATH, "
                        "--wait SECONDS, --json, --version or --help, then a command",
                        argv[0]);
    for (int i = 0; i < argc && i < 2; i++)
        buf_addf(&given, "%s%s", i ? " " : "", argv[i]);
    for (unsigned i = 0; grammar_tables[i]; i++)
        for (const struct command *c = grammar_tables[i]; c->words; c++) {
            if (count < ARRAY_LEN(names))
                names[count++] = c->words;
            if (!strncmp(c->words, argv[0], strlen(argv[0])) && c->words[strlen(argv[0])] == ' ')
                buf_addf(&group, "%s%s", group.len ? ", " : "", c->words + strlen(argv[0]) + 1);
        }
    near = suggest_nearest(buf_str(&given), names, count);
    if (group.len)
        return orb_fail(err, ORB_E_INVALID, "\"%s\": expected %s followed by one of: %s%s%s%s",
                        buf_str(&given), argv[0], buf_str(&group), SUGGEST_ARGS(near));
    return orb_fail(err, ORB_E_INVALID, "unknown command \"%s\"%s%s%s; `orbctl --help` lists all",
                    buf_str(&given), SUGGEST_ARGS(near));
}

/* Exit status of what only prints. */
static int printed(void)
{
    if (out_flush())
        return 0;
    out_err("orbctl: the output could not be written\n");
    return orb_code_exit(ORB_E_IO);
}

static int set_wait(struct cli *cli, const char *text, struct orb_err *err)
{
    long seconds;
    int r = cli_number(text, "--wait", 0, 86400, &seconds, err);

    if (r == 0) {
        cli->wait_ms = (unsigned)seconds * 1000;
        cli->wait_given = true;
    }
    return r;
}

int main(int argc, char **argv)
{
    struct cli cli = {
        .socket = getenv("ORBITAL_SOCKET"), .wait_ms = DEFAULT_WAIT_S * 1000, .client.wire.fd = -1};
    struct orb_err err = {0};
    const struct command *command;
    const char *value;
    bool shows_help;
    int words, r;

    argc--;
    argv++;
    cli.json = cli_flag(&argc, argv, "--json");
    value = cli_option(&argc, argv, "--wait");
    if (value && (r = set_wait(&cli, value, &err)) < 0)
        return cli_refused(&cli, &err);
    value = cli_option(&argc, argv, "--socket");
    if (value)
        cli.socket = value;
    if (!cli.socket || !*cli.socket)
        cli.socket = DEFAULT_SOCKET;
    if (argc && !strcmp(argv[0], "--version")) {
        out("orbctl " ORBITAL_VERSION "\n");
        return printed();
    }
    shows_help = cli_flag(&argc, argv, "--help") || cli_flag(&argc, argv, "-h");
    if (argc && !strcmp(argv[0], "help")) {
        shows_help = true;
        cli_take_out(&argc, argv, 0, 1);
    }
    if (shows_help) {
        command_help(argc, argv);
        return printed();
    }
    if (!argc) {
        help();
        return 2;
    }
    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], "--")) { /* end of options */
            cli_take_out(&argc, argv, i, 1);
            break;
        }
    command = grammar_find(argc, argv, &words);
    r = command ? cli_run(&cli, command, argc - words, argv + words, &err)
                : unknown(argc, argv, &err);
    client_close(&cli.client);
    if (!out_flush() && r == 0)
        r = orb_fail(&err, ORB_E_IO, "the output could not be written");
    if (r >= 0)
        return cli.status;
    return cli_refused(&cli, &err);
}
