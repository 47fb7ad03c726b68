/* Calls to other services. A call carries the method's name; calls in quick succession open a
 * method handle and carry that alone. A handle becomes void with its provider, reported by GONE; an
 * idle handle is opened again before use, so that the first call after a provider's restart reaches
 * the new one. Deadlines are kept by the broker; the timer here is a fallback. */
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/scan.h"
#include "core/worker/sdk_call.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_target.h"
#include "core/worker/sdk_wire.h"

static struct sdk_call **bucket(struct orb_ctx *ctx, uint32_t corr)
{
    return &ctx->calls[corr % SDK_CALL_BUCKETS];
}

static struct sdk_call **find(struct orb_ctx *ctx, uint32_t corr)
{
    struct sdk_call **at = bucket(ctx, corr);

    while (*at && (*at)->corr != corr)
        at = &(*at)->next;
    return at;
}

static void call_free(struct sdk_call *call)
{
    free(call->failed);
    free(call->what);
    free(call);
}

void sdk_call_arm(struct orb_ctx *ctx, uint64_t at)
{
    uint64_t now = now_ms();

    if (ctx->call_timer_at && ctx->call_timer_at <= at)
        return;
    ctx->call_timer_at = at ? at : 1;
    sdk_timer_start(&ctx->call_timer, at > now ? at - now : 0, 0);
}

struct sdk_call *sdk_call_new(struct orb_ctx *ctx, enum sdk_call_kind kind, uint32_t deadline_ms)
{
    struct sdk_call *call = xcalloc(1, sizeof(*call));
    struct sdk_call **at;

    do {
        ctx->last_corr++;
    } while (ctx->last_corr == 0 || *find(ctx, ctx->last_corr));
    call->kind = kind;
    call->corr = ctx->last_corr;
    call->deadline_at =
        now_ms() + SDK_CALL_SLACK_MS +
        (deadline_ms && deadline_ms < SDK_CALL_CAP_MS ? deadline_ms : SDK_CALL_CAP_MS);
    at = bucket(ctx, call->corr);
    call->next = *at;
    *at = call;
    ctx->call_count++;
    return call;
}

static bool is_name(const char *text, size_t limit, const char *more)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') ||
              text[i] == '-' || strchr(more, text[i])))
            return false;
    return len > 0 && len <= limit;
}

static int send_call(struct orb_ctx *ctx, struct sdk_call *call, uint32_t session, const char *to,
                     const char *method, const char *text, size_t len, uint32_t deadline_ms,
                     struct orb_err *err)
{
    struct frame head = {
        .type = FRAME_REQ, .corr = call->corr, .src = session, .deadline_ms = deadline_ms};
    AUTO(buf) struct buf env = {0};

    /* A handle was opened, and checked, for this service; a session has access of its own. */
    if (!session)
        call->target = sdk_target_of(ctx, to, method);
    if (call->target)
        sdk_target_choose(ctx, call->target);
    if (call->target && call->target->handle)
        head.handle = call->target->handle;
    else
        sdk_target_write(&env, to, "method", method);
    return sdk_wire_send(ctx, &head, buf_str(&env), env.len, text, len, err);
}

static int start(struct orb_ctx *ctx, uint32_t session, const char *to, const char *method,
                 const char *text, size_t len, uint32_t deadline_ms, const struct sdk_call *how,
                 struct orb_err *err)
{
    struct sdk_call *call;

