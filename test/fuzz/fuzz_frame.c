/* The broker between a hostile peer and honest ones. First byte: bit 0 frame_get alone; bit 1 the
 * hostile peer is a client instead of a service; bit 2 it sends HELLO first; bit 3 the rest is a
 * script for all of them (pairs of enum op, with bit 7 in the same turn of the loop as the next,
 * and an argument) instead of bytes of the hostile peer's stream.
 *
 * A model runs beside it. It has the permitted events of each peer: the caller, a service, events
 * of "echo"; the viewer only "changed"; and the pending answers: each request is answered once, to
 * its caller, with the answer to that request. Broker and honest peers live on over all inputs;
 * afterwards nothing of the hostile one is left, and no request waits for it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "core/ipc/broker.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/contract.h"
#include "core/ipc/host.h"
#include "core/ipc/peer.h"
#include "core/ipc/peers.h"
#include "core/ipc/interface.h"
#include "core/ipc/session.h"
#include "core/json/scan.h"
#include "test/fuzz/bounds.h"
#include "test/fuzz/pipes.h"

#define PIECE 3000
#define ASKS 64 /* of one honest peer: as many as may be in flight */
#define MOST_MS 200.0
#define SAME_TURN 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char schema[] =
    "{\"interface\":\"echo\",\"version\":\"1.2\",\"methods\":{"
    "\"act\":{\"requires\":\"operate\"},"
    "\"say\":{\"requires\":\"observe\",\"input\":{\"type\":\"object\",\"properties\":{\"n\":{"
    "\"type\":\"integer\"}}},\"output\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":"
    "\"integer\"}},\"required\":[\"n\"]}}},\"events\":{"
    "\"changed\":{\"requires\":\"observe\",\"class\":\"state\",\"payload\":{\"type\":\"object\"}},"
    "\"hidden\":{\"requires\":\"configure\",\"payload\":{\"type\":\"object\"}},"
    "\"vital\":{\"requires\":\"observe\",\"class\":\"strict\",\"payload\":{\"type\":\"object\"}}}}";

enum op {
    OP_ASK,
    OP_ANSWER,
    OP_ANSWER_OLD,
    OP_ANSWER_FOREIGN,
    OP_PUBLISH,
    OP_RAW,
    OP_HANG_UP,
    OP_FORBIDDEN,
    OP_PASS, /* of time: milliseconds, the square of the argument */
    OP_SLOW, /* each look at the clock takes so many tenths of a millisecond from now on */
    OP_COUNT
};

/* What came for one end of a connection. A call of the kernel costs more than all else here, so
 * nothing is read where the broker has sent nothing. */
struct inbox {
    char buf[1 << 16];
    size_t len, at;
    uint64_t frames; /* the broker had sent it, when it last looked */
    bool more;       /* not all of them were there */
};

struct honest {
    struct ipc_peer *peer;
    int fd;
    unsigned base;       /* its requests are numbered from there */
    unsigned asked;      /* so far, over all connections of this input */
    unsigned first;      /* of this connection */
    bool live[2 * ASKS]; /* sent and not answered */
    unsigned open;
    struct inbox in;
};

struct request { /* as the hostile provider got it */
    uint32_t corr;
    int n;
    bool answered;
};

struct scene {
    struct ipc_peer *fuzzed;
    int fuzzed_fd;
    struct honest caller, viewer;
    struct request got[8 * ASKS];
    unsigned got_count;
    struct inbox in; /* of the hostile peer */
    size_t sent;     /* bytes to all of them */
    bool lucky;      /* a guess may meet a request that the hostile one has not seen */
    int done;
};

/* Lives on from input to input. */
static struct {
    uv_loop_t loop;
    struct broker *broker;
    struct contract *contract;
    struct scene scene;
} world;

static void on_closed(void *arg, const struct orb_err *err)
{
    *(struct ipc_peer **)arg = NULL;
}

static void on_done(void *arg, const char *text, size_t len, const struct orb_err *err)
{
    ++*(int *)arg;
}

