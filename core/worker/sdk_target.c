/* The targets (interface and method) this worker calls, and their handles. */
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/worker/sdk_call.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_target.h"
#include "core/worker/sdk_wire.h"

struct sdk_target *sdk_target_of(struct orb_ctx *ctx, const char *to, const char *method)
{
    struct sdk_target *target = ctx->targets;

    while (target && (strcmp(target->to, to) || strcmp(target->method, method)))
        target = target->next;
    if (target)
        return target;
    target = xcalloc(1, sizeof(*target));
    target->to = xstrdup(to);
    target->method = xstrdup(method);
    target->next = ctx->targets;
    ctx->targets = target;
    return target;
}

void sdk_target_write(struct buf *env, const char *to, const char *key, const char *value)
{
    struct json_write w = json_write_to(env);

    json_write_object(&w, NULL);
    json_write_string(&w, "to", to);
    json_write_string(&w, key, value);
    json_write_end(&w);
}

static void open_handle(struct orb_ctx *ctx, struct sdk_target *target)
{
    AUTO(buf) struct buf env = {0};
    struct sdk_call *call = sdk_call_new(ctx, SDK_CALL_OPEN, 0);

    call->target = target;
    target->opening = true;
    sdk_target_write(&env, target->to, "method", target->method);
    sdk_wire_send(ctx, &(struct frame){.type = FRAME_OPEN, .corr = call->corr}, buf_str(&env),
                  env.len, NULL, 0, NULL);
    sdk_call_arm(ctx, call->deadline_at);
}

void sdk_target_choose(struct orb_ctx *ctx, struct sdk_target *target)
{
    bool burst = target->ok_at && now_ms() - target->ok_at < SDK_BURST_MS;

    if (!burst && !target->watched)
        target->handle = 0;
    if (burst && !target->handle && !target->opening)
        open_handle(ctx, target);
}

void sdk_target_watch(struct orb_ctx *ctx, const char *to, const char *method)
{
    struct sdk_target *target = sdk_target_of(ctx, to, method);

    target->watched = true;
    if (!target->opening)
        open_handle(ctx, target);
}

void sdk_target_forget(struct orb_ctx *ctx, const char *to, const char *method)
{
    struct sdk_target *target = sdk_target_of(ctx, to, method);

    target->handle = 0;
    target->ok_at = 0;
    target->watched = false;
}

static void target_lost(struct orb_ctx *ctx, struct sdk_target *target)
{
    bool watched = target->watched;

    target->handle = 0;
    target->ok_at = 0;
    target->watched = false;
    if (watched)
        sdk_conf_provider_gone(ctx);
}

void sdk_target_gone(struct orb_ctx *ctx, uint32_t handle)
{
    for (struct sdk_target *target = ctx->targets; target; target = target->next) {
        if (target->handle == handle) {
            target_lost(ctx, target);
            return;
        }
    }
}

void sdk_target_opened(struct orb_ctx *ctx, struct sdk_target *target, const struct inframe *frame,
                       const struct orb_err *err)
{
    target->opening = false;
    if (!err)
        target->handle = frame->h.handle;
    else if (target->watched && (err->code == ORB_E_UNAVAILABLE || err->code == ORB_E_GONE))
        target_lost(ctx, target);
    else
        target->ok_at = 0; /* tried again after the next success */
}

void sdk_target_fini(struct orb_ctx *ctx)
{
    while (ctx->targets) {
        struct sdk_target *target = ctx->targets;

        ctx->targets = target->next;
        free(target->to);
        free(target->method);
        free(target);
    }
}
