/* A configuration step without a waiting caller: the config service that sent it is gone, or there
 * was none because the worker catches up by itself. Only the SDK can notice then that the plugin
 * does not answer; a step half done would persist, and the worker would never attach again. After a
 * time-out the worker ends, and its successor starts from the stored configuration. */
#include <inttypes.h>

#include "core/base/own.h"
#include "core/worker/sdk_alone.h"
#include "core/worker/sdk_internal.h"

static const char *doing(enum sdk_conf_state state)
{
    switch (state) {
    case SDK_CONF_PREPARING:
    case SDK_CONF_SYNC_PREPARE:
        return "prepare";
    case SDK_CONF_ABORTING:
        return "abort";
    default:
        return "apply";
    }
}

void sdk_alone_on_timer(struct sdk_timer *timer)
{
    struct orb_ctx *ctx = container_of(timer, struct orb_ctx, alone_timer);
    struct orb_err err;

    orb_fail(&err, ORB_E_DEADLINE, "it did not answer %s of revision %" PRIu64 " in time",
             doing(ctx->conf.state), ctx->conf.change.revision);
    sdk_fail(ctx, &err);
}

void sdk_alone_start(struct orb_ctx *ctx, uint32_t ms)
{
    ctx->alone_ms = ms;
    sdk_timer_start(&ctx->alone_timer, ms, 0);
}

void sdk_alone_until(struct orb_ctx *ctx, uint64_t at)
{
    uint64_t now = orb_now_ms();

    sdk_alone_start(ctx, at > now ? (uint32_t)(at - now) : 0);
}

void sdk_alone_end(struct orb_ctx *ctx)
{
    sdk_timer_stop(&ctx->alone_timer);
}

void sdk_alone_progress(struct orb_ctx *ctx)
{
    if (sdk_timer_runs(&ctx->alone_timer))
        sdk_timer_start(&ctx->alone_timer, ctx->alone_ms, 0);
}
