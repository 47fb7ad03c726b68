/* The worker's part of configuration transactions. The tree shown to the plugin is changed in place
 * by prepare and restored by abort. One step runs at a time: while the plugin works (or has
 * returned ORB_LATER) an abort, or a prepare during start-up, is queued in one place.
 *
 * When the config service disconnects the worker undoes what was only prepared and attaches again:
 * only the successor has recorded how the transaction ended, and the difference is applied as a
 * change of whole parts. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/worker/sdk_alone.h"
#include "core/worker/sdk_attach.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_paths.h"
#include "core/worker/sdk_plan.h"
#include "core/worker/sdk_prepared.h"
#include "core/worker/sdk_req.h"
#include "core/worker/sdk_step.h"
#include "core/worker/sdk_target.h"
#include "core/worker/sdk_tree.h"

static void refuse(struct orb_req *req, int code, const char *what, uint64_t tx)
{
    struct orb_err err;

    orb_fail(&err, code, "transaction %" PRIu64 ": %s", tx, what);
    orb_reply_error(req, &err);
}

static void prepare_patch(struct orb_ctx *ctx)
{
    struct sdk_conf *conf = &ctx->conf;
    struct orb_err err;

    if (sdk_tree_apply(conf->tree, conf->patch, &conf->undo, &conf->undo_count, &err) < 0) {
        sdk_step_drop_patch(conf);
        conf->state = SDK_CONF_IDLE;
        sdk_step_answer(ctx, NULL, &err);
        sdk_conf_settle(ctx);
        return;
    }
    conf->state = SDK_CONF_PREPARING;
    sdk_step_run(ctx);
}

void sdk_conf_fetched(struct orb_ctx *ctx, const struct orb_err *err)
{
    struct sdk_conf *conf = &ctx->conf;

    conf->patch = err ? NULL : sdk_parse(buf_str(&conf->text), conf->text.len);
    buf_fini(&conf->text);
    if (err) {
        conf->state = SDK_CONF_IDLE;
        sdk_step_answer(ctx, NULL, err);
        sdk_conf_settle(ctx);
        return;
    }
    prepare_patch(ctx); /* reports an error when the text was no patch */
}

static void do_prepare(struct orb_ctx *ctx, struct orb_req *req, uint64_t tx)
{
    struct sdk_conf *conf = &ctx->conf;
    const cJSON *revision = cJSON_GetObjectItemCaseSensitive(req->in, "revision");
    const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(req->in, "bytes");
    int64_t number;
    int64_t size = 0;

    if (conf->state != SDK_CONF_IDLE && conf->state != SDK_CONF_APPLIED) {
        refuse(req, ORB_E_STATE, "an earlier transaction is neither applied nor aborted", tx);
        return;
    }
    if (orb_int64(revision, &number) < 0 || number < 0 ||
        (bytes && (orb_int64(bytes, &size) < 0 || size <= 0 || size > SDK_MAX_PATCH))) {
        refuse(req, ORB_E_INVALID, "revision or bytes is missing or out of range", tx);
        return;
    }
    sdk_step_drop_undo(conf);
    sdk_plan_drop(conf);
    sdk_prepared_discard(ctx);
    conf->change = (struct orb_change){.tx = tx, .revision = (uint64_t)number};
    conf->question = cJSON_DetachItemFromObjectCaseSensitive(req->in, "question");
    conf->req = req;
    if (bytes) {
        conf->state = SDK_CONF_FETCHING;
        sdk_attach_fetch_tx(ctx, (size_t)size);
        return;
    }
    conf->patch = cJSON_DetachItemFromObjectCaseSensitive(req->in, "patch");
    prepare_patch(ctx);
}

/* Starts undoing; req may be NULL. */
static void start_abort(struct orb_ctx *ctx, struct orb_req *req)
{
    struct sdk_conf *conf = &ctx->conf;

    conf->req = req;
    conf->applied = conf->state != SDK_CONF_PREPARED;
    conf->change.revision = conf->state == SDK_CONF_APPLIED ? conf->before : conf->revision;
    sdk_step_drop_patch(conf);
    sdk_tree_undo(conf->tree, conf->undo, conf->undo_count, &conf->patch);
    conf->undo = NULL;
    conf->undo_count = 0;
    conf->state = SDK_CONF_ABORTING;
    sdk_step_run(ctx);
}

static void do_abort(struct orb_ctx *ctx, struct orb_req *req, uint64_t tx)
{
    struct sdk_conf *conf = &ctx->conf;

    /* A service that vetoed, or was started since, has nothing to undo: that is fine. */
    if (conf->state == SDK_CONF_IDLE || conf->change.tx != tx)
        orb_reply(req, NULL);
    else
        start_abort(ctx, req);
}

static void do_apply(struct orb_ctx *ctx, struct orb_req *req, uint64_t tx)
{
    struct sdk_conf *conf = &ctx->conf;

    if (conf->state != SDK_CONF_PREPARED || conf->change.tx != tx) {
        refuse(req, ORB_E_STATE, "it is not prepared here", tx);
        return;
    }
    conf->req = req;
    conf->state = SDK_CONF_APPLYING;
    sdk_step_run(ctx);
}

static void dispatch(struct orb_ctx *ctx, struct orb_req *req, enum sdk_own_method method)
{
    int64_t tx;

    if (orb_int64(cJSON_GetObjectItemCaseSensitive(req->in, "tx"), &tx) < 0 || tx < 0) {
        refuse(req, ORB_E_INVALID, "the number tx is missing", 0);
        return;
    }
    ctx->conf.owner = req->peer->pub.id;
    if (method == SDK_OWN_PREPARE)
        do_prepare(ctx, req, (uint64_t)tx);
    else if (method == SDK_OWN_APPLY)
        do_apply(ctx, req, (uint64_t)tx);
    else
        do_abort(ctx, req, (uint64_t)tx);
}

