/* Life of a worker: HELLO, WELCOME, init, configuration, READY, then frames until STOP or end of
 * file. Everything runs on one libuv loop; every way to end the worker leads through sdk_end(), and
 * memory is freed after the loop's last close callback, so a leak checker reports leaks of the
 * plugin only. */
#include "core/worker/sdk.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/worker/sdk_alone.h"
#include "core/worker/sdk_attach.h"
#include "core/worker/sdk_call.h"
#include "core/worker/sdk_event.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_loop.h"
#include "core/worker/sdk_obs.h"
#include "core/worker/sdk_post.h"
#include "core/worker/sdk_prepared.h"
#include "core/worker/sdk_problem.h"
#include "core/worker/sdk_progress.h"
#include "core/worker/sdk_req.h"
#include "core/worker/sdk_target.h"
#include "core/worker/sdk_wire.h"

cJSON *sdk_parse(const char *text, size_t len)
{
    const char *end = NULL;
    cJSON *tree = cJSON_ParseWithLengthOpts(text, len, &end, false);

    if (tree && end != text + len) {
        cJSON_Delete(tree);
        return NULL;
    }
    return tree;
}

const char *sdk_text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    return text ? text : "";
}

void sdk_end(struct orb_ctx *ctx, int exit_code)
{
    if (ctx->state == SDK_ENDED)
        return;
    ctx->state = SDK_ENDED;
    ctx->exit_code = exit_code;
    uv_stop(&ctx->loop);
}

static void send_fail(struct orb_ctx *ctx, const struct orb_err *err)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    json_write_error(&w, NULL, err);
    sdk_wire_send(ctx, &(struct frame){.type = FRAME_FAIL}, NULL, 0, buf_str(&b), b.len, NULL);
}

void sdk_fail(struct orb_ctx *ctx, const struct orb_err *err)
{
    if (ctx->state == SDK_ENDED)
        return;
    send_fail(ctx, err);
    sdk_end(ctx, 1);
}

void sdk_garbage(struct orb_ctx *ctx, const char *what)
{
    if (ctx->state == SDK_ENDED)
        return;
    dprintf(STDERR_FILENO, "orbital: %s: the host broke the protocol: %s\n", ctx->service, what);
    sdk_end(ctx, 1);
}

void orb_fatal(struct orb_ctx *ctx, const struct orb_err *err)
{
    struct orb_err unknown = {.code = ORB_E_INTERNAL, .text = "orb_fatal without an error"};

    send_fail(ctx, err ? err : &unknown);
    sdk_wire_drain(ctx, SDK_FLUSH_MS);
    /* The plugin is in a state it declared hopeless: none of its exit handlers run. */
    _exit(1);
}

/* A callback that reports failure without filling err still gets a sentence. */
static void complete(struct orb_err *err, int code, const char *what)
{
    if (err->code == 0)
        orb_fail(err, code, "%s failed", what);
}

static void send_revision(struct orb_ctx *ctx, unsigned type)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    json_write_object(&w, NULL);
    json_write_integer(&w, "revision", (int64_t)ctx->conf.revision);
    json_write_end(&w);
    sdk_wire_send(ctx, &(struct frame){.type = (uint8_t)type}, NULL, 0, buf_str(&b), b.len, NULL);
    ctx->conf.told = ctx->conf.revision;
}

static void send_ready(struct orb_ctx *ctx)
{
    send_revision(ctx, FRAME_READY);
    ctx->state = SDK_RUNNING;
}

void sdk_applied(struct orb_ctx *ctx)
{
    if (ctx->state == SDK_RUNNING && ctx->conf.told != ctx->conf.revision)
        send_revision(ctx, FRAME_APPLIED);
}

void orb_ready(struct orb_ctx *ctx, const struct orb_err *err)
{
    if (!ctx->ready_later || ctx->state != SDK_STARTING) {
        orb_log(ctx, ORB_WARNING, "sdk.misuse", KV("call", "orb_ready"));
        return;
    }
    ctx->ready_later = false;
    if (err && err->code)
        sdk_fail(ctx, err);
    else
        send_ready(ctx);
}

