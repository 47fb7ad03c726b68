/* Frames of docs/ipc.md from the client's side. */
#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/out.h"
#include "cli/wait.h"
#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/ipc/frame.h"
#include "core/json/scan.h"

/* As the broker limits what it lets through, or more. */
static const struct json_limits any_json = {.depth = JSON_MAX_DEPTH, .keys = JSON_MAX_TREE_KEYS};

static int write_all(struct client *c, const void *data, size_t len, struct orb_err *err)
{
    const char *p = data;

    while (len) {
        ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            c->broken = true;
            return orb_fail(err, -errno, "the daemon does not take the request");
        }
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int send_frame(struct client *c, unsigned type, uint32_t corr, const char *envelope,
                      const char *payload, struct orb_err *err)
{
    size_t envlen = envelope ? strlen(envelope) : 0, len = payload ? strlen(payload) : 0;
    unsigned char header[FRAME_HEADER];
    struct frame f = {.type = (uint8_t)type, .corr = corr};
    AUTO(buf) struct buf out = {0};

    if (envlen + len > FRAME_MAX)
        return orb_fail(err, ORB_E_LIMIT, "the request has %zu bytes; at most %u fit in a frame",
                        envlen + len, FRAME_MAX);
    f.len = (uint32_t)(envlen + len);
    f.envlen = (uint16_t)envlen;
    frame_put(header, &f);
    buf_add(&out, header, sizeof(header));
    if (envlen)
        buf_add(&out, envelope, envlen);
    if (len)
        buf_add(&out, payload, len);
    return write_all(c, out.data, out.len, err);
}

/* The end of a wait: whatever comes in between does not put it off. */
struct wait {
    uint64_t until; /* now_ms(); 0: for ever */
    int ms;
};

static struct wait wait_of(int ms)
{
    return (struct wait){now_ms() + (uint64_t)ms, ms};
}

/* Milliseconds for poll(2), -1: for ever. */
static int left_of(const struct wait *wait)
{
    uint64_t now = now_ms();

    if (!wait->until)
        return -1;
    return wait->until > now ? (int)(wait->until - now) : 0;
}

/* Waits for one whole frame at the start of c->in. */
static int receive(struct client *c, struct frame *f, const struct wait *wait, struct orb_err *err)
{
    for (;;) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        int left = left_of(wait);
        ssize_t n;
        int r = frame_get((const unsigned char *)buf_str(&c->in), c->in.len, f, err);

        if (r != FRAME_MORE)
            return r;
        r = poll(&p, 1, left);
        c->silent = r == 0 || (r > 0 && left == 0);
        if (c->silent)
            return orb_fail(err, ORB_E_DEADLINE, "the daemon did not answer within %d s",
                            wait->ms / 1000);
        if (r < 0 && errno == EINTR)
            continue;
        n = recv(c->fd, buf_reserve(&c->in, 65536), 65536, 0);
        if (n < 0 && errno == EINTR)
            continue;
        c->broken = n <= 0;
        if (n < 0)
            return orb_fail(err, -errno, "the connection to the daemon broke");
        if (n == 0)
            return orb_fail(err, ORB_E_GONE, "the daemon closed the connection");
        c->in.len += (size_t)n;
        c->in.data[c->in.len] = '\0';
    }
}

static void consume(struct client *c, const struct frame *f)
{
    size_t n = FRAME_HEADER + f->len;

    memmove(c->in.data, c->in.data + n, c->in.len - n);
    c->in.len -= n;
    c->in.data[c->in.len] = '\0';
}

static int remote_error(const char *envelope, size_t len, struct orb_err *err)
{
    struct json_slice e;
    struct orb_err why;

    if (scan_json(envelope, len, NULL, NULL) < 0 || !json_member(envelope, len, "err", &e) ||
        json_read_error(e.p, e.len, &why) < 0)
        return orb_fail(err, ORB_E_INTERNAL, "the daemon refused the request and gave no reason");
    return orb_fail_at(err, why.code, why.path, "%s", why.text);
}

/* What listens at the socket may be anything: only JSON is handed on. */
static int take_answer(const char *payload, size_t len, struct buf *ret_text, struct orb_err *err)
{
    buf_clear(ret_text);
    if (len && scan_json(payload, len, &any_json, NULL) < 0)
        return orb_fail(err, ORB_E_PROTOCOL,
                        "the answer is no JSON; does orbitald listen at this socket?");
    buf_add(ret_text, payload, len);
    if (!ret_text->len)
        buf_adds(ret_text, "{}");
    return 0;
}

