/* Requests to this worker, and the peers that send them. A request is valid until the plugin has
 * answered it, even if its caller cancelled: the plugin has a pointer to it. */
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_req.h"
#include "core/worker/sdk_target.h"
#include "core/worker/sdk_wire.h"

static const struct orb_method *plugin_method(const struct orb_plugin *plugin, const char *name)
{
    for (const struct orb_method *m = plugin->methods; m && m->name; m++)
        if (!strcmp(m->name, name))
            return m;
    return NULL;
}

static enum sdk_own_method own_method(const char *name)
{
    if (!strcmp(name, "prepare"))
        return SDK_OWN_PREPARE;
    if (!strcmp(name, "apply"))
        return SDK_OWN_APPLY;
    return strcmp(name, "abort") ? SDK_OWN_NONE : SDK_OWN_ABORT;
}

int sdk_req_methods(struct orb_ctx *ctx, const cJSON *list, struct orb_err *err)
{
    int count = cJSON_GetArraySize(list);
    const cJSON *item;

    if (count > (int)SDK_MAX_METHODS)
        return orb_fail_at(err, ORB_E_LIMIT, "/methods", "%d methods, the limit is %u", count,
                           SDK_MAX_METHODS);
    ctx->methods = xcalloc((size_t)count + 1, sizeof(*ctx->methods));
    cJSON_ArrayForEach (item, list) {
        struct sdk_method *m = &ctx->methods[ctx->method_count++];
        const char *name = cJSON_GetStringValue(item);
        const char *slash = name ? strchr(name, '/') : NULL;

        m->name = xstrdup(name ? name : "");
        if (!slash)
            continue;
        if (!strncmp(name, "service.", 8))
            m->own = own_method(slash + 1);
        else
            m->plugin = plugin_method(ctx->plugin, slash + 1);
        if (!m->plugin && !m->own)
            orb_log(ctx, ORB_WARNING, "sdk.unhandled", KV("method", name));
    }
    return 0;
}

static void peer_unref(struct sdk_peer *peer)
{
    if (--peer->refs)
        return;
    for (char **grant = peer->grants; *grant; grant++)
        free(*grant);
    free(peer->grants);
    free(peer);
}

static struct sdk_peer **peer_find(struct orb_ctx *ctx, uint32_t id)
{
    struct sdk_peer **at = &ctx->peers;

    while (*at && (*at)->pub.id != id)
        at = &(*at)->next;
    return at;
}

static char **strings_of(const cJSON *list)
{
    char **strings = xcalloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*strings));
    const cJSON *item;
    size_t n = 0;

    cJSON_ArrayForEach (item, list)
        if (cJSON_IsString(item))
            strings[n++] = xstrdup(item->valuestring);
    return strings;
}

void sdk_req_peer(struct orb_ctx *ctx, const struct inframe *frame)
{
    cJSON *tree = sdk_parse(frame->payload, frame->len);
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(tree, "id");
    struct sdk_peer *peer;
    int64_t number, opened = 0, made = 0;

    if (orb_int64(id, &number) < 0 || number < 0 || number > UINT32_MAX ||
        *peer_find(ctx, (uint32_t)number)) {
        sdk_garbage(ctx, "PEER without a new id");
        cJSON_Delete(tree);
        return;
    }
    peer = xcalloc(1, sizeof(*peer));
    peer->refs = 1;
    snprintf(peer->kind, sizeof(peer->kind), "%s", sdk_text_of(tree, "kind"));
    snprintf(peer->name, sizeof(peer->name), "%s", sdk_text_of(tree, "name"));
    snprintf(peer->role, sizeof(peer->role), "%s", sdk_text_of(tree, "role"));
    peer->grants = strings_of(cJSON_GetObjectItemCaseSensitive(tree, "grants"));
    orb_int64(cJSON_GetObjectItemCaseSensitive(tree, "opened-us"), &opened);
    orb_int64(cJSON_GetObjectItemCaseSensitive(tree, "made-us"), &made);
    peer->pub = (struct orb_peer){.size = sizeof(peer->pub),
                                  .id = (uint32_t)number,
                                  .kind = peer->kind,
                                  .name = peer->name,
                                  .role = peer->role,
                                  .grants = (const char *const *)peer->grants,
                                  .opened_us = (uint64_t)opened,
                                  .made_us = (uint64_t)made};
    peer->next = ctx->peers;
    ctx->peers = peer;
    cJSON_Delete(tree);
}