    if (!to || !is_name(to, SDK_NAME, "@."))
        return orb_fail(err, ORB_E_INVALID, "\"%s\" is no interface: expected NAME@MAJOR[.MINOR]",
                        to ? to : "");
    if (!method || !is_name(method, SDK_NAME, "_."))
        return orb_fail(err, ORB_E_INVALID, "\"%s\" is no method name", method ? method : "");
    if (len > FRAME_MAX - FRAME_MAX_ENVELOPE)
        return orb_fail(err, ORB_E_LIMIT, "the input of %s %s has %zu bytes, the limit is %u", to,
                        method, len, FRAME_MAX - FRAME_MAX_ENVELOPE);
    call = sdk_call_new(ctx, SDK_CALL_REQ, deadline_ms);
    call->done = how->done;
    call->done_text = how->done_text;
    call->arg = how->arg;
    if (sdk_wire_waiting(ctx) > SDK_QUEUE_CALLS) {
        call->failed = xcalloc(1, sizeof(*call->failed));
        orb_fail(call->failed, ORB_E_BUSY, "%s %s: %zu bytes wait to be read by the host", to,
                 method, sdk_wire_waiting(ctx));
        call->deadline_at = 0;
    } else if (ctx->call_count > SDK_MAX_CALLS) {
        /* Reported from the loop like every other error, so that callers have one path. */
        call->failed = xcalloc(1, sizeof(*call->failed));
        orb_fail(call->failed, ORB_E_BUSY, "%s %s: %u calls are in flight, the limit is %u", to,
                 method, ctx->call_count - 1, SDK_MAX_CALLS);
        call->deadline_at = 0;
    } else if (send_call(ctx, call, session, to, method, text, len, deadline_ms, NULL) < 0) {
        call->failed = xcalloc(1, sizeof(*call->failed));
        orb_fail(call->failed, ORB_E_BUSY, "%s %s: the host does not read", to, method);
        call->deadline_at = 0;
    }
    sdk_call_arm(ctx, call->deadline_at);
    return 0;
}

int orb_call_as(struct orb_ctx *ctx, uint32_t session, const char *to, const char *method,
                const char *text, size_t len, uint32_t deadline_ms, orb_text_fn *done, void *arg,
                struct orb_err *err)
{
    return start(ctx, session, to, method, text, len, deadline_ms,
                 &(struct sdk_call){.done_text = done, .arg = arg}, err);
}

int orb_call_text(struct orb_ctx *ctx, const char *to, const char *method, const char *text,
                  size_t len, uint32_t deadline_ms, orb_text_fn *done, void *arg,
                  struct orb_err *err)
{
    return orb_call_as(ctx, 0, to, method, text, len, deadline_ms, done, arg, err);
}

int orb_call(struct orb_ctx *ctx, const char *to, const char *method, cJSON *in,
             uint32_t deadline_ms, orb_reply_fn *done, void *arg, struct orb_err *err)
{
    char *text = in ? cJSON_PrintUnformatted(in) : NULL;
    int r;

    if (in && !text)
        r = orb_fail(err, ORB_E_NOMEM, "the input of %s could not be written", method);
    else
        r = start(ctx, 0, to, method, text, text ? strlen(text) : 0, deadline_ms,
                  &(struct sdk_call){.done = done, .arg = arg}, err);
    cJSON_free(text);
    cJSON_Delete(in);
    return r;
}

int sdk_call_subscribe(struct orb_ctx *ctx, const char *to, const char *topic, struct orb_err *err)
{
    AUTO(buf) struct buf env = {0};
    struct sdk_call *call;

    if (!is_name(to, SDK_NAME, "@."))
        return orb_fail(err, ORB_E_INVALID, "\"%s\" is no interface", to);
    if (strcmp(topic, "*") && !is_name(topic, SDK_NAME, "_."))
        return orb_fail(err, ORB_E_INVALID, "\"%s\" is no topic", topic);
    call = sdk_call_new(ctx, SDK_CALL_SUB, 0);
    call->what = buf_format("%s/%s", to, topic);
    sdk_target_write(&env, to, "topic", topic);
    sdk_wire_send(ctx, &(struct frame){.type = FRAME_SUB, .corr = call->corr}, buf_str(&env),
                  env.len, NULL, 0, NULL);
    sdk_call_arm(ctx, call->deadline_at);
    return 0;
}

/* Calls the plugin's callback and frees the call, which is unlinked already. */
static void finish(struct orb_ctx *ctx, struct sdk_call *call, const char *text, size_t len,
                   const struct orb_err *err)
{
    if (call->done_text) {
        call->done_text(ctx, call->arg, err ? NULL : text, err ? 0 : len, err);
    } else if (call->done) {
        cJSON *out = err ? NULL : sdk_parse(text, len);
        struct orb_err bad;

        if (!err && !out) {
            orb_fail(&bad, ORB_E_NOMEM, "the answer could not be read");
            err = &bad;
        }
        call->done(ctx, call->arg, out, err);
        cJSON_Delete(out);
    }
    call_free(call);
}