/* The answer to corr: its payload in ret_text. Others' frames in between are passed over; that the
 * request goes on is a reason to wait anew. */
static int wait_for(struct client *c, uint32_t corr, unsigned wanted, int wait_ms,
                    struct buf *ret_text, struct orb_err *err)
{
    struct wait wait = wait_of(wait_ms);

    for (;;) {
        struct frame f;
        const char *envelope;
        int r = receive(c, &f, &wait, err);

        if (r < 0)
            return r;
        envelope = c->in.data + FRAME_HEADER;
        if (f.type == FRAME_ERR && f.corr == corr) {
            r = remote_error(envelope, f.envlen, err);
            consume(c, &f);
            return r;
        }
        if (f.type == wanted && f.corr == corr) {
            r = take_answer(envelope + f.envlen, f.len - f.envlen, ret_text, err);
            consume(c, &f);
            return r;
        }
        if (f.type == FRAME_PROGRESS && f.corr == corr)
            wait = wait_of(wait_ms);
        consume(c, &f);
        if (left_of(&wait) == 0) { /* however many were read at once */
            c->silent = true;
            return orb_fail(err, ORB_E_DEADLINE,
                            "the daemon did not answer within %d s; what it sent was no answer",
                            wait_ms / 1000);
        }
    }
}

static int connect_to(struct client *c, const char *path, struct orb_err *err)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int flags;

    if (strlen(path) >= sizeof(to.sun_path))
        return orb_fail(err, ORB_E_INVALID, "the socket path %s is longer than %zu bytes", path,
                        sizeof(to.sun_path) - 1);
    strcpy(to.sun_path, path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return orb_fail(err, -errno, "cannot make a socket");
    flags = fcntl(c->fd, F_GETFL);
    /* Blocking, a full queue of a daemon that hangs would hold us for ever. */
    if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
        fcntl(c->fd, F_SETFL, flags & ~O_NONBLOCK) == 0)
        return 0;
    if (errno == EAGAIN)
        return orb_fail(err, ORB_E_UNAVAILABLE,
                        "orbitald does not take connections at %s: its queue is full", path);
    if (errno == ENOENT || errno == ECONNREFUSED)
        return orb_fail(err, ORB_E_UNAVAILABLE,
                        "no orbitald listens at %s; is it running? (systemctl status orbitald, or "
                        "give --socket PATH)",
                        path);
    return orb_fail(err, -errno, "cannot connect to %s", path);
}

static int say_hello(struct client *c, struct orb_err *err)
{
    AUTO(buf) struct buf welcome = {0};
    AUTO(buf) struct buf hello = {0};
    struct json_write w = json_write_to(&hello);
    struct json_slice value;
    int r;

    json_write_object(&w, NULL);
    json_write_integer(&w, "abi", IPC_ABI);
    json_write_string(&w, "name", "orbctl");
    json_write_end(&w);
    r = send_frame(c, FRAME_HELLO, 0, buf_str(&hello), NULL, err);
    while (r == 0) {
        r = wait_for(c, 0, FRAME_WELCOME, wait_left_ms(c), &welcome, err);
        if (r != ORB_E_DEADLINE)
            break;
        if (!wait_more(c, "orbitald does not answer yet"))
            return orb_fail(err, ORB_E_DEADLINE,
                            "orbitald does not answer at %s; is it running? (systemctl status "
                            "orbitald)",
                            c->socket_path);
        r = 0;
    }
    if (r < 0)
        return r;
    if (json_member(buf_str(&welcome), welcome.len, "user", &value))
        json_text(&value, c->user, sizeof(c->user));
    if (json_member(buf_str(&welcome), welcome.len, "role", &value))
        json_text(&value, c->role, sizeof(c->role));
    return 0;
}

int client_connect(struct client *c, struct orb_err *err)
{
    int r;

    client_close(c);
    c->broken = false;
    c->connection++;
    r = connect_to(c, c->socket_path, err);
    if (r == 0)
        r = say_hello(c, err);
    if (r < 0)
        client_close(c);
    return r;
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_fini(&c->in);
}