static void req_free(struct orb_req *req)
{
    if (req->prev)
        req->prev->next = req->next;
    else
        req->ctx->reqs = req->next;
    if (req->next)
        req->next->prev = req->prev;
    cJSON_Delete(req->in);
    peer_unref(req->peer);
    free(req);
}

/* A change's steps are all seen by the package. */
static void cancel(struct orb_req *req)
{
    req->cancelled = true;
    if (!req->waits || req->method->own)
        return;
    sdk_queue_remove(&req->ctx->queue, req);
    req_free(req);
}

void sdk_req_gone(struct orb_ctx *ctx, const struct inframe *frame)
{
    uint32_t id = frame->h.src;
    struct sdk_peer **at = peer_find(ctx, id);
    struct sdk_peer *peer = *at;

    if (frame->h.handle) {
        sdk_target_gone(ctx, frame->h.handle);
        return;
    }
    if (!peer)
        return;
    *at = peer->next;
    for (struct orb_req *req = ctx->reqs, *next; req; req = next) {
        next = req->next;
        if (req->peer == peer)
            cancel(req);
    }
    sdk_conf_gone(ctx, id);
    if (ctx->loaded && ctx->plugin->peer_gone)
        ctx->plugin->peer_gone(ctx, id);
    peer_unref(peer);
}

static void read_trace(struct orb_req *req, const struct inframe *frame)
{
    cJSON *env = frame->h.envlen ? sdk_parse(frame->env, frame->h.envlen) : NULL;

    snprintf(req->trace, sizeof(req->trace), "%s", sdk_text_of(env, "trace"));
    cJSON_Delete(env);
}

static struct orb_req *req_new(struct orb_ctx *ctx, struct sdk_peer *peer,
                               const struct inframe *frame)
{
    struct orb_req *req = malloc(sizeof(*req) + frame->len + 1);

    if (!req)
        return NULL;
    memset(req, 0, sizeof(*req));
    req->ctx = ctx;
    req->peer = peer;
    peer->refs++;
    req->corr = frame->h.corr;
    req->deadline_ms = frame->h.deadline_ms ? frame->h.deadline_ms : SDK_CALL_CAP_MS;
    req->deadline_at = now_ms() + req->deadline_ms;
    read_trace(req, frame);
    req->len = frame->len;
    memcpy(req->text, frame->payload, frame->len);
    req->text[frame->len] = '\0';
    req->next = ctx->reqs;
    if (req->next)
        req->next->prev = req;
    ctx->reqs = req;
    return req;
}

static void send_err(struct orb_ctx *ctx, uint32_t corr, const struct orb_err *err)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    json_write_object(&w, NULL);
    json_write_error(&w, "err", err);
    json_write_end(&w);
    sdk_wire_send(ctx, &(struct frame){.type = FRAME_ERR, .corr = corr}, buf_str(&b), b.len, NULL,
                  0, NULL);
}

static void refuse(struct orb_ctx *ctx, const struct inframe *frame, int code, const char *text)
{
    struct orb_err err;

    orb_fail(&err, code, "%s", text);
    send_err(ctx, frame->h.corr, &err);
}

static void call_handler(struct orb_req *req, const struct orb_method *method)
{
    struct orb_ctx *ctx = req->ctx;
    struct orb_err err = {0};
    int r = method->handle(ctx, req, req->in, &err);

    if (r >= 0)
        return; /* answered or kept: req may be freed already */
    if (!err.code)
        orb_fail(&err, r, "%s: %s", method->name, orb_code_text(r));
    orb_reply_error(req, &err);
}

