/* Reading from peers: bytes become checked frames, frames go to the function of their type. A frame
 * that came whole stays where it was read until the turn ends, so forwarding it copies nothing. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/ipc/room.h"
#include "core/json/scan.h"

#define PART_SMALL 4096u /* a longer beginning is not moved again for every read */

enum who_may { BY_SERVICE = 1, BY_CLIENT = 2 };

typedef void frame_fn(struct ipc_peer *peer, struct inframe *in);

void peer_poll_start(struct ipc_peer *peer)
{
    /* With frames left over we ask for room to write, because that comes at once. */
    bool write = peer->want_write || (peer->more && !peer->resting);
    int events = (peer->resting ? UV_DISCONNECT : UV_READABLE) | (write ? UV_WRITABLE : 0);

    uv_poll_start(&peer->poll, events, peer_on_poll);
}

int envelope_string(const struct inframe *in, const char *key, char *to, size_t size,
                    struct orb_err *err)
{
    struct json_slice value;

    to[0] = '\0';
    if (!in->h.envlen || !json_member(in->env, in->h.envlen, key, &value))
        return 0;
    if (json_text(&value, to, size) < 0) {
        to[0] = '\0';
        return orb_fail(err, ORB_E_INVALID,
                        "\"%s\" of the envelope is not a string of at most %zu bytes", key,
                        size - 1);
    }
    return 0;
}

/* The number in READY and APPLIED; false: it is none, and the peer is thrown out. */
static bool revision_of(struct ipc_peer *peer, const struct inframe *in, uint64_t *ret_revision)
{
    struct json_slice value;
    struct orb_err err;
    int64_t revision = 0;

    if (json_member(in->payload, in->len, "revision", &value) &&
        (json_int64(&value, &revision) < 0 || revision < 0)) {
        orb_fail(&err, ORB_E_PROTOCOL, "\"revision\" of %s is no revision number",
                 frame_type_name(in->h.type));
        peer_throw(peer, &err);
        return false;
    }
    *ret_revision = (uint64_t)revision;
    return true;
}

static void on_ready(struct ipc_peer *peer, struct inframe *in)
{
    struct orb_err err;
    uint64_t revision = 0;

    if (peer->ready_seen) {
        orb_fail(&err, ORB_E_PROTOCOL, "a second READY");
        peer_throw(peer, &err);
        return;
    }
    peer->ready_seen = true;
    if (revision_of(peer, in, &revision) && peer->events && peer->events->ready)
        peer->events->ready(peer->arg, revision);
}

static void on_applied(struct ipc_peer *peer, struct inframe *in)
{
    struct orb_err err;
    uint64_t revision = 0;

    if (!peer->ready_seen) {
        orb_fail(&err, ORB_E_PROTOCOL, "APPLIED before READY");
        peer_throw(peer, &err);
        return;
    }
    if (revision_of(peer, in, &revision) && peer->events && peer->events->applied)
        peer->events->applied(peer->arg, revision);
}

static void on_pong(struct ipc_peer *peer, struct inframe *in)
{
    struct json_slice value;
    char degraded[200] = "";

    if (!peer->ping_open)
        return; /* nobody asked */
    peer->ping_open = false;
    if (json_member(in->payload, in->len, "degraded", &value) &&
        json_text(&value, degraded, sizeof(degraded)) < 0)
        snprintf(degraded, sizeof(degraded), "degraded (its own words are too long)");
    if (peer->events && peer->events->pong)
        peer->events->pong(peer->arg, degraded);
}

static void on_fail(struct ipc_peer *peer, struct inframe *in)
{
    struct json_slice value;
    char text[ORB_ERR_TEXT] = "", path[ORB_ERR_PATH] = "";
    AUTO_FREE char *all = NULL;

    if (!json_member(in->payload, in->len, "text", &value) ||
        json_text(&value, text, sizeof(text)) < 0)
        snprintf(text, sizeof(text), "it gave no reason");
    if (json_member(in->payload, in->len, "path", &value) &&
        json_text(&value, path, sizeof(path)) < 0)
        path[0] = '\0';
    all = path[0] ? xasprintf("%s: %s", path, text) : xstrdup(text);
    if (peer->events && peer->events->failed)
        peer->events->failed(peer->arg, all);
}

