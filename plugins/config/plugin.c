/* Binds the engine to the SDK: requests and the package's life. No request is served before the
 * stored configuration was read and recovered (plugin_start.c). */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/heap.h"
#include "plugins/config/plugin_internal.h"

static void on_log(struct log_sink *sink, const char *service, enum log_level level,
                   const char *event, const struct orb_kv *pairs)
{
    struct plugin *p = container_of(sink, struct plugin, log);

    orb_log_kv(p->ctx, (enum orb_level)level, event, pairs);
}

static void on_timer(struct orb_ctx *ctx, void *arg)
{
    struct plugin *p = arg;

    engine_tick(p->engine);
}

static void on_soon(struct orb_ctx *ctx, void *arg)
{
    struct plugin *p = arg;

    engine_go_on(p->engine);
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    struct plugin *p;

    if (!orb_state_dir(ctx))
        return orb_fail(err, ORB_E_DENIED,
                        "no state directory; the manifest must request "
                        "fs.state");
    heap_run_in_steps();
    p = xcalloc(1, sizeof(*p));
    p->ctx = ctx;
    p->log.write = on_log;
    p->timer = orb_timer_new(ctx, on_timer, p);
    p->soon = orb_timer_new(ctx, on_soon, p);
    orb_set_user(ctx, p);
    orb_on_progress(ctx, plugin_host_progress);
    return 0;
}

static int on_ready(struct orb_ctx *ctx, struct orb_err *err)
{
    return plugin_start(orb_user(ctx), err);
}

static void on_stop(struct orb_ctx *ctx)
{
    struct plugin *p = orb_user(ctx);

    engine_free(p->engine);
    orb_timer_free(p->timer);
    orb_timer_free(p->soon);
    buf_fini(&p->schemas);
    free(p);
    orb_set_user(ctx, NULL);
}

static void on_peer_gone(struct orb_ctx *ctx, uint32_t peer)
{
    struct plugin *p = orb_user(ctx);

    if (p->engine)
        engine_peer_gone(p->engine, peer);
}

static int on_health(struct orb_ctx *ctx, struct orb_err *err)
{
    struct plugin *p = orb_user(ctx);

    return p->engine ? engine_health(p->engine, err) : 0;
}

/* ---- requests ---- */

/* A kind that is not known has the fewest rights. */
static enum caller_kind kind_of(const char *word)
{
    static const char *const words[] = {
        [CALLER_USER] = "user",
        [CALLER_TOKEN] = "token",
        [CALLER_HOST] = "host",
    };

    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (words[i] && !strcmp(words[i], word))
            return (enum caller_kind)i;
    return CALLER_SERVICE;
}

static int request(struct orb_ctx *ctx, struct orb_req *req, const char *method,
                   struct orb_err *err)
{
    struct plugin *p = orb_user(ctx);
    const struct orb_peer *peer = orb_req_peer(req);
    /* Copies: the answer may come from inside, and the request with it. */
    AUTO_FREE char *name = xstrdup(peer->name);
    const struct engine_caller caller = {
        .peer = peer->id,
        .kind = kind_of(peer->kind),
        .name = name,
        .grants = peer->grants,
        .opened_us = peer->opened_us,
        .made_us = peer->made_us,
    };
    AUTO(buf) struct buf text = {0};
    const char *in;
    size_t len;

    if (!p->engine)
        return orb_fail(err, ORB_E_UNAVAILABLE, "the configuration is being loaded");
    in = orb_req_text(req, &len);
    buf_add(&text, in, len);
    engine_request(p->engine, &caller, method, buf_str(&text), text.len, req);
    return 0;
}

#define METHOD(function, name)                                                                     \
    static int function(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,                 \
                        struct orb_err *err)                                                       \
    {                                                                                              \
        return request(ctx, req, name, err);                                                       \
    }

METHOD(on_attach, "attach")
METHOD(on_fetch, "fetch")
METHOD(on_get, "get")
METHOD(on_get_part, "get-part")
METHOD(on_edit, "edit")
METHOD(on_load_part, "load-part")
METHOD(on_diff, "diff")
METHOD(on_validate, "validate")
METHOD(on_commit, "commit")
METHOD(on_cancel, "cancel")
METHOD(on_confirm, "confirm")
METHOD(on_discard, "discard")
METHOD(on_rollback, "rollback")
METHOD(on_history, "history")
METHOD(on_lock, "lock")
METHOD(on_unlock, "unlock")
METHOD(on_schema, "schema")
METHOD(on_subscribers, "subscribers")
METHOD(on_salvage, "salvage")
METHOD(on_salvage_accept, "salvage-accept")

static const struct orb_method methods[] = {
    {"attach", on_attach, ORB_RAW},
    {"fetch", on_fetch, ORB_RAW},
    {"get", on_get, ORB_RAW},
    {"get-part", on_get_part, ORB_RAW},
    {"edit", on_edit, ORB_RAW},
    {"load-part", on_load_part, ORB_RAW},
    {"diff", on_diff, ORB_RAW},
    {"validate", on_validate, ORB_RAW},
    {"commit", on_commit, ORB_RAW},
    {"cancel", on_cancel, ORB_RAW},
    {"confirm", on_confirm, ORB_RAW},
    {"discard", on_discard, ORB_RAW},
    {"rollback", on_rollback, ORB_RAW},
    {"history", on_history, ORB_RAW},
    {"lock", on_lock, ORB_RAW},
    {"unlock", on_unlock, ORB_RAW},
    {"schema", on_schema, ORB_RAW},
    {"subscribers", on_subscribers, ORB_RAW},
    {"salvage", on_salvage, ORB_RAW},
    {"salvage-accept", on_salvage_accept, ORB_RAW},
    {0},
};

ORB_PLUGIN(.name = "config", .methods = methods, .init = on_init, .ready = on_ready,
           .stop = on_stop, .peer_gone = on_peer_gone, .health = on_health);
