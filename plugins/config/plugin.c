/* Binds the engine to the SDK: requests, answers, calls, one timer. At start it reads the schemas
 * of the installed packages from the host; no request is served before the stored configuration was
 * read and recovered. */
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "orbital/orbital.h"
#include "plugins/config/engine.h"

#define HOST_DEADLINE_MS 10000
#define HOST_ENFORCED "enforced"
#define FIRST_PROBLEM "first-config"

struct plugin {
    struct orb_ctx *ctx;
    struct engine *engine;
    struct orb_timer *timer, *soon;
    struct buf schemas; /* while starting, as the two below */
    uint64_t was_enforced, was_enforced_id, was_void_tx, was_good;
    struct log_sink log;
};

/* A pending call: the engine's callback, called by the SDK's. */
struct call {
    engine_done *done;
    void *arg;
};

static void on_log(struct log_sink *sink, const char *service, enum log_level level,
                   const char *event, const struct orb_kv *pairs)
{
    struct plugin *p = container_of(sink, struct plugin, log);

    orb_log_kv(p->ctx, (enum orb_level)level, event, pairs);
}

static void on_called(struct orb_ctx *ctx, void *arg, const char *text, size_t len,
                      const struct orb_err *err)
{
    struct call call = *(struct call *)arg;

    free(arg);
    call.done(call.arg, text, len, err);
}

static int host_call(void *arg, const char *to, const char *method, const char *text, size_t len,
                     uint32_t deadline_ms, engine_done *done, void *done_arg, struct orb_err *err)
{
    struct plugin *p = arg;
    struct call *call = xcalloc(1, sizeof(*call));
    int r;

    *call = (struct call){.done = done, .arg = done_arg};
    r = orb_call_text(p->ctx, to, method, text, len, deadline_ms, on_called, call, err);
    if (r < 0)
        free(call);
    return r;
}

static void host_reply(void *arg, void *req, const char *text, size_t len)
{
    orb_reply_text(req, text, len);
}

static void host_refuse(void *arg, void *req, const struct orb_err *err)
{
    orb_reply_error(req, err);
}

static void host_publish(void *arg, uint64_t revision, const char *const *paths, size_t count)
{
    struct plugin *p = arg;
    cJSON *payload = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(payload, "paths");
    struct orb_err err;

    cJSON_AddNumberToObject(payload, "revision", (double)revision);
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(paths[i]));
    if (orb_publish(p->ctx, "committed", payload, &err) < 0)
        orb_log(p->ctx, ORB_WARNING, "config.event.lost", KV("why", err.text));
    orb_counter_add(p->ctx, "commits", 1);
    orb_gauge_set(p->ctx, "revision", (double)revision);
}

static void host_wake(void *arg, uint64_t after_ms)
{
    struct plugin *p = arg;

    orb_timer_start(p->timer, after_ms, 0);
}

static void host_soon(void *arg)
{
    struct plugin *p = arg;

    orb_timer_start(p->soon, 0, 0);
}

static bool host_given_up(void *arg, void *req)
{
    return orb_req_left_ms(req) == 0;
}

static uint64_t host_now(void *arg)
{
    return orb_now_ms();
}

static uint64_t host_now_us(void *arg)
{
    return now_us();
}