static void on_log(struct ipc_peer *peer, struct inframe *in)
{
    if (peer->events && peer->events->log)
        peer->events->log(peer->arg, in->payload, in->len);
}

static void on_metric(struct ipc_peer *peer, struct inframe *in)
{
    if (peer->events && peer->events->metric)
        peer->events->metric(peer->arg, in->payload, in->len);
}

static void on_progress(struct ipc_peer *peer, struct inframe *in)
{
    peer->progress_at = uv_now(peer->broker->loop);
    if (peer->events && peer->events->progress)
        peer->events->progress(peer->arg);
}

static void on_problems(struct ipc_peer *peer, struct inframe *in)
{
    if (peer->events && peer->events->problems)
        peer->events->problems(peer->arg, in->payload, in->len);
}

/* by 0: nobody sends this to the host. raw: the function scans itself. answered: a payload that is
 * no JSON is answered with ERR, otherwise dropped with a complaint. */
static const struct rule {
    frame_fn *fn;
    unsigned char by;
    bool raw;
    bool answered;
} rules[FRAME_TYPES] = {
    [FRAME_HELLO] = {peer_on_hello, BY_SERVICE | BY_CLIENT, false, true},
    [FRAME_OPEN] = {route_on_open, BY_SERVICE | BY_CLIENT, false, true},
    [FRAME_REQ] = {request_on_req, BY_SERVICE | BY_CLIENT, true, true},
    [FRAME_REP] = {request_on_rep, BY_SERVICE, true, false},
    [FRAME_ERR] = {request_on_err, BY_SERVICE, true, false},
    [FRAME_SUB] = {publish_on_sub, BY_SERVICE | BY_CLIENT, false, true},
    [FRAME_UNSUB] = {publish_on_unsub, BY_SERVICE | BY_CLIENT, false, true},
    [FRAME_PUB] = {publish_on_pub, BY_SERVICE, true, false},
    [FRAME_PONG] = {on_pong, BY_SERVICE, false, false},
    [FRAME_READY] = {on_ready, BY_SERVICE, false, false},
    [FRAME_LOG] = {on_log, BY_SERVICE, false, false},
    [FRAME_METRIC] = {on_metric, BY_SERVICE, false, false},
    [FRAME_FAIL] = {on_fail, BY_SERVICE, false, false},
    [FRAME_PROBLEMS] = {on_problems, BY_SERVICE, false, false},
    [FRAME_PROGRESS] = {on_progress, BY_SERVICE, true, false},
    [FRAME_APPLIED] = {on_applied, BY_SERVICE, false, false},
};

/* 0, or ORB_E_PROTOCOL: the peer is thrown out. */
static int admit(const struct ipc_peer *peer, const struct frame *h, struct orb_err *err)
{
    const struct rule *rule = &rules[h->type];

    if (!(rule->by & (peer->client ? BY_CLIENT : BY_SERVICE)))
        return orb_fail(err, ORB_E_PROTOCOL, "a %s does not send %s frames",
                        peer->client ? "client" : "service", frame_type_name(h->type));
    if (h->type == FRAME_HELLO && peer->greeted)
        return orb_fail(err, ORB_E_PROTOCOL, "a second HELLO");
    if (h->type != FRAME_HELLO && h->type != FRAME_FAIL && !peer->greeted)
        return orb_fail(err, ORB_E_PROTOCOL, "%s before HELLO", frame_type_name(h->type));
    if (h->src && h->type != FRAME_REQ && h->type != FRAME_OPEN)
        return orb_fail(err, ORB_E_PROTOCOL, "a %s frame names a sender (src %u)",
                        frame_type_name(h->type), h->src);
    return 0;
}

static int scan_frame(const struct inframe *in, struct orb_err *err)
{
    int r = 0;

    if (in->h.envlen) {
        r = json_scan(in->env, in->h.envlen, NULL, err);
        if (r < 0)
            return orb_wrap(err, "envelope of %s", frame_type_name(in->h.type));
    }
    if (in->h.len > in->h.envlen)
        r = json_scan(in->payload, in->len, NULL, err);
    if (r < 0)
        return orb_wrap(err, "payload of %s", frame_type_name(in->h.type));
    return 0;
}

