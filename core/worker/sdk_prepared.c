/* The slot of a change: the state made by prepare, after apply the previous one. The package's
 * discard() is called once for each, as soon as the change cannot be undone any more, so that a
 * package that omits to swap or free leaks nothing. */
#include "core/base/own.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_prepared.h"

int sdk_prepared_check(struct orb_ctx *ctx, struct orb_err *err)
{
    if (!ctx->conf.prepared || ctx->plugin->config->discard)
        return 0;
    ctx->conf.prepared = NULL; /* there is no discard() to free it */
    return orb_fail(err, ORB_E_INTERNAL,
                    "prepare left a result in change->prepared, but the package has no discard to "
                    "free it; give struct orb_config one");
}

void sdk_prepared_discard(struct orb_ctx *ctx)
{
    void *prepared = take_ptr(ctx->conf.prepared);

    if (prepared)
        ctx->plugin->config->discard(ctx, prepared);
}
