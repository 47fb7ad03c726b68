/* Shared by all commands: options and arguments, and calls of the daemon. */
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/grammar.h"
#include "core/base/json_write.h"
#include "core/base/own.h"

static int ensure(struct cli *cli, struct orb_err *err)
{
    int r;

    if (cli->open)
        return 0;
    r = ask_open(&cli->client, cli->socket, cli->wait_ms, err);
    cli->open = r == 0;
    return r;
}

int cli_call(struct cli *cli, const char *to, const char *method, const char *input,
             struct buf *ret_text, struct orb_err *err)
{
    int r = ensure(cli, err);

    return r < 0 ? r : ask_call(&cli->client, to, method, input, ret_text, err);
}

int cli_tree(struct cli *cli, const char *to, const char *method, const char *input,
             json_t **ret_tree, struct orb_err *err)
{
    int r = ensure(cli, err);

    return r < 0 ? r : ask_call_tree(&cli->client, to, method, input, ret_tree, err);
}

int cli_fetch(struct cli *cli, const char *to, const char *method, const char *input,
              json_t **ret_tree, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r = cli_call(cli, to, method, input, &text, err);

    if (r < 0 || cli_print_json(cli, buf_str(&text)))
        return r;
    return tree_parse(buf_str(&text), text.len, NULL, ret_tree, err);
}

bool cli_print_json(const struct cli *cli, const char *text)
{
    if (cli->json)
        out_json(text);
    return cli->json;
}

void cli_take_out(int *argc, char **argv, int at, int n)
{
    for (int i = at; i + n <= *argc; i++)
        argv[i] = i + n < *argc ? argv[i + n] : NULL;
    *argc -= n;
}

bool cli_flag(int *argc, char **argv, const char *name)
{
    for (int i = 0; i < *argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], name)) {
            cli_take_out(argc, argv, i, 1);
            return true;
        }
    return false;
}

const char *cli_option(int *argc, char **argv, const char *name)
{
    size_t len = strlen(name);

    for (int i = 0; i < *argc && strcmp(argv[i], "--"); i++) {
        const char *value;

        if (!strcmp(argv[i], name) && i + 1 < *argc) {
            value = argv[i + 1];
            cli_take_out(argc, argv, i, 2);
            return value;
        }
        if (!strncmp(argv[i], name, len) && argv[i][len] == '=') {
            value = argv[i] + len + 1;
            cli_take_out(argc, argv, i, 1);
            return value;
        }
    }
    return NULL;
}

int cli_run(struct cli *cli, const struct command *command, int argc, char **argv,
            struct orb_err *err)
{
    cli->command = command;
    return command->run(cli, argc, argv, err);
}

/* Words among which no option is left; what a value begins with is its own matter. */
static int checked(const char *arguments, int argc, int min)
{
    struct grammar_item last;

    return argc > min && grammar_last(arguments, &last) && grammar_is(last.word, "VALUE") ? argc - 1
                                                                                          : argc;
}

int cli_words(const struct cli *cli, int argc, char **argv, struct orb_err *err)
{
    const struct command *c = cli->command;
    AUTO_FREE char *expected =
        buf_format("%s%s%s", c->words, *c->arguments ? " " : "", c->arguments);
    int min, max;

    grammar_count(c->arguments, &min, &max);
    for (int i = 0; i < checked(c->arguments, argc, min); i++)
        if (!strncmp(argv[i], "--", 2) && argv[i][2])
            return orb_fail(err, ORB_E_INVALID,
                            "option \"%s\" is unknown here or lacks its value; expected: %s",
                            argv[i], expected);
    if (argc < min)
        return orb_fail(err, ORB_E_INVALID, "missing argument; expected: %s", expected);
    if (max >= 0 && argc > max)
        return orb_fail(err, ORB_E_INVALID, "unexpected argument \"%s\"; expected: %s", argv[max],
                        expected);
    return 0;
}

int cli_number(const char *text, const char *what, long min, long max, long *ret_number,
               struct orb_err *err)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (!*text || *end || n < min || n > max)
        return orb_fail(err, ORB_E_INVALID, "%s: expected a number from %ld to %ld; got \"%s\"",
                        what, min, max, text);
    *ret_number = n;
    return 0;
}

void cli_pair(struct buf *ret_json, const char *key, const char *value)
{
    struct json_write w = json_write_to(ret_json);

    json_write_object(&w, NULL);
    json_write_string(&w, key, value);
    json_write_end(&w);
}

void cli_pair_number(struct buf *ret_json, const char *key, long long value)
{
    struct json_write w = json_write_to(ret_json);

    json_write_object(&w, NULL);
    json_write_integer(&w, key, value);
    json_write_end(&w);
}

void cli_pointer(int argc, char **argv, struct buf *ret_pointer)
{
    size_t len = argc ? strlen(argv[0]) : 0;

    if (argc == 1 && argv[0][0] == '/') {
        if (argv[0][len - 1] == '/')
            argv[0][len - 1] = '\0';
        buf_adds(ret_pointer, argv[0]);
        return;
    }
    for (int i = 0; i < argc; i++)
        buf_add_pointer(ret_pointer, argv[i]);
}

int cli_refused(const struct cli *cli, const struct orb_err *err)
{
    if (cli->json) {
        AUTO(buf) struct buf b = {0};
        struct json_write w = json_write_to(&b);

        json_write_object(&w, NULL);
        json_write_error(&w, "error", err);
        json_write_end(&w);
        out_json(buf_str(&b));
    }
    out_err("orbctl: %s%s%s\n", err->path, err->path[0] ? ": " : "", err->text);
    return orb_code_exit(err->code);
}