void peer_frame(struct ipc_peer *peer, struct inframe *in)
{
    const struct rule *rule = &rules[in->h.type];
    struct orb_err err;
    int r;

    peer->frames_in++;
    peer->broker->frames_in++;
    r = admit(peer, &in->h, &err);
    if (r < 0) {
        peer_throw(peer, &err);
        return;
    }
    in->env = (const char *)in->data + FRAME_HEADER;
    in->len = in->h.len - in->h.envlen;
    in->payload = in->env + in->h.envlen;
    if (in->len == 0) {
        in->payload = "{}";
        in->len = 2;
    }
    r = rule->raw ? 0 : scan_frame(in, &err);
    if (r < 0) {
        request_count(peer, &err);
        if (rule->answered)
            peer_send_err(peer, in->h.corr, &err);
        else
            peer_complain(peer, "ipc.bad-json", &err);
        return;
    }
    rule->fn(peer, in);
}

void peer_checks(struct ipc_peer *peer)
{
    peer->checking = peer->resting = true;
    peer_poll_start(peer);
}

void peer_frame_checked(struct ipc_peer *peer, struct inframe *in)
{
    rules[in->h.type].fn(peer, in);
}

static void set_more(struct ipc_peer *peer, bool more)
{
    if (peer->more == more || peer->dead)
        return;
    peer->more = more;
    peer_poll_start(peer);
}

/* Handles the whole frames at data; returns the bytes used. Bytes say little about what a frame
 * costs, so it is time that one peer gets in a turn: what is left over waits for the next one. */
static size_t consume(struct ipc_peer *peer, unsigned char *data, size_t len)
{
    uint64_t until = len > PEER_TURN_LOOK ? peer->began_ns + PEER_TURN_NS : 0;
    size_t used = 0;

    while (!peer->dead) {
        struct inframe in = {.data = data + used};
        struct orb_err err;
        int r = frame_get(data + used, len - used, &in.h, &err);

        if (r == FRAME_MORE)
            break;
        if (r < 0) {
            peer_throw(peer, &err);
            break;
        }
        used += FRAME_HEADER + in.h.len;
        peer_frame(peer, &in);
        if (peer->checking || (until && used < len && uv_hrtime() > until)) {
            set_more(peer, used < len);
            break;
        }
    }
    return used;
}

static void keep_part(struct ipc_peer *peer, const unsigned char *data, size_t len)
{
    size_t need = len;
    struct frame h;
    struct orb_err err;

    if (frame_get(data, len, &h, NULL) == FRAME_MORE && h.len && len > PART_SMALL)
        need = FRAME_HEADER + h.len;
    if (need > peer->part_cap) {
        free(peer->part); /* what it held is in data */
        peer->part_len = 0;
        peer->part_cap = need > PART_SMALL ? need : PART_SMALL;
        peer->part = malloc(peer->part_cap);
        if (!peer->part) {
            orb_fail(&err, ORB_E_NOMEM, "no memory for a frame of %s", peer->self.name);
            peer_end(peer, &err);
            return;
        }
    }
    memcpy(peer->part, data, len);
    peer->part_len = len;
}

