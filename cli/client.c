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
#include "core/json/scan.h"

/* At least the limits of the broker. */
static const struct json_limits any_json = {.depth = JSON_MAX_DEPTH, .keys = JSON_MAX_TREE_KEYS};

static int send_frame(struct client *c, unsigned type, uint32_t corr, const char *envelope,
                      const char *payload, struct orb_err *err)
{
    const struct frame head = {.type = (uint8_t)type, .corr = corr};
    int r = frame_stream_add(&c->wire, &head, envelope, envelope ? strlen(envelope) : 0, payload,
                             payload ? strlen(payload) : 0, err);

    if (r < 0)
        return r;
    r = frame_stream_flush(&c->wire, 0);
    c->broken |= r < 0;
    return r < 0 ? orb_fail(err, r, "the daemon does not take the request") : 0;
}

/* A deadline that frames in between do not extend. */
struct wait {
    uint64_t until; /* now_ms(); 0: for ever */
    int ms;
};

static struct wait wait_of(int ms)
{
    return (struct wait){now_ms() + (uint64_t)ms, ms};
}

/* Milliseconds for poll(2), -1: for ever. */
static int left_of(const struct client *c, const struct wait *wait)
{
    uint64_t now = now_ms(), until = wait->until;

    if (c->until_ms && (!until || until > c->until_ms))
        until = c->until_ms;
    if (!until)
        return -1;
    return until > now ? (int)(until - now) : 0;
}

/* Waits for one whole frame, which is valid until the next one is waited for. */
static int receive(struct client *c, struct inframe *f, const struct wait *wait,
                   struct orb_err *err)
{
    for (;;) {
        struct pollfd p[] = {{.fd = c->wire.fd, .events = POLLIN},
                             {.fd = c->observer ? c->observer->fd : -1, .events = POLLIN}};
        int left = left_of(c, wait);
        long n;
        int r = frame_stream_next(&c->wire, f, err);

        if (r != FRAME_MORE)
            return r;
        r = poll(p, ARRAY_LEN(p), left);
        if (r > 0 && p[1].revents) {
            r = c->observer->readable(c->observer->arg, c, err);
            if (r < 0)
                return r;
            continue;
        }
        c->silent = r == 0 || (r > 0 && left == 0);
        if (c->silent)
            return orb_fail(err, ORB_E_DEADLINE, "the daemon did not answer within %d s",
                            wait->ms / 1000);
        if (r < 0 && errno == EINTR)
            continue;
        n = frame_stream_read(&c->wire, 0);
        c->broken = n <= 0;
        if (n < 0)
            return orb_fail(err, (int)n, "the connection to the daemon broke");
        if (n == 0)
            return orb_fail(err, ORB_E_GONE, "the daemon closed the connection");
    }
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

/* The process at the socket may be any: only valid JSON is returned. */
static int take_answer(const struct inframe *f, struct buf *ret_text, struct orb_err *err)
{
    buf_clear(ret_text);
    if (scan_json(f->payload, f->len, &any_json, NULL) < 0)
        return orb_fail(err, ORB_E_PROTOCOL,
                        "the answer is no JSON; does orbitald listen at this socket?");
    buf_add(ret_text, f->payload, f->len);
    return 0;
}

/* How far the call is, as told by PROGRESS. */
static void observe(struct client *c, const struct inframe *f)
{
    struct progress_state state = {.percent = PROGRESS_UNKNOWN};

    if (!c->observer)
        return;
    if (f->len && scan_json(f->payload, f->len, &any_json, NULL) == 0)
        progress_state_read(f->payload, f->len, &state, NULL);
    c->observer->progress(c->observer->arg, &state);
}

/* Waits for the answer to corr: its payload in ret_text. Other frames are skipped; PROGRESS of the
 * request restarts the time. */
static int wait_for(struct client *c, uint32_t corr, unsigned wanted, int wait_ms,
                    struct buf *ret_text, struct orb_err *err)
{
    struct wait wait = wait_of(wait_ms);
    struct orb_err side;

    for (;;) {
        struct inframe f;
        int r = receive(c, &f, &wait, err);

        if (r < 0)
            return r;
        if (f.h.type == FRAME_ERR && f.h.corr == corr)
            return remote_error(f.env, f.h.envlen, err);
        if (f.h.type == wanted && f.h.corr == corr)
            return take_answer(&f, ret_text, err);
        if (f.h.type == FRAME_PROGRESS && f.h.corr == corr) {
            wait = wait_of(wait_ms);
            observe(c, &f);
        }
        if (f.h.type == FRAME_ERR && c->side_corr && f.h.corr == c->side_corr) {
            remote_error(f.env, f.h.envlen, &side);
            out_err("orbctl: %s\n", side.text);
        }
        if (left_of(c, &wait) == 0) { /* however many were read at once */
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
    c->wire.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->wire.fd < 0)
        return orb_fail(err, -errno, "cannot make a socket");
    flags = fcntl(c->wire.fd, F_GETFL);
    /* A blocking connect() would wait without limit for a daemon that hangs and has a full queue.
     */
    if (connect(c->wire.fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
        fcntl(c->wire.fd, F_SETFL, flags & ~O_NONBLOCK) == 0)
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
    if (c->wire.fd >= 0)
        close(c->wire.fd);
    c->wire.fd = -1;
    frame_stream_fini(&c->wire);
}

/* Does the daemon answer a new connection? One that has no room for it does. */
static bool daemon_answers(const struct client *c)
{
    struct client probe = {.wire.fd = -1, .socket_path = c->socket_path, .began_ms = now_ms()};
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
        if (c->until_ms)
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

/* The envelope of a frame to a method or topic. */
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
    if (frame_fits(envelope.len, 0, NULL) < 0)
        return orb_fail(err, ORB_E_INVALID, "interface and method name are too long");
    r = send_frame(c, FRAME_REQ, corr, buf_str(&envelope), input ? input : "{}", err);
    return r < 0 ? r : answer_to(c, corr, to, method, ret_text, err);
}

int client_send(struct client *c, const char *to, const char *method, struct orb_err *err)
{
    AUTO(buf) struct buf envelope = {0};

    address(&envelope, to, "method", method);
    c->side_corr = c->next_corr++;
    return send_frame(c, FRAME_REQ, c->side_corr, buf_str(&envelope), "{}", err);
}

static int one_event(const struct inframe *f,
                     int (*on_event)(void *arg, const char *topic, const char *text, size_t len),
                     void *arg, struct orb_err *err)
{
    struct json_slice value;
    char topic[80] = "gap";

    if (f->h.type != FRAME_EVENT && f->h.type != FRAME_GAP)
        return 0;
    if ((f->h.envlen && scan_json(f->env, f->h.envlen, &any_json, NULL) < 0) ||
        scan_json(f->payload, f->len, &any_json, NULL) < 0)
        return orb_fail(err, ORB_E_PROTOCOL,
                        "an event is no JSON; does orbitald listen at this socket?");
    if (f->h.envlen && json_member(f->env, f->h.envlen, "topic", &value))
        json_text(&value, topic, sizeof(topic));
    return on_event(arg, topic, f->payload, f->len);
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
        struct inframe f;

        r = receive(c, &f, &for_ever, err);
        if (r == 0)
            r = one_event(&f, on_event, arg, err);
    }
    return r;
}