static const struct peer_events events = {.closed = on_closed};

static struct ipc_peer *connect_peer(struct peer_spec *spec, int *ret_fd)
{
    struct ipc_peer *peer;
    int fds[2];

    pipes_pair(fds);
    spec->events = &events;
    peer = peers_add(world.broker, fds[0], spec, NULL);
    must(peer != NULL, "no connection");
    *ret_fd = fds[1];
    return peer;
}

static void put(int fd, struct frame h, const char *env, const char *payload)
{
    unsigned char all[512];

    h.envlen = (uint16_t)strlen(env);
    h.len = h.envlen + (uint32_t)strlen(payload);
    frame_put(all, &h);
    memcpy(all + FRAME_HEADER, env, h.envlen);
    memcpy(all + FRAME_HEADER + h.envlen, payload, strlen(payload));
    (void)!send(fd, all, FRAME_HEADER + h.len, MSG_NOSIGNAL);
}

/* ---- what honest peers receive ---- */

static int number_in(const char *text, size_t len)
{
    struct json_slice value;
    int64_t n = -1;

    must(json_member(text, len, "n", &value) && json_int64(&value, &n) == 0, "an answer without n");
    return (int)n;
}

static void check_answer(const struct scene *s, struct honest *h, const struct frame *f,
                         const char *payload)
{
    unsigned i = f->corr - h->base;

    must(f->corr >= h->base && i < 2 * ASKS && i >= h->first && h->live[i],
         "an answer to nothing that was asked");
    h->live[i] = false;
    h->open--;
    if (f->type == FRAME_REP) {
        int n = number_in(payload, f->len - f->envlen);

        must(n == (int)f->corr || (n == -1 && s->lucky), "the answer to another request");
    }
}

static void check_event(const struct scene *s, const struct honest *h, const struct frame *f,
                        const char *env)
{
    static const char *const topics[] = {"changed", "hidden", "vital"};
    struct json_slice value;
    char from[64] = "", topic[64] = "";
    unsigned known = 0;

    if (json_member(env, f->envlen, "from", &value))
        json_text(&value, from, sizeof(from));
    if (json_member(env, f->envlen, "topic", &value))
        json_text(&value, topic, sizeof(topic));
    for (size_t i = 0; i < ARRAY_LEN(topics); i++)
        known += !strcmp(topic, topics[i]);
    must(!strcmp(from, "echo") && known, "an event without a sender");
    must(h == &s->caller || !strcmp(topic, "changed"), "an event that the viewer did not ask for");
}

static void check_frame(struct scene *s, struct honest *h, const struct frame *f, const char *body)
{
    const char *payload = body + f->envlen;
    size_t len = f->len - f->envlen;

    must(!f->envlen || scan_json(body, f->envlen, NULL, NULL) == 0, "an envelope that is no JSON");
    must(!len || scan_json(payload, len, NULL, NULL) == 0, "a payload that is no JSON");
    if (f->type == FRAME_REP || f->type == FRAME_ERR) {
        if (f->corr != 1) /* of SUB */
            check_answer(s, h, f, payload);
    } else if (f->type == FRAME_EVENT) {
        check_event(s, h, f, body);
    } else {
        must(f->type == FRAME_WELCOME || f->type == FRAME_GAP, "an unexpected frame");
    }
}

/* Whether data may have arrived; then it is read. peer NULL: the broker's end is closed. */
static bool fetch(struct scene *s, struct inbox *in, int fd, const struct ipc_peer *peer)
{
    ssize_t n;

    if (fd < 0 || (peer && peer->frames_out == in->frames && !in->more))
        return false;
    memmove(in->buf, in->buf + in->at, in->len - in->at);
    in->len -= in->at;
    in->at = 0;
    n = recv(fd, in->buf + in->len, sizeof(in->buf) - in->len, 0);
    if (n > 0)
        in->len += (size_t)n;
    s->sent += n > 0 ? (size_t)n : 0;
    in->frames = peer ? peer->frames_out : 0;
    in->more = in->len == sizeof(in->buf) || (peer && conn_queued(&peer->conn));
    return n > 0;
}