void sdk_started(struct orb_ctx *ctx)
{
    struct orb_err err = {0};
    int r = 0;

    if (ctx->ready_called || ctx->state != SDK_STARTING)
        return;
    ctx->ready_called = true;
    /* Set before the call: orb_ready() may be called inside it. */
    ctx->ready_later = true;
    if (ctx->plugin->ready)
        r = ctx->plugin->ready(ctx, &err);
    if (r == ORB_LATER || !ctx->ready_later)
        return;
    ctx->ready_later = false;
    if (r < 0) {
        complete(&err, r, "ready");
        sdk_fail(ctx, &err);
        return;
    }
    if (ctx->state == SDK_STARTING)
        send_ready(ctx);
}

static void on_welcome(struct orb_ctx *ctx, const struct inframe *frame)
{
    struct orb_err err = {0};
    const char *service;
    int r;

    ctx->welcome = sdk_parse(frame->payload, frame->len);
    if (!cJSON_IsObject(ctx->welcome)) {
        sdk_garbage(ctx, "WELCOME carries no object");
        return;
    }
    service = sdk_text_of(ctx->welcome, "service");
    if (*service)
        snprintf(ctx->service, sizeof(ctx->service), "%s", service);
    ctx->state = SDK_STARTING;
    if (ctx->unusable.code) {
        sdk_fail(ctx, &ctx->unusable);
        return;
    }
    r = sdk_req_methods(ctx, cJSON_GetObjectItemCaseSensitive(ctx->welcome, "methods"), &err);
    if (r < 0) {
        sdk_fail(ctx, &err);
        return;
    }
    if (ctx->plugin->init) {
        r = ctx->plugin->init(ctx, &err);
        if (r < 0) {
            complete(&err, r, "init");
            sdk_fail(ctx, &err);
            return;
        }
    }
    ctx->loaded = true;
    sdk_conf_start(ctx);
}

static void on_ping(struct orb_ctx *ctx, const struct inframe *frame)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);
    struct orb_err err = {0};
    int r = ctx->loaded && ctx->plugin->health ? ctx->plugin->health(ctx, &err) : 0;

    json_write_object(&w, NULL);
    if (r < 0) {
        complete(&err, r, "health");
        json_write_string(&w, "degraded", err.text);
    }
    json_write_end(&w);
    sdk_wire_send(ctx, &(struct frame){.type = FRAME_PONG, .corr = frame->h.corr}, NULL, 0,
                  buf_str(&b), b.len, NULL);
}

/* What came before it is answered. */
static void on_stop(struct orb_ctx *ctx, const struct inframe *frame)
{
    ctx->stopping = true;
    if (!sdk_queue_waits(&ctx->queue))
        sdk_end(ctx, 0);
}

void sdk_frame(struct orb_ctx *ctx, const struct inframe *frame)
{
    static void (*const handlers[FRAME_TYPES])(struct orb_ctx *, const struct inframe *) = {
        [FRAME_WELCOME] = on_welcome,
        [FRAME_OPENED] = sdk_call_answer,
        [FRAME_REQ] = sdk_req_frame,
        [FRAME_REP] = sdk_call_answer,
        [FRAME_PROGRESS] = sdk_progress_frame,
        [FRAME_ERR] = sdk_call_answer,
        [FRAME_CANCEL] = sdk_req_cancel,
        [FRAME_EVENT] = sdk_event_frame,
        [FRAME_GAP] = sdk_event_gap,
        [FRAME_PING] = on_ping,
        [FRAME_STOP] = on_stop,
        [FRAME_PEER] = sdk_req_peer,
        [FRAME_GONE] = sdk_req_gone,
    };
    unsigned type = frame->h.type;
    bool early = type == FRAME_STOP || type == FRAME_PING || type == FRAME_PEER;

    if (type >= FRAME_TYPES || !handlers[type])
        sdk_garbage(ctx, "a frame type the host must not send");
    else if (ctx->state == SDK_HELLO && type != FRAME_WELCOME && !early)
        sdk_garbage(ctx, "the first frame is not WELCOME");
    else if (ctx->state != SDK_HELLO && type == FRAME_WELCOME)
        sdk_garbage(ctx, "a second WELCOME");
    else
        handlers[type](ctx, frame);
}

static void send_hello(struct orb_ctx *ctx)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    json_write_object(&w, NULL);
    json_write_integer(&w, "abi", IPC_ABI);
    json_write_string(&w, "name", ctx->plugin->name ? ctx->plugin->name : "");
    json_write_end(&w);
    sdk_wire_send(ctx, &(struct frame){.type = FRAME_HELLO}, buf_str(&b), b.len, NULL, 0, NULL);
}