static void read_err(const struct inframe *frame, struct orb_err *ret_err)
{
    struct json_slice error = {.p = "{}", .len = 2};

    json_member(frame->env, frame->h.envlen, "err", &error);
    json_read_error(error.p, error.len, ret_err);
}

struct sdk_call *sdk_call_continues(struct orb_ctx *ctx, const struct inframe *frame)
{
    struct sdk_call *call = *find(ctx, frame->h.corr);

    if (call)
        call->deadline_at = now_ms() + SDK_CALL_SLACK_MS + frame->h.deadline_ms;
    return call;
}

void sdk_call_answer(struct orb_ctx *ctx, const struct inframe *frame)
{
    struct sdk_call **at = find(ctx, frame->h.corr);
    struct sdk_call *call = *at;
    struct orb_err err;
    bool failed = frame->h.type == FRAME_ERR;

    if (!call)
        return; /* its own deadline had passed */
    if ((frame->h.type == FRAME_OPENED) != (call->kind == SDK_CALL_OPEN) && !failed) {
        sdk_garbage(ctx, "an answer that does not fit its request");
        return;
    }
    *at = call->next;
    ctx->call_count--;
    if (failed)
        read_err(frame, &err);
    switch (call->kind) {
    case SDK_CALL_OPEN:
        sdk_target_opened(ctx, call->target, frame, failed ? &err : NULL);
        call_free(call);
        break;
    case SDK_CALL_SUB:
        if (failed)
            orb_log(ctx, ORB_ERROR, "sdk.subscribe-refused", KV("to", call->what),
                    KV("code", orb_code_name(err.code)), KV("text", err.text));
        call_free(call);
        break;
    case SDK_CALL_REQ:
        if (call->target && failed && err.code == ORB_E_GONE)
            call->target->handle = 0;
        else if (call->target && !failed)
            call->target->ok_at = now_ms();
        finish(ctx, call, frame->payload, frame->len, failed ? &err : NULL);
        break;
    }
}

/* Takes one call that is due, or returns NULL with the earliest time of the others (0: none). */
static struct sdk_call *take_due(struct orb_ctx *ctx, uint64_t now, uint64_t *ret_next)
{
    *ret_next = 0;
    for (unsigned i = 0; i < SDK_CALL_BUCKETS; i++) {
        for (struct sdk_call **at = &ctx->calls[i]; *at; at = &(*at)->next) {
            struct sdk_call *call = *at;

            if (call->deadline_at <= now) {
                *at = call->next;
                ctx->call_count--;
                return call;
            }
            if (!*ret_next || call->deadline_at < *ret_next)
                *ret_next = call->deadline_at;
        }
    }
    return NULL;
}

void sdk_call_on_timer(struct sdk_timer *timer)
{
    struct orb_ctx *ctx = container_of(timer, struct orb_ctx, call_timer);
    uint64_t now = now_ms();
    struct sdk_call *call;
    uint64_t next;

    ctx->call_timer_at = 0;
    while (ctx->state != SDK_ENDED && (call = take_due(ctx, now, &next))) {
        struct orb_err late;

        orb_fail(&late, ORB_E_DEADLINE, "the host did not answer in time");
        if (call->kind == SDK_CALL_OPEN)
            call->target->opening = false;
        finish(ctx, call, NULL, 0, call->failed ? call->failed : &late);
    }
    if (ctx->state != SDK_ENDED && next)
        sdk_call_arm(ctx, next);
}

void sdk_call_fini(struct orb_ctx *ctx)
{
    for (unsigned i = 0; i < SDK_CALL_BUCKETS; i++) {
        while (ctx->calls[i]) {
            struct sdk_call *call = ctx->calls[i];

            ctx->calls[i] = call->next;
            call_free(call);
        }
    }
}