/* The next whole frame and its body. */
static bool next(struct inbox *in, struct frame *f, const char **ret_body)
{
    if (frame_get((unsigned char *)in->buf + in->at, in->len - in->at, f, NULL) != 0)
        return false;
    *ret_body = in->buf + in->at + FRAME_HEADER;
    in->at += FRAME_HEADER + f->len;
    return true;
}

static void receive(struct scene *s, struct honest *h)
{
    const char *body;
    struct frame f;

    while (fetch(s, &h->in, h->fd, h->peer))
        while (next(&h->in, &f, &body))
            check_frame(s, h, &f, body);
}

static void note_request(struct scene *s, const struct frame *f, const char *payload)
{
    struct json_slice value;

    must(f->handle != 1 || !s->viewer.peer || f->src != peer_id(s->viewer.peer),
         "a request that the viewer may not make");
    if (s->got_count < ARRAY_LEN(s->got))
        s->got[s->got_count++] =
            (struct request){f->corr,
                             json_member(payload, f->len - f->envlen, "n", &value)
                                 ? number_in(payload, f->len - f->envlen)
                                 : -1,
                             false};
    s->lucky |= s->got_count == ARRAY_LEN(s->got);
}

/* The hostile one notes requests, so that its script can answer them. */
static void receive_fuzzed(struct scene *s)
{
    const char *body;
    struct frame f;

    while (fetch(s, &s->in, s->fuzzed_fd, s->fuzzed))
        while (next(&s->in, &f, &body))
            if (f.type == FRAME_REQ)
                note_request(s, &f, body + f.envlen);
}

static void turns(struct scene *s, int count)
{
    while (count--) {
        uv_run(&world.loop, UV_RUN_NOWAIT);
        receive(s, &s->caller);
        receive(s, &s->viewer);
        if (s->fuzzed)
            receive_fuzzed(s);
    }
}

/* ---- set-up ---- */

static void join(struct scene *s, struct honest *h, const char *topic)
{
    static const char *const all[] = {"ipc.call:echo/*", "ipc.subscribe:echo/*", NULL};
    struct peer_spec caller = {.kind = PEER_SERVICE, .name = "caller", .capabilities = all};
    struct peer_spec viewer = {.kind = PEER_USER, .name = "kim", .role = "viewer"};
    struct peer_spec *spec = h == &s->caller ? &caller : &viewer;
    char env[80];

    spec->arg = &h->peer;
    h->peer = connect_peer(spec, &h->fd);
    h->in.len = h->in.at = h->in.frames = 0;
    h->in.more = false;
    h->first = h->asked;
    h->open = 0;
    memset(h->live, 0, sizeof(h->live));
    snprintf(env, sizeof(env), "{\"to\":\"echo\",\"topic\":\"%s\"}", topic);
    put(h->fd, (struct frame){.type = FRAME_HELLO}, "{\"abi\":1}", "");
    put(h->fd, (struct frame){.type = FRAME_SUB, .corr = 1}, env, "");
}

static void set(struct scene *s, uint8_t mode)
{
    static const char *const all[] = {"ipc.call:echo/*", "ipc.subscribe:echo/*", "session.delegate",
                                      NULL};
    struct peer_spec fuzzed = {.kind = mode & 2 ? PEER_USER : PEER_SERVICE,
                               .name = "echo",
                               .role = "admin",
                               .capabilities = all,
                               .contract = mode & 2 ? NULL : world.contract,
                               .arg = &s->fuzzed};
    uint32_t session;

    s->got_count = 0;
    s->lucky = false;
    s->in.len = s->in.at = s->in.frames = s->sent = 0;
    s->in.more = false;
    s->done = 0;
    s->fuzzed = connect_peer(&fuzzed, &s->fuzzed_fd);
    if (mode & 4)
        put(s->fuzzed_fd, (struct frame){.type = FRAME_HELLO}, "{\"abi\":1}", "");
    turns(s, 1);
    if ((mode & 6) == 4) {
        peer_open(s->fuzzed);
        peer_ping(s->fuzzed);
        must(session_open(world.broker, peer_id(s->fuzzed), "kim", "admin", 0, &session, NULL) == 0,
             "no session");
    }
    if ((mode & 6) == 4)
        must(host_call(world.broker, "echo@1", "say", "{}", 2, 0, on_done, &s->done, NULL) == 0,
             "no call");
}