static void on_scope_closed(struct loop_scope *scope)
{
    /* The context is on sdk_run's stack: nothing to free. */
}

/* The SDK's timers, which the scope closes. */
static void init_timer(struct orb_ctx *ctx, struct sdk_timer *timer,
                       void (*cb)(struct sdk_timer *timer))
{
    sdk_timer_init(timer, ctx, cb);
    sdk_timer_adopt(timer, &ctx->scope);
}

static void close_all(struct orb_ctx *ctx)
{
    sdk_conf_fini(ctx);
    sdk_call_fini(ctx);
    sdk_target_fini(ctx);
    sdk_req_fini(ctx);
    sdk_event_fini(ctx);
    sdk_obs_fini(ctx);
    sdk_problem_fini(ctx);
    sdk_loop_fini(ctx);
    sdk_post_fini(ctx);
    loop_scope_close(&ctx->scope);
    /* Only closes handles; an earlier uv_stop() affects the first turn. */
    while (uv_run(&ctx->loop, UV_RUN_DEFAULT))
        ;
    uv_loop_close(&ctx->loop);
    cJSON_Delete(ctx->welcome);
    frame_stream_fini(&ctx->wire);
    sdk_plugin_fini(&ctx->descriptor);
}

int sdk_open(struct orb_ctx *ctx, const struct sdk_setup *setup, const struct orb_plugin *plugin,
             struct orb_err *err)
{
    int r;

    ctx->setup = setup;
    ctx->wire.fd = setup->ipc_fd;
    snprintf(ctx->service, sizeof(ctx->service), "%s", setup->service ? setup->service : "");
    r = uv_loop_init(&ctx->loop);
    if (r < 0)
        return orb_fail(err, ORB_E_IO, "event loop: %s", uv_strerror(r));
    sdk_plugin_read(plugin, &ctx->descriptor, &ctx->unusable);
    ctx->plugin = &ctx->descriptor.head;
    loop_scope_init(&ctx->scope, on_scope_closed);
    init_timer(ctx, &ctx->call_timer, sdk_call_on_timer);
    init_timer(ctx, &ctx->metric_timer, sdk_obs_on_timer);
    init_timer(ctx, &ctx->attach_timer, sdk_attach_on_timer);
    init_timer(ctx, &ctx->problem_timer, sdk_problem_on_timer);
    init_timer(ctx, &ctx->alone_timer, sdk_alone_on_timer);
    r = sdk_wire_open(ctx, err);
    if (r >= 0)
        r = sdk_post_open(ctx, err);
    if (r < 0)
        close_all(ctx);
    else
        send_hello(ctx);
    return r;
}

int sdk_close(struct orb_ctx *ctx)
{
    sdk_post_close(ctx);
    sdk_prepared_discard(ctx);
    if (ctx->loaded && ctx->plugin->stop)
        ctx->plugin->stop(ctx);
    sdk_obs_flush(ctx);
    sdk_wire_drain(ctx, SDK_FLUSH_MS);
    close_all(ctx);
    return ctx->exit_code;
}

int sdk_run(const struct sdk_setup *setup, const struct orb_plugin *plugin)
{
    struct orb_ctx ctx = {0};
    struct orb_err err = {0};

    if (sdk_open(&ctx, setup, plugin, &err) < 0) {
        dprintf(STDERR_FILENO, "orbital: %s: %s\n", ctx.service, err.text);
        return 1;
    }
    while (ctx.state != SDK_ENDED)
        uv_run(&ctx.loop, UV_RUN_DEFAULT);
    return sdk_close(&ctx);
}

void orb_set_user(struct orb_ctx *ctx, void *user)
{
    ctx->user = user;
}

void *orb_user(struct orb_ctx *ctx)
{
    return ctx->user;
}

const char *orb_service_name(struct orb_ctx *ctx)
{
    return ctx->service;
}

int orb_socket(struct orb_ctx *ctx, const char *name)
{
    for (unsigned i = 0; i < ctx->setup->socket_count; i++)
        if (!strcmp(ctx->setup->sockets[i].name, name))
            return ctx->setup->sockets[i].fd;
    return -1;
}

const char *orb_state_dir(struct orb_ctx *ctx)
{
    return ctx->setup->state_dir;
}