static ssize_t receive(struct ipc_peer *peer, void *to, size_t len)
{
    struct iovec iov = {to, len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    struct orb_err err;
    ssize_t n;

    do
        n = recvmsg(peer->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return -1;
    if (n > 0 && (message.msg_flags & MSG_CTRUNC)) {
        orb_fail(&err, ORB_E_PROTOCOL, "file descriptors are not accepted");
        peer_throw(peer, &err);
        return -1;
    }
    if (n <= 0) {
        if (n < 0 && errno != ECONNRESET)
            orb_fail(&err, -errno, "cannot read from %s", peer->self.name);
        else if (peer->part_len)
            orb_fail(&err, ORB_E_GONE, "%s closed the connection in the middle of a frame",
                     peer->self.name);
        else
            orb_fail(&err, ORB_E_GONE, "%s closed the connection", peer->self.name);
        peer_end(peer, &err);
        return -1;
    }
    peer->bytes_in += (uint64_t)n;
    peer->broker->bytes_in += (uint64_t)n;
    return n;
}

/* The rest of a long frame goes straight behind its beginning. */
static ssize_t read_rest(struct ipc_peer *peer)
{
    struct frame h;
    size_t total, want;
    ssize_t n;

    frame_get(peer->part, peer->part_len, &h, NULL);
    total = FRAME_HEADER + h.len;
    want = total - peer->part_len;
    n = receive(peer, peer->part + peer->part_len, want < PEER_READ_TURN ? want : PEER_READ_TURN);
    if (n <= 0)
        return n;
    peer->part_len += (size_t)n;
    if (peer->part_len == total) {
        consume(peer, peer->part, total);
        broker_flush(peer->broker); /* nothing may borrow part from here on */
        free(peer->part);
        peer->part = NULL;
        peer->part_len = peer->part_cap = 0;
    }
    return n;
}

static ssize_t read_some(struct ipc_peer *peer)
{
    struct broker *broker = peer->broker;
    size_t kept = peer->part_len, used;
    unsigned char *data;
    ssize_t n;

    if (kept > PART_SMALL)
        return read_rest(peer);
    if (broker->arena_used + kept + PEER_READ_TURN > ARENA_SIZE) {
        broker_flush(broker);
        broker->arena_used = 0;
        if (peer->dead)
            return -1;
    }
    data = broker->arena + broker->arena_used;
    n = receive(peer, data + kept, PEER_READ_TURN);
    if (n <= 0)
        return n;
    if (kept)
        memcpy(data, peer->part, kept);
    peer->part_len = 0;
    broker->arena_used += (kept + (size_t)n + 7) & ~(size_t)7;
    used = consume(peer, data, kept + (size_t)n);
    if (!peer->dead && used < kept + (size_t)n)
        keep_part(peer, data + used, kept + (size_t)n - used);
    return n;
}

/* The frames that the last turn had no time for. */
static void resume(struct ipc_peer *peer)
{
    unsigned char *part = peer->part;
    size_t len = peer->part_len, used;

    peer->part = NULL;
    peer->part_len = peer->part_cap = 0;
    set_more(peer, false);
    used = consume(peer, part, len);
    broker_flush(peer->broker); /* nothing may borrow part from here on */
    if (!peer->dead && used < len)
        keep_part(peer, part + used, len - used);
    free(part);
}

/* The other end is gone (POLLERR) and no further call comes; what it sent before still counts,
 * unless it takes too long. */
static void read_last(struct ipc_peer *peer)
{
    uint64_t until = uv_hrtime() + PEER_LAST_NS;
    struct orb_err err;

    while (!peer->dead && uv_hrtime() < until) {
        if (peer->checking) { /* that still counts, too */
            peer->leaving = true;
            uv_poll_stop(&peer->poll);
            return;
        }
        peer->began_ns = uv_hrtime();
        if (peer->more)
            resume(peer);
        else if (read_some(peer) <= 0)
            break;
    }
    if (peer->dead)
        return;
    orb_fail(&err, ORB_E_GONE, "%s closed the connection", peer->self.name);
    peer_end(peer, &err);
}

void peer_checked(struct ipc_peer *peer, uint64_t cpu_ns)
{
    if (peer->leaving)
        read_last(peer);
    else
        rest_after_thread(peer, cpu_ns);
}

static void serve(struct ipc_peer *peer, int status, int events)
{
    if (status < 0 || (peer->resting && (events & UV_DISCONNECT))) {
        read_last(peer);
        return;
    }
    if (events & UV_WRITABLE)
        peer_drain(peer);
    if (peer->resting)
        return;
    if (!peer->dead && peer->more)
        resume(peer);
    else if (!peer->dead && (events & UV_READABLE))
        read_some(peer);
}

void peer_on_poll(uv_poll_t *handle, int status, int events)
{
    struct ipc_peer *peer = container_of(handle, struct ipc_peer, poll);
    struct broker *broker = peer->broker;
    uint64_t began = uv_hrtime(), took;

    if (peer->dead)
        return;
    peer->began_ns = began;
    peer->charged_ns = 0;
    serve(peer, status, events);
    took = uv_hrtime() - began; /* its memory is the loop's, also when it died meanwhile */
    if (took > broker->busiest_ns) {
        broker->busiest_ns = took;
        snprintf(broker->busiest, sizeof(broker->busiest), "%s", peer->self.name);
    }
    rest_after(peer, took > peer->charged_ns ? took - peer->charged_ns : 0);
    rest_before_more(peer);
}

uint64_t broker_busiest(struct broker *broker, char *who, size_t size)
{
    uint64_t ns = broker ? broker->busiest_ns : 0;

    snprintf(who, size, "%s", ns ? broker->busiest : "");
    if (broker)
        broker->busiest_ns = 0;
    return ns;
}
