/* Commands of orbctl with a daemon that answers anything: the first byte chooses the command and
 * how it prints, the second whether the daemon answers or refuses, the rest is its text. Whatever
 * that is, no byte of the output acts on a terminal, with --json the output is JSON, and neither
 * time nor output are out of proportion. */
#include <stdlib.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "core/base/own.h"
#include "core/json/scan.h"
#include "test/fuzz/bounds.h"
#include "test/fuzz/trials.h"

#define CALLS 8 /* a command that repeats its request gets no more answers */
#define MOST_MS 400.0

int client_send(struct client *c, const char *to, const char *method, struct orb_err *err)
{
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The daemon's words, found by way of the client's in-buffer; corr counts the calls. */

int ask_open(struct client *c, const char *socket_path, unsigned wait_ms, struct orb_err *err)
{
    return 0;
}

void client_close(struct client *c)
{
}

int ask_call(struct client *c, const char *to, const char *method, const char *input,
             struct buf *ret_text, struct orb_err *err)
{
    if (c->broken || c->next_corr++ >= CALLS)
        return orb_fail_at(err, ORB_E_GONE, buf_str(&c->wire.in), "%s", buf_str(&c->wire.in));
    buf_clear(ret_text);
    buf_add(ret_text, c->wire.in.data, c->wire.in.len);
    return 0;
}

int ask_call_tree(struct client *c, const char *to, const char *method, const char *input,
                  json_t **ret_tree, struct orb_err *err)
{
    static const struct json_limits limits = {.depth = JSON_MAX_DEPTH, .keys = JSON_MAX_TREE_KEYS};
    AUTO(buf) struct buf text = {0};
    int r = ask_call(c, to, method, input, &text, err);

    return r < 0 ? r : tree_parse(buf_str(&text), text.len, &limits, ret_tree, err);
}

int client_watch(struct client *c, const char *interface, const char *topic,
                 int (*on_event)(void *arg, const char *topic, const char *text, size_t len),
                 void *arg, struct orb_err *err)
{
    on_event(arg, buf_str(&c->wire.in), buf_str(&c->wire.in), c->wire.in.len);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cli cli = {.open = true};
    struct client *c = &cli.client;
    double before = cpu_ms();

    if (size < 3)
        return 0;
    cli.json = data[0] & 0x80;
    c->broken = data[1] & 1;
    buf_add(&c->wire.in, data + 2, size - 2);
    snprintf(c->user, sizeof(c->user), "%s", buf_str(&c->wire.in));
    /* The broker lets only JSON through as an answer; the text of an error is arbitrary. */
    if (c->broken || scan_json(c->wire.in.data, c->wire.in.len, NULL, NULL) == 0)
        trial_run(data[0] & 0x7f, &cli, size);
    buf_fini(&c->wire.in);
    must_end(before, MOST_MS, size);
    return 0;
}
