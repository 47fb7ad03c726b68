/* The worker's end of the socket: frames in, a write queue out. What is queued during one turn of
 * the loop leaves in one send from the prepare handle, right before the loop sleeps; large amounts
 * leave earlier. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_req.h"
#include "core/worker/sdk_wire.h"

static void on_poll(uv_poll_t *handle, int status, int events);
static void on_more(uv_idle_t *handle);

static void watch(struct orb_ctx *ctx, bool write)
{
    if (ctx->polling_write == write && uv_is_active((uv_handle_t *)&ctx->poll))
        return;
    ctx->polling_write = write;
    uv_poll_start(&ctx->poll, UV_READABLE | (write ? UV_WRITABLE : 0), on_poll);
}

/* Writes as much as the socket takes. */
static void flush(struct orb_ctx *ctx)
{
    if (frame_stream_flush(&ctx->wire, MSG_DONTWAIT) < 0)
        sdk_end(ctx, 0); /* the host does not read any more: as good as end of file */
}

size_t sdk_wire_waiting(const struct orb_ctx *ctx)
{
    return frame_stream_waiting(&ctx->wire);
}

bool sdk_wire_full(const struct orb_ctx *ctx)
{
    return sdk_wire_waiting(ctx) > SDK_QUEUE_SOFT;
}

int sdk_wire_send(struct orb_ctx *ctx, const struct frame *head, const char *env, size_t env_len,
                  const char *payload, size_t len, struct orb_err *err)
{
    int r;

    if (sdk_wire_waiting(ctx) > SDK_QUEUE_MAX) {
        dprintf(STDERR_FILENO, "orbital: %s: %u bytes queued and the host does not read\n",
                ctx->service, SDK_QUEUE_MAX);
        sdk_end(ctx, 1);
        return orb_fail(err, ORB_E_BUSY, "%u bytes are queued and the host does not read",
                        SDK_QUEUE_MAX);
    }
    r = frame_stream_add(&ctx->wire, head, env, env_len, payload, len, err);
    if (r == 0 && sdk_wire_waiting(ctx) > SDK_FLUSH_AT && ctx->state != SDK_ENDED)
        flush(ctx);
    return r;
}

void sdk_wire_drain(struct orb_ctx *ctx, int wait_ms)
{
    uint64_t until = now_ms() + (uint64_t)wait_ms;

    flush(ctx);
    while (sdk_wire_waiting(ctx)) {
        struct pollfd p = {.fd = ctx->wire.fd, .events = POLLOUT};
        uint64_t now = now_ms();

        if (now >= until || (poll(&p, 1, (int)(until - now)) <= 0 && errno != EINTR))
            return;
        flush(ctx);
    }
}

static void on_prepare(uv_prepare_t *handle)
{
    struct orb_ctx *ctx = container_of(handle, struct orb_ctx, prepare);

    if (ctx->state == SDK_ENDED)
        return;
    flush(ctx);
    if (ctx->state != SDK_ENDED)
        watch(ctx, sdk_wire_waiting(ctx) > 0);
    if (ctx->dropped && !sdk_wire_full(ctx)) {
        uint64_t dropped = ctx->dropped;

        ctx->dropped = 0;
        orb_log(ctx, ORB_WARNING, "sdk.dropped", KV("frames", (int64_t)dropped));
        flush(ctx);
    }
}

/* Passes waiting requests to the package. */
static void handle_requests(struct orb_ctx *ctx, uint64_t until_us)
{
    while (ctx->state != SDK_ENDED && sdk_queue_waits(&ctx->queue) && now_us() < until_us)
        sdk_req_next(ctx);
}

/* Of these frames many are taken quickly: requests wait in queues, the others are about them. */
static bool is_quick(const struct frame *h)
{
    return h->type == FRAME_REQ || h->type == FRAME_PEER || h->type == FRAME_CANCEL;
}

/* Takes complete frames, and handles requests until until_us; after that only the queues are
 * filled, so that requests of all identities take turns. */
static void take_frames(struct orb_ctx *ctx, uint64_t until_us)
{
    ctx->frames_left = false;
    while (ctx->state != SDK_ENDED && !ctx->frames_left) {
        struct inframe frame;
        struct orb_err err;
        int r = frame_stream_next(&ctx->wire, &frame, &err);

        if (r < 0)
            sdk_garbage(ctx, err.text);
        if (r != 0)
            return;
        sdk_frame(ctx, &frame);
        handle_requests(ctx, until_us);
        ctx->frames_left =
            now_us() >= until_us && (!is_quick(&frame.h) || ctx->queue.bytes > SDK_WAITING_MAX);
    }
}

/* Frames and requests until until_us; the rest follows in the next turn of the loop, after timers
 * and the answers of this one. */
static void deliver(struct orb_ctx *ctx, uint64_t until_us)
{
    take_frames(ctx, until_us);
    if (ctx->state == SDK_ENDED)
        return;
    if (ctx->frames_left || sdk_queue_waits(&ctx->queue))
        uv_idle_start(&ctx->more, on_more);
    else if (ctx->stopping)
        sdk_end(ctx, 0);
    else
        uv_idle_stop(&ctx->more);
}

static void on_more(uv_idle_t *handle)
{
    struct orb_ctx *ctx = container_of(handle, struct orb_ctx, more);
    uint64_t until_us;

    flush(ctx); /* answers queued before */
    until_us = now_us() + SDK_DELIVER_US;
    handle_requests(ctx, until_us);
    deliver(ctx, until_us);
}

/* While requests wait, those that came meanwhile are only queued here. */
static void on_readable(struct orb_ctx *ctx)
{
    uint64_t until_us = sdk_queue_waits(&ctx->queue) ? 0 : now_us() + SDK_DELIVER_US;

    for (size_t turn = 0; turn < SDK_READ_TURN && ctx->state != SDK_ENDED && !ctx->frames_left;) {
        long n = frame_stream_read(&ctx->wire, MSG_DONTWAIT);

        if (n > 0) {
            turn += (size_t)n;
        } else if (n != -EAGAIN) {
            sdk_end(ctx, 0); /* the host is gone: nothing to report to */
            return;
        }
        deliver(ctx, until_us);
        if (ctx->wire.in_drained)
            return;
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct orb_ctx *ctx = container_of(handle, struct orb_ctx, poll);

    if (ctx->state == SDK_ENDED)
        return;
    if (status < 0) {
        /* Reads what is left; recv distinguishes end of file and errors. */
        on_readable(ctx);
        if (ctx->state != SDK_ENDED)
            sdk_end(ctx, 0);
        return;
    }
    if (events & UV_READABLE)
        on_readable(ctx);
}

int sdk_wire_open(struct orb_ctx *ctx, struct orb_err *err)
{
    int r = uv_poll_init(&ctx->loop, &ctx->poll, ctx->wire.fd);

    if (r < 0)
        return orb_fail(err, r, "the host's socket (descriptor %d) cannot be watched",
                        ctx->wire.fd);
    loop_scope_adopt(&ctx->scope, (uv_handle_t *)&ctx->poll);
    uv_prepare_init(&ctx->loop, &ctx->prepare);
    loop_scope_adopt(&ctx->scope, (uv_handle_t *)&ctx->prepare);
    uv_prepare_start(&ctx->prepare, on_prepare);
    uv_idle_init(&ctx->loop, &ctx->more);
    loop_scope_adopt(&ctx->scope, (uv_handle_t *)&ctx->more);
    watch(ctx, false);
    return 0;
}