static void hang_up(struct honest *h)
{
    close(h->fd);
    h->fd = -1;
}

/* When the provider is gone each request has had its answer. */
static void finish(struct scene *s, struct honest *h)
{
    for (int i = 0; i < 100000 && h->open; i++) {
        pipes_pass(1000000);
        turns(s, 1);
    }
    must(h->peer && !h->open, "a request was never answered");
    h->asked = h->first = 0;
    memset(h->live, 0, sizeof(h->live));
}

static void unset(struct scene *s)
{
    if (s->fuzzed)
        peer_close(s->fuzzed);
    close(s->fuzzed_fd);
    s->fuzzed = NULL;
    turns(s, 2);
    finish(s, &s->caller);
    finish(s, &s->viewer);
    must(world.broker->peers_left == 2, "a connection is left");
    must(world.broker->pending.heap_count == 0, "a request is left");
    must(!world.broker->host->self.inflight, "something of the host is in flight");
    for (struct ipc_interface *i = world.broker->interfaces; i; i = i->next)
        must(!i->provider && !i->values, "a provider or value is left");
    memset(world.broker->rest.owed, 0, sizeof(world.broker->rest.owed));
}

/* ---- the script ---- */

static void ask(struct scene *s, struct honest *h)
{
    char payload[32];

    if (!h->peer || h->asked == 2 * ASKS || h->open == ASKS)
        return;
    snprintf(payload, sizeof(payload), "{\"n\":%u}", h->base + h->asked);
    put(h->fd, (struct frame){.type = FRAME_REQ, .corr = h->base + h->asked},
        "{\"to\":\"echo\",\"method\":\"say\"}", payload);
    h->live[h->asked++] = true;
    h->open++;
}

static void forbidden(struct scene *s, struct honest *h)
{
    if (!h->peer || h->asked == 2 * ASKS || h->open == ASKS)
        return;
    put(h->fd, (struct frame){.type = FRAME_REQ, .corr = h->base + h->asked},
        "{\"to\":\"echo\",\"method\":\"act\"}", "{}");
    h->live[h->asked++] = true;
    h->open++;
}

static void answer(struct scene *s, uint32_t corr, int n)
{
    char payload[32];

    snprintf(payload, sizeof(payload), "{\"n\":%d}", n);
    put(s->fuzzed_fd, (struct frame){.type = FRAME_REP, .corr = corr}, "", payload);
}

static void answer_some(struct scene *s, enum op op, uint8_t arg)
{
    struct request *r = s->got_count ? &s->got[arg % s->got_count] : NULL;

    if (!r || (op == OP_ANSWER && r->answered) || (op == OP_ANSWER_OLD && !r->answered))
        return;
    if (op == OP_ANSWER)
        r->answered = true;
    /* A number that was not given to a provider, and is not before the broker reads it. */
    if (op == OP_ANSWER_FOREIGN) {
        uint32_t corr = r->corr ^ 1u << (arg >> 3);

        turns(s, 1);
        if (!s->fuzzed)
            return;

        for (unsigned i = 0; i < s->got_count; i++)
            if (s->got[i].corr == corr)
                return;
        answer(s, corr, -1);
        turns(s, 1);
        return;
    }
    answer(s, r->corr, r->n);
}

static void rejoin(struct scene *s, struct honest *h)
{
    hang_up(h);
    /* What it sent before still counts, a frame a turn where each takes long. */
    for (int i = 0; i < 1000 && h->peer; i++) {
        pipes_pass(1000000);
        uv_run(&world.loop, UV_RUN_NOWAIT);
    }
    must(!h->peer, "who hung up is still here");
    join(s, h, h == &s->caller ? "*" : "changed");
}

