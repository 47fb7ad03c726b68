/* A package that touches every struct of the ABI. Built against the header of today as kept in
 * test/abi/2, against the one in use, and against one in which every struct has grown. */
#include <orbital/orbital.h>

#include <stdlib.h>
#include <string.h>

struct state {
    char word[16];
};

static const cJSON *word_of(const struct orb_change *change)
{
    const cJSON *part = cJSON_GetObjectItemCaseSensitive(change->tree, "t");

    return cJSON_GetObjectItemCaseSensitive(part, "word");
}

static int on_hello(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    const struct orb_problem problem = {.level = ORB_PROBLEM_DEGRADED, .what = "w", .todo = "t"};
    const struct orb_peer *peer = orb_req_peer(req);
    struct state *state = orb_user(ctx);
    cJSON *out = cJSON_CreateObject();

    cJSON_AddStringToObject(out, "word", state ? state->word : "");
    cJSON_AddStringToObject(out, "peer", peer->name);
    cJSON_AddBoolToObject(out, "has-opened", ORB_HAS(peer, opened_us));
#ifdef ASK_FUTURE
    cJSON_AddBoolToObject(out, "future", ORB_HAS(peer, future));
#endif
    orb_problem_set(ctx, "p", &problem);
    orb_log(ctx, ORB_INFO, "t.hello", KV("peer", peer->name), KV("n", 1));
    orb_reply(req, out);
    return 0;
}

static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    const char *word = cJSON_GetStringValue(word_of(change));
    struct state *state = calloc(1, sizeof(*state));

    if (!state)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the state");
    strncpy(state->word, word ? word : "", sizeof(state->word) - 1);
    *change->prepared = state;
    return strcmp(state->word, "no") ? 0 : orb_fail_at(err, ORB_E_VETO, "/t/word", "not this one");
}

static int on_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    void *before = orb_user(ctx);

    orb_set_user(ctx, *change->prepared);
    *change->prepared = before;
    return 0;
}

static int on_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err)
{
    return applied ? on_apply(ctx, change, err) : 0;
}

static void on_discard(struct orb_ctx *ctx, void *prepared)
{
    free(prepared);
}

static void on_stop(struct orb_ctx *ctx)
{
    free(orb_user(ctx));
}

static const struct orb_method methods[] = {{.name = "other"}, {"hello", on_hello, 0}, {0}};
static const char *const paths[] = {"/t", NULL};
static const struct orb_config config = {.paths = paths,
                                         .prepare = on_prepare,
                                         .apply = on_apply,
                                         .abort = on_abort,
                                         .discard = on_discard};

#ifdef USE_FUTURE
ORB_PLUGIN(.name = "t", .methods = methods, .config = &config, .stop = on_stop,
           .future = (void *)"new");
#else
ORB_PLUGIN(.name = "t", .methods = methods, .config = &config, .stop = on_stop);
#endif
