/* Fetches the subscribed parts from the config service, and patches too large for a frame. Both
 * arrive as slices of JSON text. A config service that is not available, or restarts, is called
 * again: a wait that is too long is ended by the supervisor's ready deadline. */
#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "core/worker/sdk_attach.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_target.h"

#define RETRY_MS 200
#define DEADLINE_MS 10000

static void on_slice(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err);

static void retry(struct orb_ctx *ctx, const struct orb_err *err)
{
    if (!ctx->conf.waiting)
        orb_log(ctx, ORB_NOTICE, "sdk.config-awaited", KV("code", orb_code_name(err->code)),
                KV("text", err->text));
    ctx->conf.waiting = true;
    sdk_timer_start(&ctx->attach_timer, RETRY_MS, 0);
}

void sdk_attach_on_timer(struct sdk_timer *timer)
{
    sdk_attach_start(container_of(timer, struct orb_ctx, attach_timer));
}

void sdk_attach_start(struct orb_ctx *ctx)
{
    cJSON *in = cJSON_CreateObject();
    cJSON *paths = cJSON_AddArrayToObject(in, "paths");
    struct orb_err err;

    for (size_t i = 0; ctx->conf.paths[i]; i++)
        cJSON_AddItemToArray(paths, cJSON_CreateString(ctx->conf.paths[i]));
    buf_fini(&ctx->conf.text);
    ctx->conf.want = 0;
    sdk_target_forget(ctx, "config@1", "attach"); /* the next answer is of a new config service */
    if (orb_call(ctx, "config@1", "attach", in, DEADLINE_MS, on_slice, NULL, &err) < 0)
        sdk_fail(ctx, &err);
}

static void fetch(struct orb_ctx *ctx)
{
    cJSON *in = cJSON_CreateObject();
    struct orb_err err;

    cJSON_AddStringToObject(in, "what", ctx->conf.state == SDK_CONF_FETCHING ? "tx" : "attach");
    orb_add_int64(in, "offset", (int64_t)ctx->conf.text.len);
    if (orb_call(ctx, "config@1", "fetch", in, DEADLINE_MS, on_slice, NULL, &err) < 0)
        sdk_fail(ctx, &err);
}

void sdk_attach_fetch_tx(struct orb_ctx *ctx, size_t bytes)
{
    buf_fini(&ctx->conf.text);
    ctx->conf.want = bytes;
    fetch(ctx);
}

static bool passes(int code)
{
    return code == ORB_E_UNAVAILABLE || code == ORB_E_GONE || code == ORB_E_BUSY ||
           code == ORB_E_DEADLINE || code == ORB_E_NOT_FOUND || code == ORB_E_STATE;
}

static void failed(struct orb_ctx *ctx, const struct orb_err *err)
{
    struct orb_err wrapped = *err;

    if (ctx->conf.state == SDK_CONF_FETCHING) {
        orb_wrap(&wrapped, "the patch could not be fetched");
        sdk_conf_fetched(ctx, &wrapped);
    } else if (passes(err->code)) {
        retry(ctx, err);
    } else {
        orb_wrap(&wrapped, "the configuration could not be read");
        sdk_fail(ctx, &wrapped);
    }
}

static void complete(struct orb_ctx *ctx)
{
    struct sdk_conf *conf = &ctx->conf;
    cJSON *tree;
    struct orb_err err;

    if (conf->state == SDK_CONF_FETCHING) {
        sdk_conf_fetched(ctx, NULL);
        return;
    }
    tree = sdk_parse(buf_str(&conf->text), conf->text.len);
    buf_fini(&conf->text);
    if (cJSON_IsObject(tree)) {
        conf->waiting = false;
        sdk_conf_attached(ctx, tree, conf->next_revision);
        return;
    }
    cJSON_Delete(tree);
    orb_fail(&err, ORB_E_PROTOCOL, "the slices of the configuration do not make a JSON object");
    failed(ctx, &err);
}

static void on_slice(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct sdk_conf *conf = &ctx->conf;
    const char *data = sdk_text_of(out, "data");
    size_t len = strlen(data);
    struct orb_err bad;
    int64_t bytes;
    int64_t revision;

    if (err) {
        failed(ctx, err);
        return;
    }
    if (!conf->want && !conf->text.len) {
        if (orb_int64(cJSON_GetObjectItemCaseSensitive(out, "bytes"), &bytes) < 0 || bytes < 0 ||
            orb_int64(cJSON_GetObjectItemCaseSensitive(out, "revision"), &revision) < 0) {
            orb_fail(&bad, ORB_E_PROTOCOL, "attach answered without bytes and revision");
            failed(ctx, &bad);
            return;
        }
        conf->want = (size_t)bytes;
        conf->next_revision = (uint64_t)revision;
    }
    if (conf->want > SDK_MAX_PATCH || len > conf->want - conf->text.len ||
        (len == 0 && conf->want > conf->text.len)) {
        orb_fail(&bad, ORB_E_PROTOCOL,
                 "a slice of %zu bytes at offset %zu of %zu; the limit in all is %u", len,
                 conf->text.len, conf->want, SDK_MAX_PATCH);
        failed(ctx, &bad);
        return;
    }
    buf_add(&conf->text, data, len);
    if (conf->text.len < conf->want)
        fetch(ctx);
    else
        complete(ctx);
}
