/* See trials.h. */
#include "test/fuzz/trials.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/utf8.h"
#include "core/json/scan.h"
#include "test/fuzz/bounds.h"

#define SOME 65536 /* headings, and the words of a usage */
#define EACH 512   /* of one byte: a line of its own, indented as deep as JSON may be */

/* Written apart from cli/out.c: what may never come out. */
static void check_bytes(const unsigned char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t n = p[i] < 0x80 ? 1 : utf8_len((const char *)p + i, len - i);

        must(n && (p[i] >= 0x20 || p[i] == '\n' || p[i] == '\t') && p[i] != 0x7f, "a control byte");
        must(p[i] != 0xc2 || p[i + 1] >= 0xa0, "a control character of C1");
        must(p[i] != 0xe2 || p[i + 1] != 0x80 || p[i + 2] < 0x8b || p[i + 2] > 0xae ||
                 (p[i + 2] >= 0x90 && p[i + 2] <= 0xa7), /* U+200B-200F, U+2028-202E */
             "a character that is not seen, or turns the text around");
        must(p[i] != 0xe2 || p[i + 1] != 0x81 || p[i + 2] < 0xa0 || p[i + 2] > 0xaf,
             "a character that is not seen");
        must((p[i] != 0xd8 || p[i + 1] != 0x9c) && (p[i] != 0xf3 || p[i + 1] != 0xa0),
             "a mark of direction, or a tag");
        i += n - 1;
    }
}

/* one: a single JSON value, or nothing. */
static void check_output(const char *text, size_t len, bool one, size_t size)
{
    static const struct json_limits limits = {.depth = JSON_MAX_DEPTH + 2,
                                              .keys = JSON_MAX_TREE_KEYS};

    must_fit(len, SOME, EACH, size);
    check_bytes((const unsigned char *)text, len);
    must(!one || !len || scan_json(text, len, &limits, NULL) == 0, "no JSON, or more than one");
}

#define GIVEN 8
struct trial {
    const struct command *table;
    const char *words; /* of that table */
    const char *given[GIVEN];
    bool lines; /* no JSON, or a value a line */
};

static const struct trial trials[] = {
    {show_commands, "show firewall", {0}},
    {show_commands, "show dataplane", {0}},
    {show_commands, "show interfaces", {0}},
    {show_commands, "show routes", {0}},
    {show_commands, "show system", {0}},
    {show_commands, "show boot", {0}},
    {firewall_commands,
     "firewall test",
     {"--from", "a", "--source", "1.2.3.4", "--destination", "1.2.3.5", "--protocol", "6"}},
    {firewall_commands, "show firewall flows", {0}},
    {service_commands, "show services", {0}},
    {service_commands, "service show", {"a"}},
    {service_commands, "service show", {"a", "crashes"}},
    {service_commands, "metrics", {0}},
    {config_commands, "config show", {0}},
    {config_commands, "config show", {"--format", "set"}, true},
    {config_commands, "config diff", {0}},
    {config_commands, "config validate", {0}},
    {config_commands, "config commit", {"--dry-run"}},
    {config_commands, "config history", {0}},
    {config_commands, "config salvage", {0}},
    {config_commands, "config set", {"a", "1"}},
    {ipc_commands, "ipc list", {0}},
    {ipc_commands, "ipc describe", {"a"}},
    {ipc_commands, "ipc call", {"a", "b"}},
    {ipc_commands, "ipc watch", {"a"}, true},
    {admin_commands, "token list", {0}},
    {admin_commands, "token create", {"a", "viewer"}},
    {health_commands, "show health", {0}},
    {logs_commands, "logs", {"-n", "5"}, true},
    {logs_commands, "logs", {"-o", "full"}, true},
    {logs_commands, "logs", {"--list-boots"}, true},
    {crashes_commands, "crashes", {"a"}},
    {complete_commands, "complete", {"service", "stop", ""}, true},
    {complete_commands, "complete", {"config", "set", "/"}, true},
    {complete_commands, "complete", {"--line", "x ipc call a "}, true},
};

static int run(const struct trial *trial, struct cli *cli, struct orb_err *err)
{
    char words[GIVEN][16], *argv[GIVEN + 1] = {NULL};
    const struct command *c = trial->table;
    int argc = 0;

    while (strcmp(c->words, trial->words))
        if (!(++c)->words)
            abort();
    for (; argc < GIVEN && trial->given[argc]; argc++) {
        snprintf(words[argc], sizeof(words[argc]), "%s", trial->given[argc]);
        argv[argc] = words[argc];
    }
    return cli_run(cli, c, argc, argv, err);
}

/* What the command writes, and its error when it fails. */
static void watch(const struct trial *trial, struct cli *cli, FILE *screen, FILE *complaints)
{
    FILE *real_out = stdout, *real_err = stderr;
    struct orb_err err = {0};

    stdout = screen;
    stderr = complaints;
    if (run(trial, cli, &err) < 0)
        cli_refused(cli, &err);
    stdout = real_out;
    stderr = real_err;
}

void trial_run(unsigned n, struct cli *cli, size_t size)
{
    const struct trial *trial = &trials[n % ARRAY_LEN(trials)];
    char *text[2] = {NULL};
    size_t len[2] = {0};
    FILE *memory[2];

    for (int i = 0; i < 2; i++)
        must((memory[i] = open_memstream(&text[i], &len[i])) != NULL, "no memory");
    watch(trial, cli, memory[0], memory[1]);
    for (int i = 0; i < 2; i++) {
        fclose(memory[i]);
        check_output(text[i], len[i], cli->json && !trial->lines && i == 0, size);
        free(text[i]);
    }
}
