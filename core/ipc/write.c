/* Writing to peers. Within one turn of the loop frames are only collected as slices of memory that
 * lives until the turn ends; then each destination gets one sendmsg(), and only what the socket did
 * not take is copied. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/ipc/room.h"

unsigned char *scratch_get(struct broker *broker, size_t len)
{
    struct scratch *s = broker->scratch;
    unsigned char *p;

    len = (len + 7) & ~(size_t)7;
    if (!s || s->size - s->used < len) {
        size_t size = len > SCRATCH_BLOCK ? len : SCRATCH_BLOCK;

        s = xcalloc(1, sizeof(*s) + size);
        s->size = size;
        s->next = broker->scratch;
        broker->scratch = s;
    }
    p = s->data + s->used;
    s->used += len;
    return p;
}

static void scratch_reset(struct broker *broker)
{
    struct scratch *s = broker->scratch;

    while (s && (s->next || s->size > SCRATCH_BLOCK)) {
        broker->scratch = s->next;
        free(s);
        s = broker->scratch;
    }
    if (s)
        s->used = 0;
}

size_t peer_queued(const struct ipc_peer *peer)
{
    return peer->iov_bytes + peer->backlog_len - peer->backlog_at;
}

size_t peer_queue(const struct ipc_peer *peer, enum queue_step step)
{
    return peer->queue_max / 16 * step;
}

static void fail_write(struct ipc_peer *peer, int code)
{
    struct orb_err err;

    peer->iov_count = 0;
    peer->iov_bytes = 0;
    peer->backlog_at = peer->backlog_len = 0;
    if (code == -EPIPE || code == -ECONNRESET)
        orb_fail(&err, ORB_E_GONE, "%s closed the connection", peer->self.name);
    else
        orb_fail(&err, code, "cannot write to %s", peer->self.name);
    peer_end(peer, &err);
}

static void want_write(struct ipc_peer *peer, bool want)
{
    if (peer->want_write == want || peer->dead)
        return;
    peer->want_write = want;
    peer_poll_start(peer);
    rest_before_more(peer);
}

static int backlog_add(struct ipc_peer *peer, const void *data, size_t len)
{
    if (peer->backlog_at == peer->backlog_len)
        peer->backlog_at = peer->backlog_len = 0;
    if (peer->backlog_len + len > peer->backlog_cap && peer->backlog_at) {
        memmove(peer->backlog, peer->backlog + peer->backlog_at,
                peer->backlog_len - peer->backlog_at);
        peer->backlog_len -= peer->backlog_at;
        peer->backlog_at = 0;
    }
    if (peer->backlog_len + len > peer->backlog_cap) {
        size_t cap = peer->backlog_cap ? peer->backlog_cap : 16384;
        char *p;

        while (cap < peer->backlog_len + len)
            cap *= 2;
        p = realloc(peer->backlog, cap);
        if (!p)
            return -ENOMEM;
        peer->backlog = p;
        peer->backlog_cap = cap;
    }
    memcpy(peer->backlog + peer->backlog_len, data, len);
    peer->backlog_len += len;
    return 0;
}

/* Moves what the socket did not take of iov (after `sent` bytes) to the backlog. */
static int keep_rest(struct ipc_peer *peer, size_t sent)
{
    int r = 0;

    for (unsigned i = 0; i < peer->iov_count && r == 0; i++) {
        struct iovec *v = &peer->iov[i];

        if (sent >= v->iov_len) {
            sent -= v->iov_len;
            continue;
        }
        r = backlog_add(peer, (char *)v->iov_base + sent, v->iov_len - sent);
        sent = 0;
    }
    peer->iov_count = 0;
    peer->iov_bytes = 0;
    return r;
}

