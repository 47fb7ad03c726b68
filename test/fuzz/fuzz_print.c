/* Commands of orbctl with a daemon that says anything: the first byte chooses the command and how
 * it prints, the second whether the daemon answers or refuses, the rest is what it says. Whatever
 * that is, no byte of the output acts on a terminal, and with --json the output is JSON. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "core/base/own.h"
#include "core/json/scan.h"

#define CALLS 8          /* a command that asks again and again gets no more answers */
#define OUTPUT (4 << 20) /* bytes for an input of libFuzzer's 4 KB: more would be a loop */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The daemon's words, found by way of the client's in-buffer; corr counts the calls. */

int client_open(struct client *c, const char *socket_path, unsigned wait_ms, struct orb_err *err)
{
    return 0;
}

void client_close(struct client *c)
{
}

int client_call(struct client *c, const char *to, const char *method, const char *input,
                struct buf *ret_text, struct orb_err *err)
{
    if (c->broken || c->next_corr++ >= CALLS)
        return orb_fail_at(err, ORB_E_GONE, buf_str(&c->in), "%s", buf_str(&c->in));
    buf_clear(ret_text);
    buf_add(ret_text, c->in.data, c->in.len);
    return 0;
}

int client_call_tree(struct client *c, const char *to, const char *method, const char *input,
                     json_t **ret_tree, struct orb_err *err)
{
    static const struct json_limits limits = {.depth = JSON_MAX_DEPTH, .keys = JSON_MAX_TREE_KEYS};
    AUTO(buf) struct buf text = {0};
    int r = client_call(c, to, method, input, &text, err);

    return r < 0 ? r : tree_parse(buf_str(&text), text.len, &limits, ret_tree, err);
}

int client_watch(struct client *c, const char *interface, const char *topic,
                 int (*on_event)(void *arg, const char *topic, const char *text, size_t len),
                 void *arg, struct orb_err *err)
{
    on_event(arg, buf_str(&c->in), buf_str(&c->in), c->in.len);
    return 0;
}

/* Written apart from cli/out.c: what may never come out. */
static void check_bytes(const unsigned char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        size_t n = p[i] < 0x80 ? 1 : utf8_len((const char *)p + i, len - i);

        if (!n || (p[i] < 0x20 && p[i] != '\n' && p[i] != '\t') || p[i] == 0x7f)
            abort();
        if (p[i] == 0xc2 && p[i + 1] < 0xa0) /* C1 */
            abort();
        if (p[i] == 0xe2 && p[i + 1] == 0x80 && p[i + 2] >= 0x8b && p[i + 2] <= 0xae &&
            !(p[i + 2] >= 0x90 && p[i + 2] <= 0xa7)) /* U+200B-200F, U+2028-202E */
            abort();
        if (p[i] == 0xe2 && p[i + 1] == 0x81 && p[i + 2] >= 0xa0 && p[i + 2] <= 0xaf)
            abort();
        if ((p[i] == 0xd8 && p[i + 1] == 0x9c) || (p[i] == 0xf3 && p[i + 1] == 0xa0))
            abort();
        i += n - 1;
    }
}

/* one: a single JSON value, or nothing. */
static void check_output(const char *text, size_t len, bool one)
{
    static const struct json_limits limits = {.depth = JSON_MAX_DEPTH + 2,
                                              .keys = JSON_MAX_TREE_KEYS};

    if (len > OUTPUT)
        abort();
    check_bytes((const unsigned char *)text, len);
    if (one && len && json_scan(text, len, &limits, NULL) < 0)
        abort();
}

struct trial {
    const struct command *table;
    const char *words; /* of that table */
    const char *given[3];
    bool lines; /* no JSON, or a value a line */
};

static const struct trial trials[] = {
    {show_commands, "show firewall", {0}},
    {show_commands, "show dataplane", {0}},
    {show_commands, "show interfaces", {0}},
    {show_commands, "show routes", {0}},
    {show_commands, "show system", {0}},
    {show_commands, "show boot", {0}},
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
    {logs_commands, "crashes", {"a"}},
};

static int run(const struct trial *trial, struct cli *cli, struct orb_err *err)
{
    char words[3][16], *argv[4] = {NULL};
    const struct command *c = trial->table;
    int argc = 0;

    while (strcmp(c->words, trial->words))
        if (!(++c)->words)
            abort();
    for (; argc < 3 && trial->given[argc]; argc++) {
        snprintf(words[argc], sizeof(words[argc]), "%s", trial->given[argc]);
        argv[argc] = words[argc];
    }
    return c->run(cli, argc, argv, err);
}

/* What the command writes, and what it says when it fails. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cli cli = {.open = true};
    struct client *c = &cli.client;
    const struct trial *trial;
    char *text[2] = {NULL};
    size_t len[2] = {0};
    FILE *memory[2];

    if (size < 3)
        return 0;
    trial = &trials[(data[0] & 0x7f) % ARRAY_LEN(trials)];
    cli.json = data[0] & 0x80;
    c->broken = data[1] & 1;
    buf_add(&c->in, data + 2, size - 2);
    snprintf(c->user, sizeof(c->user), "%s", buf_str(&c->in));
    /* The broker lets only JSON through as an answer; the text of an error is what it likes. */
    if (c->broken || json_scan(c->in.data, c->in.len, NULL, NULL) == 0) {
        for (int i = 0; i < 2; i++)
            if (!(memory[i] = open_memstream(&text[i], &len[i])))
                abort();
        watch(trial, &cli, memory[0], memory[1]);
        for (int i = 0; i < 2; i++) {
            fclose(memory[i]);
            check_output(text[i], len[i], cli.json && !trial->lines && i == 0);
            free(text[i]);
        }
    }
    buf_fini(&c->in);
    return 0;
}
