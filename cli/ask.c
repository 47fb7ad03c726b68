/* Waits for a daemon that is starting, and for a service that is not available yet, so that a
 * restart does not make a command fail. After a moment stderr shows what is waited for. Note: a
 * request whose connection broke may have been carried out, so only those that the contract calls
 * idempotent are repeated. */
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/client.h"
#include "cli/wait.h"
#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"

/* Connections that cannot be made now and may be in a moment. */
static bool may_come(const struct client *c, const struct orb_err *err)
{
    return err->code == ORB_E_UNAVAILABLE || err->code == ORB_E_BUSY || c->broken;
}

static int open_patiently(struct client *c, struct orb_err *err)
{
    int r;

    while ((r = client_connect(c, err)) < 0 && may_come(c, err)) {
        if (!c->wait_ms ||
            !wait_more(c, err->code == ORB_E_BUSY ? "orbitald has no room for a client"
                                                  : "orbitald does not listen"))
            return r;
        wait_rest();
    }
    return r;
}

int ask_open(struct client *c, const char *socket_path, unsigned wait_ms, struct orb_err *err)
{
    *c = (struct client){.wire.fd = -1,
                         .next_corr = 1,
                         .socket_path = socket_path,
                         .wait_ms = wait_ms,
                         .until_ms = c->until_ms,
                         .observer = c->observer,
                         .began_ms = now_ms()};
    return open_patiently(c, err);
}

static int ask_host(struct client *c, const char *method, const char *input, json_t **ret_tree)
{
    AUTO(buf) struct buf text = {0};
    struct orb_err err;
    int r = client_call_once(c, "host@1", method, input, &text, &err);

    return r < 0 ? r : tree_parse(buf_str(&text), text.len, NULL, ret_tree, &err);
}

/* Whether the daemon is starting. what: the present step. */
static bool is_starting(struct client *c, char *what, size_t size)
{
    AUTO(json_t) json_t *boot = NULL;
    const char *phase, *step;

    if (ask_host(c, "boot", NULL, &boot) < 0)
        return false;
    phase = json_string_value(json_object_get(boot, "phase"));
    step = json_string_value(json_object_get(boot, "step"));
    if (!phase || !strcmp(phase, "operational"))
        return false;
    if (step)
        snprintf(what, size, "orbitald is starting (%.40s)", step);
    else
        snprintf(what, size, "orbitald is starting (phase %.40s)", phase);
    return true;
}

/* State of the service behind an interface, as reported by the host: "" when unknown. */
static void state_of(struct client *c, const char *to, char *name, size_t name_size, char *state,
                     size_t state_size)
{
    AUTO(json_t) json_t *list = NULL;
    size_t i;
    json_t *s;

    name[0] = state[0] = '\0';
    if (ask_host(c, "services", NULL, &list) < 0)
        return;
    if (!strncmp(to, "service.", 8))
        to += 8;
    json_array_foreach (json_object_get(list, "services"), i, s) {
        const char *n = json_string_value(json_object_get(s, "name"));
        const char *is = json_string_value(json_object_get(s, "state"));

        if (!n || !is || strlen(n) != strcspn(to, "@") || strncmp(n, to, strlen(n)))
            continue;
        snprintf(name, name_size, "%s", n);
        snprintf(state, state_size, "%s", is);
    }
}

/* From the contract: 1, 0, or below 0 when there is none. */
static int is_idempotent(struct client *c, const char *to, const char *method)
{
    AUTO_FREE char *interface = xstrndup(to, strcspn(to, "@"));
    AUTO(buf) struct buf input = {0};
    struct json_write w = json_write_to(&input);
    AUTO(json_t) json_t *contract = NULL;
    json_t *m;
    size_t i;

    json_write_object(&w, NULL);
    json_write_string(&w, "interface", interface);
    json_write_end(&w);
    if (ask_host(c, "describe", buf_str(&input), &contract) < 0)
        return -1;
    json_array_foreach (json_object_get(contract, "methods"), i, m) {
        const char *name = json_string_value(json_object_get(m, "name"));

        if (name && !strcmp(name, method))
            return json_is_true(json_object_get(m, "idempotent"));
    }
    return 0;
}

/* The connection broke during a request: whether a daemon is available again, and the request may
 * be repeated. */
static bool ask_again(struct client *c, const char *to, const char *method)
{
    struct orb_err err;
    char what[80] = "orbitald went away";

    while (c->wait_ms) {
        bool starting;
        int may;

        if (c->broken && open_patiently(c, &err) < 0)
            return false;
        may = is_idempotent(c, to, method);
        if (may >= 0)
            return may;
        /* Its services may not be known yet, and with them the contract. */
        starting = !c->broken && is_starting(c, what, sizeof(what));
        if (!(starting || c->broken) || !wait_more(c, what))
            return false;
        wait_rest();
    }
    return false;
}

/* Refused because something is not there: will it be in a moment? */
static bool may_be_there(struct client *c, const char *to, unsigned *tries)
{
    struct orb_err err;
    char what[96] = "", name[64], state[24];
    bool starting = is_starting(c, what, sizeof(what));

    if (!c->broken)
        state_of(c, to, name, sizeof(name), state, sizeof(state));
    if (c->broken)
        return open_patiently(c, &err) == 0;
    if (!state[0])
        return starting && wait_more(c, what);
    if (!strcmp(state, "Starting") || !strcmp(state, "Restarting"))
        snprintf(what, sizeof(what), "service %s is %s", name, state);
    else if (strcmp(state, "Running") || (*tries)++ > 0)
        return false; /* it will not start, or it runs and refuses itself */
    return wait_more(c, what);
}

int ask_call(struct client *c, const char *to, const char *method, const char *input,
             struct buf *ret_text, struct orb_err *err)
{
    unsigned tries = 0;

    c->began_ms = now_ms();
    c->told[0] = '\0';
    for (;;) {
        int r = client_call_once(c, to, method, input, ret_text, err);

        if (r >= 0)
            return r;
        if (c->broken) {
            if (ask_again(c, to, method))
                continue;
            return orb_fail(
                err, ORB_E_GONE,
                "the daemon went away before it answered; whether it did what was asked "
                "is not known: look, then ask again");
        }
        if (r == ORB_E_GONE && wait_more(c, "the service went away") && ask_again(c, to, method)) {
            wait_rest();
            continue;
        }
        if (r != ORB_E_UNAVAILABLE || !c->wait_ms || !may_be_there(c, to, &tries))
            return r;
        wait_rest();
    }
}

int ask_call_tree(struct client *c, const char *to, const char *method, const char *input,
                  json_t **ret_tree, struct orb_err *err)
{
    static const struct json_limits limits = {.depth = JSON_MAX_DEPTH, .keys = JSON_MAX_TREE_KEYS};
    AUTO(buf) struct buf text = {0};
    int r = ask_call(c, to, method, input, &text, err);

    return r < 0 ? r : tree_parse(buf_str(&text), text.len, &limits, ret_tree, err);
}
