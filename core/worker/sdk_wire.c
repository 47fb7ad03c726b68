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

static void on_poll(uv_poll_t *handle, int status, int events);

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
    while (ctx->out_done < ctx->out.len) {
        ssize_t n = send(ctx->fd, ctx->out.data + ctx->out_done, ctx->out.len - ctx->out_done,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n >= 0) {
            ctx->out_done += (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN)
            return;
        /* The host does not read any more: as good as end of file. */
        ctx->out_done = ctx->out.len;
        sdk_end(ctx, 0);
    }
    if (ctx->out.cap > SDK_KEEP)
        buf_fini(&ctx->out);
    else
        buf_clear(&ctx->out);
    ctx->out_done = 0;
}

size_t sdk_wire_waiting(const struct orb_ctx *ctx)
{
    return ctx->out.len - ctx->out_done;
}

bool sdk_wire_full(const struct orb_ctx *ctx)
{
    return sdk_wire_waiting(ctx) > SDK_QUEUE_SOFT;
}

int sdk_wire_send(struct orb_ctx *ctx, const struct frame *head, const char *env, size_t env_len,
                  const char *payload, size_t len, struct orb_err *err)
{
    unsigned char header[FRAME_HEADER];
    struct frame frame = *head;

    if (env_len > FRAME_MAX_ENVELOPE)
        return orb_fail(err, ORB_E_LIMIT, "the envelope has %zu bytes, the limit is %u", env_len,
                        FRAME_MAX_ENVELOPE);
    if (len > FRAME_MAX - env_len)
        return orb_fail(err, ORB_E_LIMIT, "the message has %zu bytes, the limit is %u",
                        env_len + len, FRAME_MAX);
    if (ctx->out.len - ctx->out_done > SDK_QUEUE_MAX) {
        dprintf(STDERR_FILENO, "orbital: %s: %u bytes queued and the host does not read\n",
                ctx->service, SDK_QUEUE_MAX);
        sdk_end(ctx, 1);
        return orb_fail(err, ORB_E_BUSY, "%u bytes are queued and the host does not read",
                        SDK_QUEUE_MAX);
    }
    /* What was sent is taken out before the buffer grows. */
    if (ctx->out_done > SDK_KEEP) {
        memmove(ctx->out.data, ctx->out.data + ctx->out_done, ctx->out.len - ctx->out_done);
        ctx->out.len -= ctx->out_done;
        ctx->out_done = 0;
    }
    frame.len = (uint32_t)(env_len + len);
    frame.envlen = (uint16_t)env_len;
    frame.flags = 0;
    frame_put(header, &frame);
    buf_add(&ctx->out, header, sizeof(header));
    if (env_len)
        buf_add(&ctx->out, env, env_len);
    if (len)
        buf_add(&ctx->out, payload, len);
    if (ctx->out.len - ctx->out_done > SDK_FLUSH_AT && ctx->state != SDK_ENDED)
        flush(ctx);
    return 0;
}

void sdk_wire_drain(struct orb_ctx *ctx, int wait_ms)
{
    uint64_t until = now_ms() + (uint64_t)wait_ms;

    flush(ctx);
    while (ctx->out_done < ctx->out.len) {
        struct pollfd p = {.fd = ctx->fd, .events = POLLOUT};
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
        watch(ctx, ctx->out_done < ctx->out.len);
    if (ctx->dropped && !sdk_wire_full(ctx)) {
        uint64_t dropped = ctx->dropped;

        ctx->dropped = 0;
        orb_log(ctx, ORB_WARNING, "sdk.dropped", KV("frames", (int64_t)dropped));
        flush(ctx);
    }
}

/* Hands the complete frame at data to its handler. A NUL stands behind the payload meanwhile: the
 * byte there belongs to the next frame (or is the buffer's own NUL) and is put back. */
static void deliver(struct orb_ctx *ctx, char *data, const struct frame *head)
{
    char *end = data + FRAME_HEADER + head->len;
    struct sdk_frame frame = {.head = *head,
                              .env = data + FRAME_HEADER,
                              .env_len = head->envlen,
                              .payload = data + FRAME_HEADER + head->envlen,
                              .len = head->len - head->envlen};
    char saved = *end;

    if (frame.len == 0) {
        frame.payload = "{}";
        frame.len = 2;
    }
    *end = '\0';
    sdk_frame(ctx, &frame);
    *end = saved;
}

/* Delivers what is complete in ctx->in. ret_want: bytes the next frame still needs. */
static void deliver_all(struct orb_ctx *ctx, size_t *ret_want)
{
    size_t at = 0;

    *ret_want = 0;
    while (at < ctx->in.len && ctx->state != SDK_ENDED) {
        char *data = ctx->in.data + at;
        struct frame head = {0};
        struct orb_err err;
        int r = frame_get((unsigned char *)data, ctx->in.len - at, &head, &err);

        if (r < 0) {
            sdk_garbage(ctx, err.text);
            return;
        }
        if (r == FRAME_MORE) {
            *ret_want = FRAME_HEADER + head.len - (ctx->in.len - at);
            break;
        }
        deliver(ctx, data, &head);
        at += FRAME_HEADER + head.len;
    }
    ctx->in.len -= at;
    if (ctx->in.len)
        memmove(ctx->in.data, ctx->in.data + at, ctx->in.len);
    else if (ctx->in.cap > SDK_KEEP)
        buf_fini(&ctx->in);
}

static void on_readable(struct orb_ctx *ctx)
{
    size_t want = 0;

    for (size_t turn = 0; turn < SDK_READ_TURN && ctx->state != SDK_ENDED;) {
        size_t room = want > SDK_READ_CHUNK ? want : SDK_READ_CHUNK;
        char *to = buf_reserve(&ctx->in, room);
        ssize_t n = recv(ctx->fd, to, room, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            /* The host is gone: there is no one to report to. */
            sdk_end(ctx, 0);
            return;
        }
        ctx->in.len += (size_t)n;
        turn += (size_t)n;
        deliver_all(ctx, &want);
        if ((size_t)n < room)
            break;
    }
    if (ctx->in.len == 0 && ctx->state != SDK_ENDED)
        buf_fini(&ctx->in);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct orb_ctx *ctx = container_of(handle, struct orb_ctx, poll);

    if (ctx->state == SDK_ENDED)
        return;
    if (status < 0) {
        /* Read whatever is left; recv tells end of file and errors apart. */
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
    int r = uv_poll_init(&ctx->loop, &ctx->poll, ctx->fd);

    if (r < 0)
        return orb_fail(err, r, "the host's socket (descriptor %d) cannot be watched", ctx->fd);
    loop_scope_adopt(&ctx->scope, (uv_handle_t *)&ctx->poll);
    uv_prepare_init(&ctx->loop, &ctx->prepare);
    loop_scope_adopt(&ctx->scope, (uv_handle_t *)&ctx->prepare);
    uv_prepare_start(&ctx->prepare, on_prepare);
    watch(ctx, false);
    return 0;
}