void peer_flush(struct ipc_peer *peer)
{
    struct msghdr message = {.msg_iov = peer->iov, .msg_iovlen = peer->iov_count};
    size_t all = peer->iov_bytes;
    ssize_t n = 0;
    int r;

    if (!peer->iov_count || peer->fd < 0)
        return;
    if (peer->backlog_at == peer->backlog_len) {
        do {
            if (peer->iov_count == 1)
                n = send(peer->fd, peer->iov[0].iov_base, peer->iov[0].iov_len,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
            else
                n = sendmsg(peer->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        } while (n < 0 && errno == EINTR);
        if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
            fail_write(peer, -errno);
            return;
        }
        if (n < 0)
            n = 0;
        peer->broker->bytes_out += (size_t)n;
    }
    if ((size_t)n == all) {
        peer->iov_count = 0;
        peer->iov_bytes = 0;
        return;
    }
    r = keep_rest(peer, (size_t)n);
    if (r < 0)
        fail_write(peer, r);
    else
        want_write(peer, true);
}

void peer_drain(struct ipc_peer *peer)
{
    while (peer->backlog_at < peer->backlog_len) {
        ssize_t n = send(peer->fd, peer->backlog + peer->backlog_at,
                         peer->backlog_len - peer->backlog_at, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
            fail_write(peer, -errno);
            return;
        }
        if (n <= 0)
            return;
        peer->backlog_at += (size_t)n;
        peer->broker->bytes_out += (size_t)n;
    }
    free(peer->backlog);
    peer->backlog = NULL;
    peer->backlog_at = peer->backlog_len = peer->backlog_cap = 0;
    want_write(peer, !publish_gaps(peer));
}

static void mark_dirty(struct ipc_peer *peer)
{
    struct broker *broker = peer->broker;

    if (peer->dirty)
        return;
    peer->dirty = true;
    peer->dirty_next = NULL;
    if (broker->dirty)
        broker->dirty_last->dirty_next = peer;
    else
        broker->dirty = peer;
    broker->dirty_last = peer;
}

void broker_undirty(struct ipc_peer *peer)
{
    struct broker *broker = peer->broker;
    struct ipc_peer **at = &broker->dirty, *last = NULL;

    if (!peer->dirty)
        return;
    peer->dirty = false;
    while (*at) {
        if (*at == peer)
            *at = peer->dirty_next;
        else {
            last = *at;
            at = &last->dirty_next;
        }
    }
    broker->dirty_last = last;
}

void broker_flush(struct broker *broker)
{
    struct ipc_peer *peer;

    while ((peer = broker->dirty)) {
        broker->dirty = peer->dirty_next;
        peer->dirty = false;
        peer_flush(peer);
    }
    broker->dirty_last = NULL;
    scratch_reset(broker);
}

void peer_send_borrowed(struct ipc_peer *peer, const unsigned char *data, size_t len)
{
    struct iovec *last;

    if (peer->dead || peer->fd < 0)
        return;
    if (peer_queued(peer) + len > peer->queue_max) {
        peer_flush(peer); /* perhaps its socket has room */
        if (peer_queued(peer) + len > peer->queue_max && !peer->dead) {
            struct orb_err err;

            orb_fail(&err, ORB_E_LIMIT, "%s does not read: over %zu bytes wait for it",
                     peer->self.name, peer->queue_max);
            peer_end(peer, &err);
        }
        if (peer->dead)
            return;
    }
    last = peer->iov_count ? &peer->iov[peer->iov_count - 1] : NULL;
    if (last && (unsigned char *)last->iov_base + last->iov_len == data) {
        last->iov_len += len;
    } else {
        if (peer->iov_count == PEER_IOV)
            peer_flush(peer);
        if (peer->dead)
            return;
        peer->iov[peer->iov_count++] = (struct iovec){(void *)(uintptr_t)data, len};
    }
    peer->iov_bytes += len;
    peer->queued_ever += len;
    mark_dirty(peer);
}

void peer_send(struct ipc_peer *peer, const struct frame *frame, const char *env,
               const char *payload, size_t len)
{
    size_t envlen = env ? strlen(env) : 0;
    struct frame f = *frame;
    unsigned char *p;

    if (peer->dead || peer->fd < 0)
        return;
    if (envlen > FRAME_MAX_ENVELOPE || envlen + len > FRAME_MAX)
        abort(); /* our own mistake: callers bound what they send */
    f.len = (uint32_t)(envlen + len);
    f.envlen = (uint16_t)envlen;
    p = scratch_get(peer->broker, FRAME_HEADER + f.len);
    frame_put(p, &f);
    if (envlen)
        memcpy(p + FRAME_HEADER, env, envlen);
    if (len)
        memcpy(p + FRAME_HEADER + envlen, payload, len);
    peer->frames_out++;
    peer->broker->frames_out++;
    peer_send_borrowed(peer, p, FRAME_HEADER + f.len);
}

void peer_send_err(struct ipc_peer *peer, uint32_t corr, const struct orb_err *err)
{
    AUTO(buf) struct buf env = {0};

    if (peer->dead || peer->fd < 0)
        return;
    buf_addf(&env, "{\"err\":{\"code\":\"%s\",\"text\":", orb_code_name(err->code));
    buf_add_json(&env, err->text, strlen(err->text));
    if (err->path[0]) {
        buf_adds(&env, ",\"path\":");
        buf_add_json(&env, err->path, strlen(err->path));
    }
    buf_adds(&env, "}}");
    peer_send(peer, &(struct frame){.type = FRAME_ERR, .corr = corr}, buf_str(&env), NULL, 0);
}
