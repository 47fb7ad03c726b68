/* One step of a change: the package's prepare, apply or abort is called, and what follows from its
 * outcome, at once or when it calls orb_config_done(). */
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/own.h"
#include "core/worker/sdk_alone.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_plan.h"
#include "core/worker/sdk_prepared.h"
#include "core/worker/sdk_req.h"
#include "core/worker/sdk_step.h"
#include "core/worker/sdk_tree.h"

static void finished(struct orb_ctx *ctx, const struct orb_err *err);

void sdk_step_drop_patch(struct sdk_conf *conf)
{
    cJSON_Delete(conf->patch);
    conf->patch = NULL;
    conf->change.patch = NULL;
}

void sdk_step_drop_undo(struct sdk_conf *conf)
{
    sdk_tree_undo_free(conf->undo, conf->undo_count);
    conf->undo = NULL;
    conf->undo_count = 0;
}

void sdk_step_run(struct orb_ctx *ctx)
{
    const struct orb_config *config = ctx->plugin->config;
    struct sdk_conf *conf = &ctx->conf;
    struct orb_err err = {0};
    int r = 0;

    conf->change.size = sizeof(conf->change);
    conf->change.tree = conf->tree;
    conf->change.patch = conf->patch;
    conf->change.prepared = &conf->prepared;
    conf->change.question = conf->question;
    conf->calling = true;
    conf->early = false;
    if (conf->state == SDK_CONF_SYNC_PREPARE || conf->state == SDK_CONF_PREPARING)
        r = config->prepare ? config->prepare(ctx, &conf->change, &err) : 0;
    else if (conf->state == SDK_CONF_SYNC_APPLY || conf->state == SDK_CONF_APPLYING)
        r = config->apply ? config->apply(ctx, &conf->change, &err) : 0;
    else
        r = config->abort ? config->abort(ctx, &conf->change, conf->applied, &err) : 0;
    conf->calling = false;
    if (r == ORB_LATER && !conf->early) {
        if (!conf->req && ctx->state == SDK_RUNNING)
            sdk_alone_start(ctx, SDK_ALONE_MS);
        return;
    }
    if (conf->early) {
        err = conf->early_err;
        r = err.code;
    }
    if (r < 0 && !err.code)
        orb_fail(&err, r, "%s", orb_code_text(r));
    finished(ctx, r < 0 ? &err : NULL);
}

void orb_config_done(struct orb_ctx *ctx, const struct orb_err *err)
{
    struct sdk_conf *conf = &ctx->conf;
    const struct orb_err *failure = err && err->code ? err : NULL;

    switch (conf->state) {
    case SDK_CONF_SYNC_PREPARE:
    case SDK_CONF_SYNC_APPLY:
    case SDK_CONF_PREPARING:
    case SDK_CONF_APPLYING:
    case SDK_CONF_ABORTING:
        break;
    default:
        orb_log(ctx, ORB_WARNING, "sdk.misuse", KV("call", "orb_config_done"));
        return;
    }
    if (conf->calling) {
        conf->early = true;
        conf->early_err = failure ? *failure : (struct orb_err){0};
        return;
    }
    finished(ctx, failure);
}

void sdk_step_answer(struct orb_ctx *ctx, cJSON *out, const struct orb_err *err)
{
    struct orb_req *req = take_ptr(ctx->conf.req);

    if (!req)
        cJSON_Delete(out);
    else if (err)
        orb_reply_error(req, err);
    else
        orb_reply(req, out);
}

static void finished_sync(struct orb_ctx *ctx, const struct orb_err *err)
{
    struct sdk_conf *conf = &ctx->conf;
    struct orb_err wrapped;

    if (err) {
        wrapped = *err;
        orb_wrap(&wrapped, "configuration revision %" PRIu64, conf->change.revision);
        sdk_fail(ctx, &wrapped);
        return;
    }
    if (conf->state == SDK_CONF_SYNC_PREPARE) {
        conf->state = SDK_CONF_SYNC_APPLY;
        sdk_step_run(ctx);
        return;
    }
    sdk_step_drop_patch(conf);
    sdk_prepared_discard(ctx);
    conf->revision = conf->change.revision;
    conf->state = SDK_CONF_IDLE;
    sdk_applied(ctx);
    sdk_started(ctx);
    sdk_conf_settle(ctx);
}

static void finished_prepare(struct orb_ctx *ctx, const struct orb_err *err)
{
    struct sdk_conf *conf = &ctx->conf;

    if (err) {
        sdk_tree_undo(conf->tree, conf->undo, conf->undo_count, NULL);
        conf->undo = NULL;
        conf->undo_count = 0;
        sdk_step_drop_patch(conf);
        sdk_plan_drop(conf);
        sdk_prepared_discard(ctx);
        conf->state = SDK_CONF_IDLE;
        sdk_step_answer(ctx, NULL, err);
        return;
    }
    conf->state = SDK_CONF_PREPARED;
    sdk_step_answer(ctx, sdk_plan_take(conf), NULL);
}

static void finished(struct orb_ctx *ctx, const struct orb_err *err)
{
    struct sdk_conf *conf = &ctx->conf;
    struct orb_err leaks;

    sdk_alone_end(ctx);
    if (!err && (conf->state == SDK_CONF_SYNC_PREPARE || conf->state == SDK_CONF_PREPARING) &&
        sdk_prepared_check(ctx, &leaks) < 0)
        err = &leaks;
    switch (conf->state) {
    case SDK_CONF_SYNC_PREPARE:
    case SDK_CONF_SYNC_APPLY:
        finished_sync(ctx, err);
        return;
    case SDK_CONF_PREPARING:
        finished_prepare(ctx, err);
        break;
    case SDK_CONF_APPLYING:
        conf->state = err ? SDK_CONF_BROKEN : SDK_CONF_APPLIED;
        if (!err) {
            sdk_step_drop_patch(conf);
            conf->before = conf->revision;
            conf->revision = conf->change.revision;
            sdk_applied(ctx); /* before the answer to the config service */
        }
        sdk_step_answer(ctx, err || !conf->plan ? NULL : sdk_plan_take(conf), err);
        break;
    default: /* SDK_CONF_ABORTING */
        sdk_step_drop_patch(conf);
        sdk_prepared_discard(ctx);
        conf->state = SDK_CONF_IDLE;
        conf->revision = conf->change.revision;
        sdk_applied(ctx);
        if (err)
            orb_log(ctx, ORB_ERROR, "sdk.abort-failed", KV("tx", (int64_t)conf->change.tx),
                    KV("text", err->text));
        sdk_step_answer(ctx, NULL, err);
        break;
    }
    sdk_conf_settle(ctx);
}