/* Does the daemon answer a new connection? One that has no room for it does. */
static bool daemon_answers(const struct client *c)
{
    struct client probe = {.fd = -1, .socket_path = c->socket_path, .began_ms = now_ms()};
    struct orb_err why;
    int r = client_connect(&probe, &why);

    client_close(&probe);
    return r == 0 || r == ORB_E_BUSY || r == ORB_E_LIMIT;
}

/* The answer to a request, however long it takes, as long as the daemon is there. */
static int answer_to(struct client *c, uint32_t corr, const char *to, const char *method,
                     struct buf *ret_text, struct orb_err *err)
{
    uint64_t began = now_ms();
    bool told = false;

    for (;;) {
        int r = wait_for(c, corr, FRAME_REP, CLIENT_WAIT_MS, ret_text, err);

        if (r != ORB_E_DEADLINE || !c->silent)
            return r;
        if (!daemon_answers(c))
            return orb_fail(err, ORB_E_DEADLINE,
                            "the daemon did not answer %s %s within %u s, nor a new connection; it "
                            "hangs or is very busy (systemctl status orbitald)",
                            to, method, (unsigned)((now_ms() - began) / 1000));
        if (!told)
            out_err("orbctl: waiting for the answer to %s %s: it is being carried out\n", to,
                    method);
        told = true;
    }
}

/* The envelope of a frame that goes to a method or asks for a topic. */
static void address(struct buf *to, const char *interface, const char *key, const char *name)
{
    struct json_write w = json_write_to(to);

    json_write_object(&w, NULL);
    json_write_string(&w, "to", interface);
    json_write_string(&w, key, name);
    json_write_end(&w);
}

int client_call_once(struct client *c, const char *to, const char *method, const char *input,
                     struct buf *ret_text, struct orb_err *err)
{
    AUTO(buf) struct buf envelope = {0};
    uint32_t corr = c->next_corr++;
    int r;

    address(&envelope, to, "method", method);
    if (envelope.len > FRAME_MAX_ENVELOPE)
        return orb_fail(err, ORB_E_INVALID, "interface and method name are too long");
    r = send_frame(c, FRAME_REQ, corr, buf_str(&envelope), input ? input : "{}", err);
    return r < 0 ? r : answer_to(c, corr, to, method, ret_text, err);
}

static int one_event(struct client *c, const struct frame *f,
                     int (*on_event)(void *arg, const char *topic, const char *text, size_t len),
                     void *arg, struct orb_err *err)
{
    const char *envelope = c->in.data + FRAME_HEADER;
    struct json_slice value;
    char topic[80] = "gap";

    if (f->type != FRAME_EVENT && f->type != FRAME_GAP)
        return 0;
    if ((f->envlen && scan_json(envelope, f->envlen, &any_json, NULL) < 0) ||
        (f->len > f->envlen &&
         scan_json(envelope + f->envlen, f->len - f->envlen, &any_json, NULL) < 0))
        return orb_fail(err, ORB_E_PROTOCOL,
                        "an event is no JSON; does orbitald listen at this socket?");
    if (f->envlen && json_member(envelope, f->envlen, "topic", &value))
        json_text(&value, topic, sizeof(topic));
    if (f->len == f->envlen) /* nothing stands for {} */
        return on_event(arg, topic, "{}", 2);
    return on_event(arg, topic, envelope + f->envlen, f->len - f->envlen);
}

int client_watch(struct client *c, const char *interface, const char *topic,
                 int (*on_event)(void *arg, const char *topic, const char *text, size_t len),
                 void *arg, struct orb_err *err)
{
    AUTO(buf) struct buf envelope = {0};
    AUTO(buf) struct buf reply = {0};
    const struct wait for_ever = {0};
    uint32_t corr = c->next_corr++;
    int r;

    address(&envelope, interface, "topic", topic);
    r = send_frame(c, FRAME_SUB, corr, buf_str(&envelope), NULL, err);
    if (r == 0)
        r = answer_to(c, corr, interface, topic, &reply, err);
    while (r == 0) {
        struct frame f;

        r = receive(c, &f, &for_ever, err);
        if (r < 0)
            break;
        r = one_event(c, &f, on_event, arg, err);
        consume(c, &f);
    }
    return r;
}