static bool is_starting(const struct sdk_conf *conf)
{
    return conf->state == SDK_CONF_ATTACHING || conf->state == SDK_CONF_SYNC_PREPARE ||
           conf->state == SDK_CONF_SYNC_APPLY;
}

static bool is_working(const struct sdk_conf *conf)
{
    return conf->state == SDK_CONF_FETCHING || conf->state == SDK_CONF_PREPARING ||
           conf->state == SDK_CONF_APPLYING || conf->state == SDK_CONF_ABORTING;
}

/* Nothing here depends on the configuration. */
static void answer_nothing(struct orb_req *req, enum sdk_own_method method)
{
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);

    json_write_object(&w, NULL);
    if (method == SDK_OWN_PREPARE) {
        json_write_array(&w, "plan");
        json_write_end(&w);
    }
    json_write_end(&w);
    orb_reply_text(req, text.data, text.len);
}

void sdk_conf_request(struct orb_ctx *ctx, struct orb_req *req, enum sdk_own_method method)
{
    struct sdk_conf *conf = &ctx->conf;

    if (conf->state == SDK_CONF_NONE) {
        answer_nothing(req, method);
    } else if (!conf->queued &&
               (is_starting(conf) || (is_working(conf) && method == SDK_OWN_ABORT))) {
        conf->queued = req;
        conf->queued_method = method;
    } else if (is_starting(conf) || is_working(conf)) {
        refuse(req, ORB_E_STATE, "the service still works on this one", conf->change.tx);
    } else {
        dispatch(ctx, req, method);
    }
}

void sdk_conf_settle(struct orb_ctx *ctx)
{
    struct sdk_conf *conf = &ctx->conf;
    struct orb_req *req;

    if (ctx->state == SDK_ENDED || is_starting(conf) || is_working(conf))
        return;
    req = take_ptr(conf->queued);
    if (req && !req->cancelled) {
        dispatch(ctx, req, conf->queued_method);
        return; /* ends here again */
    }
    if (req)
        orb_reply(req, NULL);
    if (!conf->again)
        return;
    if (conf->state == SDK_CONF_PREPARED || conf->state == SDK_CONF_BROKEN) {
        start_abort(ctx, NULL);
        return;
    }
    conf->again = false;
    conf->state = SDK_CONF_ATTACHING;
    sdk_attach_start(ctx);
}

void sdk_conf_gone(struct orb_ctx *ctx, uint32_t peer)
{
    if (ctx->conf.state == SDK_CONF_NONE || !ctx->conf.owner || peer != ctx->conf.owner)
        return;
    sdk_conf_provider_gone(ctx);
}

/* The deadline of abort is not extended: a refused change is in force meanwhile. */
void sdk_conf_progress(struct orb_ctx *ctx, uint64_t now)
{
    struct sdk_conf *conf = &ctx->conf;

    if (conf->req && conf->state != SDK_CONF_ABORTING)
        conf->req->deadline_at = now + conf->req->deadline_ms;
}

void sdk_conf_provider_gone(struct orb_ctx *ctx)
{
    struct sdk_conf *conf = &ctx->conf;

    /* While attaching the lost call itself starts over. */
    if (conf->state == SDK_CONF_NONE || conf->state == SDK_CONF_ATTACHING)
        return;
    conf->owner = 0;
    conf->again = true;
    /* The service that kept the deadline is gone. */
    if (is_working(conf) && conf->req)
        sdk_alone_until(ctx, conf->req->deadline_at);
    sdk_conf_settle(ctx);
}

void sdk_conf_attached(struct orb_ctx *ctx, cJSON *tree, uint64_t revision)
{
    struct sdk_conf *conf = &ctx->conf;
    cJSON *was = conf->tree;

    /* Its successor must know this worker even if it was not called before. */
    sdk_target_watch(ctx, "config@1", "attach");
    sdk_step_drop_undo(conf);
    sdk_prepared_discard(ctx);
    conf->patch = sdk_tree_parts(was, tree, conf->paths);
    conf->tree = tree;
    conf->change = (struct orb_change){.revision = revision, .initial = !was};
    cJSON_Delete(was);
    if (was && !conf->patch->child) {
        sdk_step_drop_patch(conf);
        conf->revision = revision;
        conf->state = SDK_CONF_IDLE;
        sdk_applied(ctx);
        sdk_conf_settle(ctx);
        return;
    }
    conf->state = SDK_CONF_SYNC_PREPARE;
    sdk_step_run(ctx);
}

void sdk_conf_start(struct orb_ctx *ctx)
{
    struct orb_err err;

    if (!ctx->plugin->config) {
        sdk_started(ctx);
        return;
    }
    if (sdk_paths_choose(ctx, &err) < 0) {
        sdk_fail(ctx, &err);
        return;
    }
    ctx->conf.state = SDK_CONF_ATTACHING;
    sdk_attach_start(ctx);
}

void sdk_conf_fini(struct orb_ctx *ctx)
{
    struct sdk_conf *conf = &ctx->conf;

    sdk_step_drop_undo(conf);
    sdk_plan_drop(conf);
    sdk_step_drop_patch(conf); /* may refer into the tree */
    cJSON_Delete(conf->tree);
    buf_fini(&conf->text);
    free(conf->paths);
}