static uint64_t host_wall(void *arg)
{
    return now_wall_us();
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

static void host_problem(void *arg, const char *key, bool failed, const char *what,
                         const char *todo)
{
    struct plugin *p = arg;
    const struct orb_problem problem = {failed ? ORB_PROBLEM_FAILED : ORB_PROBLEM_DEGRADED, what,
                                        "", todo};

    if (what)
        orb_problem_set(p->ctx, key, &problem);
    else
        orb_problem_clear(p->ctx, key);
}

static void on_enforced_told(struct orb_ctx *ctx, void *arg, const cJSON *out,
                             const struct orb_err *err)
{
    if (err)
        orb_log(ctx, ORB_ERROR, "config.enforced.not-told", KV("why", err->text));
}

static void host_enforced(void *arg, uint64_t revision, uint64_t id, uint64_t void_tx)
{
    struct plugin *p = arg;
    cJSON *in = cJSON_CreateObject();
    struct orb_err err;

    if (revision) /* there is a configuration now */
        orb_problem_clear(p->ctx, FIRST_PROBLEM);
    orb_add_int64(in, "revision", (int64_t)revision);
    orb_add_int64(in, "id", (int64_t)id);
    orb_add_int64(in, "void-tx", (int64_t)void_tx);
    if (orb_call(p->ctx, "host@1", HOST_ENFORCED, in, HOST_DEADLINE_MS, on_enforced_told, NULL,
                 &err) < 0)
        on_enforced_told(p->ctx, NULL, NULL, &err);
}

static void host_follow(void *arg, const char *text, size_t len)
{
    struct plugin *p = arg;
    cJSON *in = cJSON_ParseWithLength(text, len);
    struct orb_err err;

    if (orb_call(p->ctx, "host@1", "follow", in, HOST_DEADLINE_MS, on_enforced_told, NULL, &err) <
        0)
        on_enforced_told(p->ctx, NULL, NULL, &err);
}

/* ---- start ---- */

/* The appliance did not begin with the configuration it was to begin with. */
static void no_first(struct orb_ctx *ctx, const struct orb_err *why)
{
    char what[400];

    snprintf(what, sizeof(what),
             "the first configuration was not taken, and there is no other: %.300s", why->text);
    orb_problem_set(ctx, FIRST_PROBLEM,
                    &(struct orb_problem){.level = ORB_PROBLEM_DEGRADED,
                                          .what = what,
                                          .path = why->path,
                                          .todo = "mend the file and `orbctl service restart "
                                                  "config`, or commit a configuration"});
}

static void on_first(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct plugin *p = arg;
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(out, "text");
    const char *config = cJSON_IsString(text) ? text->valuestring : "";
    struct orb_err why;

    if (err) {
        orb_log(ctx, ORB_ERROR, "config.first.unread", KV("why", err->text));
        no_first(ctx, err);
    } else if (*config && engine_first(p->engine, config, strlen(config), &why) < 0) {
        orb_log(ctx, ORB_ERROR, "config.first.refused", KV("path", why.path), KV("why", why.text));
        no_first(ctx, &why);
    }
    orb_ready(ctx, NULL);
}

static uint64_t count_of(const cJSON *out, const char *name)
{
    int64_t n;

    return orb_int64(cJSON_GetObjectItemCaseSensitive(out, name), &n) == 0 && n > 0 ? (uint64_t)n
                                                                                    : 0;
}

static void host_progress(void *arg)
{
    orb_progress(((struct plugin *)arg)->ctx);
}

static void on_boot_mode(struct orb_ctx *ctx, void *arg, const cJSON *out,
                         const struct orb_err *err)
{
    struct plugin *p = arg;
    const char *mode = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(out, "mode"));
    AUTO(buf) struct buf schemas = p->schemas;
    const struct engine_host host = {
        .arg = p,
        .log = &p->log,
        .call = host_call,
        .reply = host_reply,
        .refuse = host_refuse,
        .publish = host_publish,
        .wake = host_wake,
        .soon = host_soon,
        .given_up = host_given_up,
        .now_ms = host_now,
        .now_us = host_now_us,
        .wall_us = host_wall,
        .problem = host_problem,
        .enforced = host_enforced,
        .follow = host_follow,
        .progress = host_progress,
        .was_enforced = p->was_enforced,
        .was_enforced_id = p->was_enforced_id,
        .was_void_tx = p->was_void_tx,
        .was_good = p->was_good,
        .safe_revision = mode && !strcmp(mode, "safe") ? count_of(out, "revision") : 0,
    };
    struct orb_err why;
    bool fresh = false;

    p->schemas = (struct buf){0};
    if (err) {
        orb_ready(ctx, err);
        return;
    }
    if (engine_open(&host, orb_state_dir(ctx), buf_str(&schemas), schemas.len, &p->engine, &fresh,
                    &why) < 0) {
        orb_ready(ctx, &why);
        return;
    }
    orb_log(ctx, ORB_INFO, "config.loaded", KV("revision", (int64_t)engine_revision(p->engine)));
    orb_gauge_set(ctx, "revision", (double)engine_revision(p->engine));
    if (!fresh) {
        orb_ready(ctx, NULL);
        return;
    }
    if (orb_call(ctx, "host@1", "first-config", NULL, HOST_DEADLINE_MS, on_first, p, &why) < 0)
        orb_ready(ctx, &why);
}

static void on_enforced(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct plugin *p = arg;
    struct orb_err why;

    if (err) {
        orb_ready(ctx, err);
        return;
    }
    p->was_enforced = count_of(out, "revision");
    p->was_enforced_id = count_of(out, "id");
    p->was_good = count_of(out, "good");
    p->was_void_tx = count_of(out, "void-tx");
    if (orb_call(ctx, "host@1", "boot-mode", NULL, HOST_DEADLINE_MS, on_boot_mode, p, &why) < 0)
        orb_ready(ctx, &why);
}

static void on_schemas(struct orb_ctx *ctx, void *arg, const char *text, size_t len,
                       const struct orb_err *err)
{
    struct plugin *p = arg;
    struct orb_err why;

    if (err) {
        orb_ready(ctx, err);
        return;
    }
    buf_clear(&p->schemas);
    buf_add(&p->schemas, text, len);
    if (orb_call(ctx, "host@1", HOST_ENFORCED, NULL, HOST_DEADLINE_MS, on_enforced, p, &why) < 0)
        orb_ready(ctx, &why);
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    struct plugin *p;

    if (!orb_state_dir(ctx))
        return orb_fail(err, ORB_E_DENIED,
                        "no state directory; the manifest must request "
                        "fs.state");
    p = xcalloc(1, sizeof(*p));
    p->ctx = ctx;
    p->log.write = on_log;
    p->timer = orb_timer_new(ctx, on_timer, p);
    p->soon = orb_timer_new(ctx, on_soon, p);
    orb_set_user(ctx, p);
    return 0;
}

static int on_ready(struct orb_ctx *ctx, struct orb_err *err)
{
    int r = orb_call_text(ctx, "host@1", "schemas", "{}", 2, HOST_DEADLINE_MS, on_schemas,
                          orb_user(ctx), err);

    return r < 0 ? r : ORB_LATER;
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
