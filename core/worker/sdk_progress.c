/* Reports of long work: see sdk_progress.h. A frame leaves at once, since the loop would only write
 * it once the callback is over. */
#include <stdio.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/ipc/progress_state.h"
#include "core/json/scan.h"
#include "core/worker/sdk_alone.h"
#include "core/worker/sdk_call.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_progress.h"
#include "core/worker/sdk_req.h"
#include "core/worker/sdk_wire.h"

/* About everything the worker does (NULL), or about one request. */
static void send_progress(struct orb_ctx *ctx, struct orb_req *req,
                          const struct progress_state *state)
{
    struct frame head = {.type = FRAME_PROGRESS};
    AUTO(buf) struct buf text = {0};

    if (req && !req->cancelled) {
        head.corr = req->corr;
        progress_state_write(state, &text);
    }
    if (sdk_wire_send(ctx, &head, NULL, 0, buf_str(&text), text.len, NULL) == 0)
        sdk_wire_drain(ctx, 0);
}

/* Whether one may be sent: not before HELLO, and not more often than the host passes them on. */
static bool is_due(struct orb_ctx *ctx, uint64_t now)
{
    if (ctx->state == SDK_ENDED || ctx->state == SDK_HELLO ||
        now - ctx->progress_at < SDK_PROGRESS_MS)
        return false;
    ctx->progress_at = now;
    sdk_conf_progress(ctx, now);
    return true;
}

static struct progress_state state_of(const char *phase, int percent)
{
    struct progress_state state = {.percent = percent < 0     ? PROGRESS_UNKNOWN
                                              : percent > 100 ? 100
                                                              : percent};

    snprintf(state.phase, sizeof(state.phase), "%s", phase ? phase : "");
    return state;
}

void orb_progress(struct orb_ctx *ctx)
{
    sdk_alone_progress(ctx);
    if (is_due(ctx, now_ms()))
        send_progress(ctx, NULL, NULL);
}

void orb_progress_at(struct orb_ctx *ctx, const char *phase, int percent)
{
    const struct progress_state state = state_of(phase, percent);
    const struct sdk_conf *conf = &ctx->conf;

    sdk_alone_progress(ctx);
    if (is_due(ctx, now_ms()))
        send_progress(ctx, conf->state == SDK_CONF_ABORTING ? NULL : conf->req, &state);
}

void orb_req_progress(struct orb_req *req, const char *phase, int percent)
{
    const struct progress_state state = state_of(phase, percent);
    struct orb_ctx *ctx = req->ctx;
    uint64_t now = now_ms();

    if (ctx->state == SDK_ENDED || req->cancelled || now - req->progress_at < SDK_PROGRESS_MS)
        return;
    req->progress_at = now;
    req->deadline_at = now + req->deadline_ms;
    send_progress(ctx, req, &state);
}

void orb_on_progress(struct orb_ctx *ctx, orb_progress_fn *cb)
{
    ctx->on_progress = cb;
}

void sdk_progress_frame(struct orb_ctx *ctx, const struct inframe *frame)
{
    struct progress_state state = {.percent = PROGRESS_UNKNOWN};
    struct sdk_call *call = sdk_call_continues(ctx, frame);

    if (!call || call->kind != SDK_CALL_REQ || !ctx->on_progress)
        return;
    if (frame->len)
        progress_state_read(frame->payload, frame->len, &state, NULL);
    ctx->on_progress(ctx, call->arg, state.phase, state.percent);
}