void sdk_req_frame(struct orb_ctx *ctx, const struct inframe *frame)
{
    uint32_t number = frame->h.handle;
    struct sdk_peer *peer = *peer_find(ctx, frame->h.src);
    const struct sdk_method *method;
    struct orb_req *req;

    if (!peer) {
        refuse(ctx, frame, ORB_E_PROTOCOL, "a request of a peer that was not announced");
        return;
    }
    if (number == 0 || number > ctx->method_count) {
        refuse(ctx, frame, ORB_E_NOT_FOUND, "there is no method of this number");
        return;
    }
    method = &ctx->methods[number - 1];
    if ((!method->plugin && !method->own) || !ctx->loaded) {
        refuse(ctx, frame, ORB_E_UNAVAILABLE,
               ctx->loaded ? "the package declares this method and does not implement it"
                           : "the service is starting");
        return;
    }
    req = req_new(ctx, peer, frame);
    if (!req) {
        refuse(ctx, frame, ORB_E_NOMEM, "the service is out of memory");
        return;
    }
    req->method = method;
    sdk_queue_add(&ctx->queue, req);
}

void sdk_req_next(struct orb_ctx *ctx)
{
    struct orb_req *req = sdk_queue_take(&ctx->queue);
    const struct sdk_method *method = req->method;

    if (method->own || !(method->plugin->flags & ORB_RAW)) {
        req->in = sdk_parse(req->text, req->len);
        if (!req->in) {
            struct orb_err err;

            orb_fail(&err, ORB_E_NOMEM, "the input could not be read");
            orb_reply_error(req, &err);
            return;
        }
    }
    if (method->own)
        sdk_conf_request(ctx, req, method->own);
    else
        call_handler(req, method->plugin);
}

void sdk_req_cancel(struct orb_ctx *ctx, const struct inframe *frame)
{
    struct orb_req *req = ctx->reqs;

    while (req && req->corr != frame->h.corr)
        req = req->next;
    if (req)
        cancel(req);
}

const struct orb_peer *orb_req_peer(const struct orb_req *req)
{
    return &req->peer->pub;
}

const char *orb_req_text(const struct orb_req *req, size_t *ret_len)
{
    if (ret_len)
        *ret_len = req->len;
    return req->text;
}

uint32_t orb_req_left_ms(const struct orb_req *req)
{
    uint64_t now = now_ms();

    return req->cancelled || now >= req->deadline_at ? 0 : (uint32_t)(req->deadline_at - now);
}

const char *orb_req_trace(const struct orb_req *req)
{
    return req->trace;
}

void orb_reply_text(struct orb_req *req, const char *text, size_t len)
{
    struct orb_err err;

    if (!req->cancelled &&
        sdk_wire_send(req->ctx, &(struct frame){.type = FRAME_REP, .corr = req->corr}, NULL, 0,
                      text, len, &err) < 0) {
        orb_wrap(&err, "the answer does not fit");
        send_err(req->ctx, req->corr, &err);
    }
    req_free(req);
}

void orb_reply(struct orb_req *req, cJSON *out)
{
    char *text = out ? cJSON_PrintUnformatted(out) : NULL;
    struct orb_err err;

    if (out && !text) {
        orb_fail(&err, ORB_E_NOMEM, "the answer could not be written");
        orb_reply_error(req, &err);
    } else if (text) {
        orb_reply_text(req, text, strlen(text));
    } else {
        orb_reply_text(req, "{}", 2);
    }
    cJSON_free(text);
    cJSON_Delete(out);
}

void orb_reply_error(struct orb_req *req, const struct orb_err *err)
{
    if (!req->cancelled)
        send_err(req->ctx, req->corr, err);
    req_free(req);
}

void sdk_req_fini(struct orb_ctx *ctx)
{
    while (sdk_queue_waits(&ctx->queue))
        sdk_queue_take(&ctx->queue);
    while (ctx->reqs)
        req_free(ctx->reqs);
    while (ctx->peers) {
        struct sdk_peer *peer = ctx->peers;

        ctx->peers = peer->next;
        peer_unref(peer);
    }
    for (unsigned i = 0; i < ctx->method_count; i++)
        free(ctx->methods[i].name);
    free(ctx->methods);
}