static void publish_some(struct scene *s, uint8_t arg)
{
    static const char *const envs[] = {"{\"topic\":\"changed\"}", "{\"topic\":\"hidden\"}",
                                       "{\"topic\":\"vital\"}", "{\"topic\":\"*\"}"};

    put(s->fuzzed_fd, (struct frame){.type = FRAME_PUB}, envs[arg % ARRAY_LEN(envs)],
        arg & 128 ? "[]" : "{\"a\":1}");
}

/* Who rests is read later, maybe together with the guess. */
static void slow_down(struct scene *s, uint8_t arg)
{
    pipes_slow((uint64_t)arg * 100000);
    s->lucky = true;
}

static void play(struct scene *s, const uint8_t *data, size_t size)
{
    while (size >= 2 && s->fuzzed) {
        enum op op = data[0] % OP_COUNT;
        bool turn = !(data[0] & SAME_TURN);
        uint8_t arg = data[1];
        size_t raw = 0;

        if (op == OP_ASK)
            ask(s, arg & 1 ? &s->viewer : &s->caller);
        else if (op <= OP_ANSWER_FOREIGN)
            answer_some(s, op, arg);
        else if (op == OP_PUBLISH)
            publish_some(s, arg);
        else if (op == OP_RAW)
            (void)!send(s->fuzzed_fd, data + 2, raw = size - 2 < arg ? size - 2 : arg,
                        MSG_NOSIGNAL);
        else if (op == OP_HANG_UP)
            rejoin(s, arg & 1 ? &s->viewer : &s->caller);
        else if (op == OP_PASS)
            pipes_pass((uint64_t)arg * arg * 1000000);
        else if (op == OP_SLOW)
            slow_down(s, arg);
        else
            forbidden(s, arg & 1 ? &s->viewer : &s->caller);
        data += 2 + raw;
        size -= 2 + raw;
        if (turn)
            turns(s, 1);
    }
    turns(s, 2);
}

static void feed(struct scene *s, const uint8_t *data, size_t size)
{
    ask(s, &s->caller);
    ask(s, &s->viewer);
    while (size && s->fuzzed) {
        size_t want = size < PIECE ? size : PIECE;
        ssize_t n = send(s->fuzzed_fd, data, want, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN)
            break;
        turns(s, 1);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
    turns(s, 2);
}

static void begin(void)
{
    must(uv_loop_init(&world.loop) == 0, "no loop");
    must(broker_new(&world.loop, NULL, &world.broker, NULL) == 0, "no broker");
    must(contract_compile(schema, sizeof(schema) - 1, &world.contract, NULL) == 0, "no contract");
    must(broker_expect(world.broker, world.contract, NULL) == 0, "the contract is not taken");
    world.scene.caller.base = 100;
    world.scene.viewer.base = 1000;
    join(&world.scene, &world.scene.caller, "*");
    join(&world.scene, &world.scene.viewer, "changed");
    turns(&world.scene, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scene *s = &world.scene;
    double before = cpu_ms();
    struct frame frame;
    struct orb_err err;

    if (size == 0)
        return 0;
    if (data[0] & 1) {
        int r = frame_get(data + 1, size - 1, &frame, &err);

        must(r != 0 || (frame.len <= FRAME_MAX && size - 1 >= FRAME_HEADER + frame.len &&
                        frame.envlen <= frame.len),
             "a frame that is not there");
        return 0;
    }
    pipes_clock(true);
    if (!world.broker)
        begin();
    set(s, data[0] & 8 ? 4 : data[0]);
    if (data[0] & 8)
        play(s, data + 1, size - 1);
    else
        feed(s, data + 1, size - 1);
    must(s->caller.peer && s->viewer.peer, "an honest peer was disconnected");
    pipes_slow(0);
    unset(s);
    pipes_clock(false);
    must_fit(s->sent, 65536, 256, size);
    must_end(before, MOST_MS, size);
    return 0;
}
