/* core/worker/sdk*.c without configuration: handshake, requests, calls, events, loop, endings. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "test/lib/harness.h"
#include "test/unit/worker/fakehost.h"

/* What the plugin below keeps. */
struct user {
    struct orb_req *kept;
    struct orb_timer *timer;
    struct orb_timer *forgotten;
    struct orb_watch *watch;
    int pipe[2];
    int broken[2];
    int errors;
    int ticks;
    uint32_t gone;
};

static int on_echo(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    const struct orb_peer *peer = orb_req_peer(req);
    cJSON *out = cJSON_CreateObject();

    cJSON_AddStringToObject(out, "from", peer->name);
    cJSON_AddStringToObject(out, "role", peer->role);
    cJSON_AddStringToObject(out, "trace", orb_req_trace(req));
    cJSON_AddBoolToObject(out, "in-time", orb_req_left_ms(req) > 0);
    cJSON_AddItemToObject(out, "in", cJSON_Duplicate(in, true));
    orb_reply(req, out);
    return 0;
}

static int on_raw(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    size_t len;
    const char *text = orb_req_text(req, &len);

    if (in)
        return orb_fail(err, ORB_E_INTERNAL, "a tree was built");
    orb_reply_text(req, text, len);
    return 0;
}

static int on_refuse(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    return orb_fail_at(err, ORB_E_CONFLICT, "/mtu", "mtu 9 is too small");
}

static int on_silent_failure(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                             struct orb_err *err)
{
    return ORB_E_BUSY;
}

static int on_keep(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    ((struct user *)orb_user(ctx))->kept = req;
    return 0;
}

static int on_release(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                      struct orb_err *err)
{
    struct user *u = orb_user(ctx);
    cJSON *out = cJSON_CreateObject();

    cJSON_AddNumberToObject(out, "left", u->kept ? (double)orb_req_left_ms(u->kept) : -1);
    cJSON_AddNumberToObject(out, "gone", u->gone);
    if (u->kept)
        orb_reply(u->kept, NULL);
    u->kept = NULL;
    orb_reply(req, out);
    return 0;
}

static int on_big(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    char *text = calloc(1, FRAME_MAX + 3);

    memset(text, 'x', FRAME_MAX + 2);
    text[0] = text[FRAME_MAX + 1] = '"';
    orb_reply_text(req, text, FRAME_MAX + 2);
    free(text);
    return 0;
}

static void on_called(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    cJSON *answer = cJSON_CreateObject();

    cJSON_AddStringToObject(answer, "code", err ? orb_code_name(err->code) : "");
    cJSON_AddStringToObject(answer, "path", err ? err->path : "");
    if (out)
        cJSON_AddItemToObject(answer, "out", cJSON_Duplicate(out, true));
    orb_reply(arg, answer);
}

/* Of a relayed call, passed on. */
static void on_progress(struct orb_ctx *ctx, void *arg, const char *phase, int percent)
{
    orb_req_progress(arg, phase, percent < 0 ? percent : percent + 1);
}

static int on_relay(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    cJSON *what = cJSON_CreateObject();
    const cJSON *deadline = cJSON_GetObjectItemCaseSensitive(in, "deadline");

    cJSON_AddStringToObject(what, "q", "x");
    return orb_call(ctx, "other@1.2", "ask", what, deadline ? (uint32_t)deadline->valueint : 0,
                    on_called, req, err);
}

static void on_called_text(struct orb_ctx *ctx, void *arg, const char *text, size_t len,
                           const struct orb_err *err)
{
    if (err)
        orb_reply_error(arg, err);
    else
        orb_reply_text(arg, text, len);
}

static int on_as(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    return orb_call_as(ctx, 77, "other@1", "ask", "{}", 2, 100, on_called_text, req, err);
}

static int on_wrong_call(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                         struct orb_err *err)
{
    return orb_call(ctx, "Other Thing", "ask", NULL, 0, NULL, NULL, err);
}

static void on_event(struct orb_ctx *ctx, void *arg, const char *topic, const cJSON *payload)
{
    cJSON *copy = cJSON_CreateObject();

    cJSON_AddStringToObject(copy, "topic", topic);
    cJSON_AddItemToObject(copy, "payload", cJSON_Duplicate(payload, true));
    orb_publish(ctx, "seen", copy, NULL);
}

static int on_subscribe(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                        struct orb_err *err)
{
    const char *topic = cJSON_GetObjectItem(in, "topic")->valuestring;
    int r = orb_subscribe(ctx, "other", topic, on_event, NULL, err);

    if (r == 0)
        orb_reply(req, NULL);
    return r;
}

static void on_tick(struct orb_ctx *ctx, void *arg)
{
    struct user *u = orb_user(ctx);

    if (++u->ticks < 3)
        return;
    orb_timer_free(u->timer); /* inside its own callback */
    u->timer = NULL;
    orb_publish(ctx, "ticked", NULL, NULL);
}

static void on_pipe(struct orb_ctx *ctx, void *arg, int fd, unsigned events)
{
    struct user *u = orb_user(ctx);
    char c = 0;

    if (read(fd, &c, 1) == 1 && (events & ORB_READABLE) && c == 'p')
        orb_publish(ctx, "read", NULL, NULL);
    orb_watch_free(u->watch);
    u->watch = NULL;
}

static int on_loop(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct user *u = orb_user(ctx);

    u->timer = orb_timer_new(ctx, on_tick, NULL);
    orb_timer_start(u->timer, 1, 1);
    u->forgotten = orb_timer_new(ctx, on_tick, NULL);
    u->watch = orb_watch_new(ctx, u->pipe[0], ORB_READABLE, on_pipe, NULL, err);
    if (!u->watch || write(u->pipe[1], "p", 1) != 1)
        return ORB_E_IO;
    orb_reply(req, NULL);
    return 0;
}

/* At once, again and again, until the descriptor was seen. */
static void on_at_once(struct orb_ctx *ctx, void *arg)
{
    struct user *u = orb_user(ctx);

    if (u->watch) {
        orb_timer_start(u->timer, 0, 0);
        return;
    }
    orb_timer_free(u->timer);
    u->timer = NULL;
    orb_publish(ctx, "ticked", NULL, NULL);
}

static int on_again(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct user *u = orb_user(ctx);

    u->timer = orb_timer_new(ctx, on_at_once, NULL);
    orb_timer_start(u->timer, 0, 0);
    u->watch = orb_watch_new(ctx, u->pipe[0], ORB_READABLE, on_pipe, NULL, err);
    if (!u->watch || write(u->pipe[1], "p", 1) != 1)
        return ORB_E_IO;
    orb_reply(req, NULL);
    return 0;
}

/* The write end of a pipe without a reader has an error; a new reader takes it away. */
static void on_broken(struct orb_ctx *ctx, void *arg, int fd, unsigned events)
{
    struct user *u = orb_user(ctx);
    char path[32];

    if (events == (ORB_READABLE | ORB_WRITABLE)) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        if (++u->errors == 2)
            u->broken[0] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        return;
    }
    orb_publish(ctx, u->errors == 2 ? "healed" : "odd", NULL, NULL);
    orb_watch_free(u->watch);
    u->watch = NULL;
    close(u->broken[0]);
    close(u->broken[1]);
}

static int on_break(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct user *u = orb_user(ctx);

    if (pipe2(u->broken, O_CLOEXEC | O_NONBLOCK) < 0)
        return ORB_E_IO;
    close(u->broken[0]);
    u->watch = orb_watch_new(ctx, u->broken[1], ORB_WRITABLE, on_broken, NULL, err);
    orb_reply(req, NULL);
    return u->watch ? 0 : ORB_E_IO;
}

static int on_observe(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                      struct orb_err *err)
{
    orb_log(ctx, ORB_WARNING, "odd.thing", KV("what", "a \"b\"\n"), KV("n", -3));
    orb_counter_add(ctx, "things", 2);
    orb_counter_add(ctx, "things", 3);
    orb_gauge_set(ctx, "level", 1.5);
    orb_reply(req, NULL);
    return 0;
}

static void report(struct orb_ctx *ctx, const char *key, enum orb_problem_level level,
                   const char *what)
{
    orb_problem_set(ctx, key,
                    &(struct orb_problem){.level = level, .what = what, .path = "/a", .todo = "x"});
}

/* {"set":[keys],"clear":[keys],"many":N}: clear first. */
static int on_problem(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                      struct orb_err *err)
{
    const cJSON *item, *many = cJSON_GetObjectItemCaseSensitive(in, "many");
    char key[32];

    cJSON_ArrayForEach (item, cJSON_GetObjectItemCaseSensitive(in, "clear"))
        orb_problem_clear(ctx, item->valuestring);
    cJSON_ArrayForEach (item, cJSON_GetObjectItemCaseSensitive(in, "set"))
        report(ctx, item->valuestring, ORB_PROBLEM_DEGRADED, item->valuestring);
    for (int i = 0; many && i < many->valueint; i++) {
        snprintf(key, sizeof(key), "n:%d", i);
        report(ctx, key, i == many->valueint - 1 ? ORB_PROBLEM_FAILED : ORB_PROBLEM_DEGRADED, key);
    }
    orb_reply(req, NULL);
    return 0;
}

static int on_fatal(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    orb_fail(err, ORB_E_KERNEL, "netlink is dead");
    orb_fatal(ctx, err);
}

static int on_integers(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in,
                       struct orb_err *err)
{
    cJSON *out = cJSON_CreateObject();
    int64_t v;

    orb_add_int64(out, "small", 1000000000000000);
    orb_add_int64(out, "large", INT64_MAX);
    if (orb_int64(cJSON_GetObjectItem(out, "large"), &v) < 0 || v != INT64_MAX)
        cJSON_AddTrueToObject(out, "lost");
    if (orb_int64(cJSON_GetObjectItem(in, "exact"), &v) == 0)
        orb_add_int64(out, "exact", v);
    if (orb_int64(cJSON_GetObjectItem(in, "beyond"), &v) == 0)
        orb_add_int64(out, "beyond", v);
    if (orb_int64(cJSON_GetObjectItem(in, "fraction"), &v) == 0)
        orb_add_int64(out, "fraction", v);
    orb_reply(req, out);
    return 0;
}

/* Works for a while without giving the loop back. */
static int on_long(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    for (int i = 0; i < 3000; i++) {
        usleep(100);
        orb_progress(ctx);
    }
    orb_reply(req, cJSON_CreateObject());
    return 0;
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    struct user *u = calloc(1, sizeof(*u));

    orb_set_user(ctx, u);
    orb_on_progress(ctx, on_progress);
    if (pipe2(u->pipe, O_CLOEXEC) < 0)
        return orb_fail(err, ORB_E_IO, "pipe");
    if (orb_socket(ctx, "http") != STDIN_FILENO || orb_socket(ctx, "none") != -1)
        return orb_fail(err, ORB_E_INTERNAL, "sockets");
    return 0;
}

static void on_stop(struct orb_ctx *ctx)
{
    struct user *u = orb_user(ctx);

    orb_publish(ctx, "stopped", NULL, NULL);
    close(u->pipe[0]);
    close(u->pipe[1]);
    free(u);
}

static void on_gone(struct orb_ctx *ctx, uint32_t id)
{
    ((struct user *)orb_user(ctx))->gone = id;
}

static int on_health(struct orb_ctx *ctx, struct orb_err *err)
{
    struct user *u = orb_user(ctx);

    return u->gone ? orb_fail(err, ORB_E_GONE, "peer %u left", u->gone) : 0;
}

static const struct orb_method methods[] = {{"echo", on_echo, 0},
                                            {"raw", on_raw, ORB_RAW},
                                            {"refuse", on_refuse, 0},
                                            {"silent-failure", on_silent_failure, 0},
                                            {"keep", on_keep, 0},
                                            {"release", on_release, 0},
                                            {"big", on_big, 0},
                                            {"relay", on_relay, 0},
                                            {"as", on_as, 0},
                                            {"wrong-call", on_wrong_call, 0},
                                            {"subscribe", on_subscribe, 0},
                                            {"loop", on_loop, 0},
                                            {"observe", on_observe, 0},
                                            {"fatal", on_fatal, 0},
                                            {"problem", on_problem, 0},
                                            {"integers", on_integers, 0},
                                            {"break", on_break, 0},
                                            {"long", on_long, 0},
                                            {"again", on_again, 0},
                                            {0}};

enum {
    ECHO = 1,
    RAW,
    REFUSE,
    SILENT,
    KEEP,
    RELEASE,
    BIG,
    RELAY,
    AS,
    WRONG_CALL,
    SUBSCRIBE,
    LOOP,
    OBSERVE,
    FATAL,
    INTEGERS,
    PROBLEM,
    LONG,
    UNHANDLED,
    BREAK,
    AGAIN
};

#define METHODS                                                                                    \
    "\"t/echo\",\"t/raw\",\"t/refuse\",\"t/silent-failure\",\"t/keep\",\"t/release\",\"t/big\","   \
    "\"t/relay\",\"t/as\",\"t/wrong-call\",\"t/subscribe\",\"t/loop\",\"t/observe\",\"t/fatal\","  \
    "\"t/integers\",\"t/problem\",\"t/long\",\"t/not-there\",\"t/break\",\"t/again\""

static const struct orb_plugin plugin = {ORB_PLUGIN_HEAD,    .name = "t",     .methods = methods,
                                         .init = on_init,    .stop = on_stop, .peer_gone = on_gone,
                                         .health = on_health};

static void start(struct fakehost *h)
{
    fakehost_start(h, &plugin);
    fakehost_welcome(h, METHODS, "");
    fakehost_ready(h);
}

/* Sends a request of eve and expects the answer. */
static void ask(struct fakehost *h, uint32_t method, const char *in, unsigned type,
                struct fakeframe *f)
{
    static const uint32_t corr = 41;

    fakehost_send(h, FRAME_REQ, method, corr, 9, 5000, NULL, in);
    fakehost_expect(h, type, f);
    ck_assert_uint_eq(f->head.corr, corr);
}

TEST(hello_names_plugin_and_abi_and_stop_ends_with_0)
{
    struct fakehost h;
    struct fakeframe f;

    fakehost_start(&h, &plugin);
    fakehost_read(&h, &f);
    ck_assert_uint_eq(f.head.type, FRAME_HELLO);
    ck_assert_str_eq(f.env, "{\"abi\":1,\"name\":\"t\"}");
    fakehost_send(&h, FRAME_WELCOME, 0, 0, 0, 0, NULL, "{\"service\":\"t\",\"methods\":[]}");
    fakehost_expect(&h, FRAME_READY, &f);
    ck_assert_str_eq(f.payload, "{\"revision\":0}");
    fakehost_send(&h, FRAME_STOP, 0, 0, 0, 0, NULL, NULL);
    fakehost_expect(&h, FRAME_PUB, &f); /* stop() was called and its frames still left */
    ck_assert_str_eq(f.env, "{\"topic\":\"stopped\"}");
    ck_assert_int_eq(fakehost_wait(&h), 0);
}

TEST(a_request_reaches_its_handler_with_peer_trace_and_deadline)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    fakehost_send(&h, FRAME_REQ, ECHO, 5, 9, 5000, "{\"trace\":\"00-ab-cd-01\"}", "{\"a\":[1]}");
    fakehost_expect(&h, FRAME_REP, &f);
    ck_assert_uint_eq(f.head.corr, 5);
    ck_assert_str_eq(f.payload, "{\"from\":\"eve\",\"role\":\"operator\",\"trace\":\"00-ab-cd-01\","
                                "\"in-time\":true,\"in\":{\"a\":[1]}}");
    ask(&h, RAW, "{\"n\": 12345678901234567890}", FRAME_REP, &f);
    ck_assert_str_eq(f.payload, "{\"n\": 12345678901234567890}");
    ask(&h, RAW, NULL, FRAME_REP, &f);
    ck_assert_str_eq(f.payload, "{}");
    fakehost_stop(&h);
}

TEST(a_handlers_error_becomes_an_error_frame)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    ask(&h, REFUSE, NULL, FRAME_ERR, &f);
    ck_assert_str_eq(f.env, "{\"err\":{\"code\":\"conflict\",\"text\":\"mtu 9 is too small\","
                            "\"path\":\"/mtu\"}}");
    ask(&h, SILENT, NULL, FRAME_ERR, &f);
    ck_assert_ptr_nonnull(strstr(f.env, "\"code\":\"busy\""));
    ask(&h, UNHANDLED, NULL, FRAME_ERR, &f);
    ck_assert_ptr_nonnull(strstr(f.env, "\"code\":\"unavailable\""));
    ask(&h, 999, NULL, FRAME_ERR, &f);
    ck_assert_ptr_nonnull(strstr(f.env, "\"code\":\"not-found\""));
    ask(&h, BIG, NULL, FRAME_ERR, &f);
    ck_assert_ptr_nonnull(strstr(f.env, "\"code\":\"limit\""));
    ask(&h, WRONG_CALL, NULL, FRAME_ERR, &f);
    ck_assert_ptr_nonnull(strstr(f.env, "\\\"Other Thing\\\" is no interface"));
    fakehost_send(&h, FRAME_REQ, ECHO, 6, 1234, 0, NULL, "{}");
    fakehost_expect(&h, FRAME_ERR, &f);
    ck_assert_ptr_nonnull(strstr(f.env, "\"code\":\"protocol\""));
    fakehost_stop(&h);
}

TEST(an_answer_after_cancel_is_swallowed)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    fakehost_send(&h, FRAME_REQ, KEEP, 5, 9, 5000, NULL, "{}");
    fakehost_send(&h, FRAME_CANCEL, 0, 5, 0, 0, NULL, NULL);
    ask(&h, RELEASE, NULL, FRAME_REP, &f); /* the first frame: no REP for 5 before it */
    ck_assert_str_eq(f.payload, "{\"left\":0,\"gone\":0}");
    fakehost_send(&h, FRAME_REQ, KEEP, 6, 9, 5000, NULL, "{}"); /* freed with the worker */
    fakehost_stop(&h);
}

TEST(a_peer_that_left_is_told_and_its_requests_are_cancelled)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    fakehost_send(&h, FRAME_PEER, 0, 0, 0, 0, NULL,
                  "{\"id\":11,\"kind\":\"user\",\"name\":\"bob\",\"role\":\"viewer\"}");
    fakehost_send(&h, FRAME_REQ, KEEP, 5, 11, 5000, NULL, "{}");
    fakehost_send(&h, FRAME_PING, 0, 1, 0, 0, NULL, NULL);
    fakehost_expect(&h, FRAME_PONG, &f);
    ck_assert_str_eq(f.payload, "{}");
    fakehost_send(&h, FRAME_GONE, 0, 0, 11, 0, NULL, NULL);
    fakehost_send(&h, FRAME_PING, 0, 2, 0, 0, NULL, NULL);
    fakehost_expect(&h, FRAME_PONG, &f);
    ck_assert_str_eq(f.payload, "{\"degraded\":\"peer 11 left\"}");
    ask(&h, RELEASE, NULL, FRAME_REP, &f);
    ck_assert_str_eq(f.payload, "{\"left\":0,\"gone\":11}");
    fakehost_stop(&h);
}

/* One relayed call: the worker's REQ is answered with type/env/payload. ret_req: its head. */
static void relay(struct fakehost *h, unsigned type, const char *env, const char *payload,
                  struct frame *ret_req, struct fakeframe *f)
{
    fakehost_send(h, FRAME_REQ, RELAY, 5, 9, 5000, NULL, "{}");
    fakehost_expect(h, FRAME_REQ, f);
    *ret_req = f->head;
    fakehost_send(h, type, 0, f->head.corr, 0, 0, env, payload);
    fakehost_expect(h, FRAME_REP, f);
}

TEST(a_call_travels_by_name_then_by_handle_and_a_dead_handle_is_forgotten)
{
    struct fakehost h;
    struct fakeframe f = {0};
    struct frame req;

    start(&h);
    fakehost_send(&h, FRAME_REQ, RELAY, 5, 9, 5000, NULL, "{\"deadline\":700}");
    fakehost_expect(&h, FRAME_REQ, &f);
    ck_assert_uint_eq(f.head.handle, 0);
    ck_assert_uint_eq(f.head.src, 0);
    ck_assert_uint_eq(f.head.deadline_ms, 700);
    ck_assert_str_eq(f.env, "{\"to\":\"other@1.2\",\"method\":\"ask\"}");
    ck_assert_str_eq(f.payload, "{\"q\":\"x\"}");
    fakehost_send(&h, FRAME_REP, 0, f.head.corr, 0, 0, NULL, "{\"a\":1}");
    fakehost_expect(&h, FRAME_REP, &f);
    ck_assert_str_eq(f.payload, "{\"code\":\"\",\"path\":\"\",\"out\":{\"a\":1}}");

    fakehost_send(&h, FRAME_REQ, RELAY, 5, 9, 5000, NULL, "{}");
    fakehost_expect(&h, FRAME_OPEN, &f);
    ck_assert_str_eq(f.env, "{\"to\":\"other@1.2\",\"method\":\"ask\"}");
    fakehost_send(&h, FRAME_OPENED, 23, f.head.corr, 0, 0, NULL, NULL);
    fakehost_expect(&h, FRAME_REQ, &f);
    fakehost_send(&h, FRAME_REP, 0, f.head.corr, 0, 0, NULL, "{}");
    fakehost_expect(&h, FRAME_REP, &f);

    relay(&h, FRAME_ERR, "{\"err\":{\"code\":\"peer-gone\",\"text\":\"left\"}}", NULL, &req, &f);
    ck_assert_uint_eq(req.handle, 23);
    ck_assert_uint_eq(req.envlen, 0);
    ck_assert_str_eq(f.payload, "{\"code\":\"peer-gone\",\"path\":\"\"}");
    /* Starts over by name, with a new handle. */
    fakehost_send(&h, FRAME_REQ, RELAY, 5, 9, 5000, NULL, "{}");
    fakehost_expect(&h, FRAME_OPEN, &f);
    fakehost_send(&h, FRAME_ERR, 0, f.head.corr, 0, 0,
                  "{\"err\":{\"code\":\"unavailable\",\"text\":\"none\"}}", NULL);
    fakehost_expect(&h, FRAME_REQ, &f);
    ck_assert_uint_eq(f.head.handle, 0);
    fakehost_send(&h, FRAME_ERR, 0, f.head.corr, 0, 0,
                  "{\"err\":{\"code\":\"schema\",\"text\":\"no\",\"path\":\"/q\"}}", NULL);
    fakehost_expect(&h, FRAME_REP, &f);
    ck_assert_str_eq(f.payload, "{\"code\":\"schema\",\"path\":\"/q\"}");
    fakehost_stop(&h);
}

TEST(a_call_the_host_never_answers_ends_by_the_workers_own_clock)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    fakehost_send(&h, FRAME_REQ, RELAY, 5, 9, 9000, NULL, "{\"deadline\":1}");
    fakehost_expect(&h, FRAME_REQ, &f);
    fakehost_expect(&h, FRAME_REP, &f);
    ck_assert_str_eq(f.payload, "{\"code\":\"deadline\",\"path\":\"\"}");
    fakehost_send(&h, FRAME_REQ, RELAY, 5, 9, 9000, NULL, "{}"); /* open when the worker stops */
    fakehost_expect(&h, FRAME_REQ, &f);
    fakehost_stop(&h);
}

TEST(a_call_for_a_session_carries_it_and_no_handle)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    for (int i = 0; i < 2; i++) {
        fakehost_send(&h, FRAME_REQ, AS, 5, 9, 9000, NULL, "{}");
        fakehost_expect(&h, FRAME_REQ, &f);
        ck_assert_uint_eq(f.head.src, 77);
        ck_assert_uint_eq(f.head.handle, 0);
        ck_assert_str_eq(f.env, "{\"to\":\"other@1\",\"method\":\"ask\"}");
        fakehost_send(&h, FRAME_REP, 0, f.head.corr, 0, 0, NULL, "{\"ok\":true}");
        fakehost_expect(&h, FRAME_REP, &f);
        ck_assert_str_eq(f.payload, "{\"ok\":true}");
    }
    fakehost_stop(&h);
}

TEST(events_reach_their_subscribers_and_gaps_are_told)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    fakehost_send(&h, FRAME_REQ, SUBSCRIBE, 5, 9, 9000, NULL, "{\"topic\":\"up\"}");
    fakehost_expect(&h, FRAME_SUB, &f);
    ck_assert_str_eq(f.env, "{\"to\":\"other\",\"topic\":\"up\"}");
    fakehost_send(&h, FRAME_REP, 0, f.head.corr, 0, 0, NULL, NULL);
    fakehost_expect(&h, FRAME_REP, &f);
    fakehost_send(&h, FRAME_EVENT, 0, 0, 0, 0, "{\"from\":\"other\",\"topic\":\"down\"}", "{}");
    fakehost_send(&h, FRAME_EVENT, 0, 0, 0, 0, "{\"from\":\"else\",\"topic\":\"up\"}", "{}");
    fakehost_send(&h, FRAME_EVENT, 0, 0, 0, 0, "{\"from\":\"other\",\"topic\":\"up\"}",
                  "{\"n\":1}");
    fakehost_expect(&h, FRAME_PUB, &f);
    ck_assert_str_eq(f.env, "{\"topic\":\"seen\"}");
    ck_assert_str_eq(f.payload, "{\"topic\":\"up\",\"payload\":{\"n\":1}}");
    fakehost_send(&h, FRAME_GAP, 0, 0, 0, 0, NULL,
                  "{\"from\":\"other\",\"topic\":\"up\",\"count\":3}");
    fakehost_expect(&h, FRAME_PUB, &f);
    ck_assert_ptr_nonnull(strstr(f.payload, "{\"topic\":\"gap\""));
    /* A refused subscription is logged. */
    fakehost_send(&h, FRAME_REQ, SUBSCRIBE, 5, 9, 9000, NULL, "{\"topic\":\"*\"}");
    fakehost_expect(&h, FRAME_SUB, &f);
    fakehost_send(&h, FRAME_ERR, 0, f.head.corr, 0, 0,
                  "{\"err\":{\"code\":\"denied\",\"text\":\"no\"}}", NULL);
    fakehost_until(&h, FRAME_LOG, &f);
    ck_assert_ptr_nonnull(strstr(f.payload, "\"sdk.subscribe-refused\""));
    fakehost_stop(&h);
}

TEST(timers_fire_descriptors_are_watched_and_both_may_free_themselves)
{
    struct fakehost h;
    struct fakeframe f;
    bool ticked = false;
    bool was_read = false;

    start(&h);
    ask(&h, LOOP, NULL, FRAME_REP, &f);
    while (!ticked || !was_read) {
        fakehost_expect(&h, FRAME_PUB, &f);
        ticked |= !strcmp(f.env, "{\"topic\":\"ticked\"}");
        was_read |= !strcmp(f.env, "{\"topic\":\"read\"}");
    }
    fakehost_stop(&h);
}

TEST(a_timer_that_starts_itself_at_once_lets_others_in)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    ask(&h, AGAIN, NULL, FRAME_REP, &f);
    fakehost_expect(&h, FRAME_PUB, &f);
    ck_assert_str_eq(f.env, "{\"topic\":\"read\"}");
    fakehost_expect(&h, FRAME_PUB, &f);
    ck_assert_str_eq(f.env, "{\"topic\":\"ticked\"}");
    fakehost_stop(&h);
}

TEST(a_descriptor_is_watched_beyond_its_errors)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    ask(&h, BREAK, NULL, FRAME_REP, &f);
    fakehost_expect(&h, FRAME_PUB, &f);
    ck_assert_str_eq(f.env, "{\"topic\":\"healed\"}");
    fakehost_stop(&h);
}

TEST(logs_and_summed_metrics_are_sent)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    fakehost_send(&h, FRAME_REQ, OBSERVE, 5, 9, 9000, NULL, "{}");
    do
        fakehost_until(&h, FRAME_LOG, &f);
    while (!strstr(f.payload, "odd.thing"));
    ck_assert_str_eq(f.payload, "{\"level\":\"warning\",\"event\":\"odd.thing\",\"kv\":{\"what\":"
                                "\"a \\\"b\\\"\\n\",\"n\":-3}}");
    fakehost_send(&h, FRAME_STOP, 0, 0, 0, 0, NULL, NULL); /* flushes counters */
    fakehost_until(&h, FRAME_METRIC, &f);
    ck_assert_str_eq(f.payload, "{\"name\":\"level\",\"set\":1.5}");
    fakehost_until(&h, FRAME_METRIC, &f);
    ck_assert_str_eq(f.payload, "{\"name\":\"things\",\"add\":5}");
    ck_assert_int_eq(fakehost_wait(&h), 0);
}

TEST(integers_keep_every_digit_or_are_refused)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    ask(&h, INTEGERS, "{\"exact\":9007199254740992,\"beyond\":9007199254740994,\"fraction\":1.5}",
        FRAME_REP, &f);
    ck_assert_str_eq(f.payload, "{\"small\":1000000000000000,\"large\":9223372036854775807,"
                                "\"exact\":9007199254740992}");
    fakehost_stop(&h);
}

TEST(progress_leaves_while_the_callback_works_and_not_at_every_call)
{
    struct fakehost h;
    struct fakeframe f;
    unsigned shown = 0;

    start(&h);
    fakehost_send(&h, FRAME_REQ, LONG, 5, 9, 9000, NULL, "{}");
    for (;;) {
        fakehost_read(&h, &f);
        if (f.head.type == FRAME_REP)
            break;
        shown += f.head.type == FRAME_PROGRESS;
    }
    ck_assert_uint_ge(shown, 2);
    ck_assert_uint_lt(shown, 300);
    fakehost_stop(&h);
}

TEST(the_progress_of_a_call_can_be_passed_on)
{
    struct fakehost h;
    struct fakeframe f;
    uint32_t corr;

    start(&h);
    fakehost_send(&h, FRAME_REQ, RELAY, 5, 9, 9000, NULL, "{}");
    fakehost_until(&h, FRAME_REQ, &f);
    corr = f.head.corr;
    fakehost_send(&h, FRAME_PROGRESS, 0, corr + 1, 0, 500, NULL, "{\"percent\":7}");
    fakehost_send(&h, FRAME_PROGRESS, 0, corr, 0, 500, NULL,
                  "{\"phase\":\"loading\",\"percent\":50}");
    fakehost_until(&h, FRAME_PROGRESS, &f);
    ck_assert_uint_eq(f.head.corr, 5);
    ck_assert_str_eq(f.payload, "{\"phase\":\"loading\",\"percent\":51}");
    fakehost_send(&h, FRAME_REP, 0, corr, 0, 0, NULL, "{}");
    fakehost_until(&h, FRAME_REP, &f);
    fakehost_stop(&h);
}

TEST(timers_run_and_answers_leave_between_requests_that_came_together)
{
    struct fakehost h;
    struct fakeframe f;
    unsigned answers = 0, ticks = 0, pongs = 0;

    start(&h);
    kill(h.pid, SIGSTOP);
    fakehost_send(&h, FRAME_REQ, LOOP, 4, 9, 9000, NULL, "{}");
    for (unsigned i = 0; i < 3; i++)
        fakehost_send(&h, FRAME_REQ, LONG, 5 + i, 9, 9000, NULL, "{}");
    fakehost_send(&h, FRAME_PING, 0, 8, 0, 0, NULL, NULL);
    kill(h.pid, SIGCONT);
    while (answers < 4) {
        fakehost_read(&h, &f);
        answers += f.head.type == FRAME_REP;
        ticks += f.head.type == FRAME_PUB;
        pongs += f.head.type == FRAME_PONG;
    }
    ck_assert_uint_ge(ticks, 1);
    ck_assert_uint_eq(pongs, 1); /* which does not wait behind requests either */
    fakehost_stop(&h);
}

TEST(problems_go_to_the_host_as_one_list_and_only_when_they_changed)
{
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    ask(&h, PROBLEM, "{\"set\":[\"p:a\",\"p:b\",\"q\"]}", FRAME_REP, &f);
    fakehost_expect(&h, FRAME_PROBLEMS, &f);
    ck_assert_str_eq(f.payload,
                     "{\"problems\":["
                     "{\"level\":\"degraded\",\"key\":\"p:a\",\"what\":\"p:a\",\"path\":\"/a\","
                     "\"todo\":\"x\"},"
                     "{\"level\":\"degraded\",\"key\":\"p:b\",\"what\":\"p:b\",\"path\":\"/a\","
                     "\"todo\":\"x\"},"
                     "{\"level\":\"degraded\",\"key\":\"q\",\"what\":\"q\",\"path\":\"/a\","
                     "\"todo\":\"x\"}],\"more\":0}");
    ask(&h, PROBLEM, "{\"clear\":[\"*\"],\"set\":[\"q\",\"p:b\",\"p:a\"]}", FRAME_REP,
        &f); /* as before */
    fakehost_send(&h, FRAME_PING, 0, 1, 0, 0, NULL, NULL);
    fakehost_expect(&h, FRAME_PONG, &f);
    ask(&h, PROBLEM, "{\"clear\":[\"p:*\"],\"set\":[\"p:b\"]}", FRAME_REP, &f);
    fakehost_expect(&h, FRAME_PROBLEMS, &f);
    ck_assert_ptr_null(strstr(f.payload, "p:a"));
    ck_assert_ptr_nonnull(strstr(f.payload, "p:b"));
    ask(&h, PROBLEM, "{\"clear\":[\"*\"],\"many\":1200}", FRAME_REP, &f);
    fakehost_expect(&h, FRAME_PROBLEMS, &f);
    ck_assert_ptr_nonnull(strstr(f.payload, "\"more\":"));
    ck_assert_ptr_null(strstr(f.payload, "\"p:b\""));
    fakehost_stop(&h);
}

TEST(a_fatal_error_and_a_failed_init_say_why_and_exit_1)
{
    static const struct orb_plugin old = {.abi = 99, .name = "old"};
    struct fakehost h;
    struct fakeframe f;

    start(&h);
    fakehost_send(&h, FRAME_REQ, FATAL, 5, 9, 9000, NULL, "{}");
    fakehost_expect(&h, FRAME_FAIL, &f);
    ck_assert_str_eq(f.payload, "{\"code\":\"kernel\",\"text\":\"netlink is dead\",\"path\":\"\"}");
    ck_assert_int_eq(fakehost_wait(&h), 1);

    fakehost_start(&h, &old);
    fakehost_welcome(&h, "", "");
    fakehost_expect(&h, FRAME_FAIL, &f);
    ck_assert_ptr_nonnull(strstr(f.payload, "its ABI is 99, this host has 2; rebuild the package"));
    ck_assert_int_eq(fakehost_wait(&h), 1);
}

TEST(end_of_file_ends_the_worker_with_0)
{
    struct fakehost h;

    start(&h);
    shutdown(h.fd, SHUT_RDWR);
    ck_assert_int_eq(fakehost_wait(&h), 0);
}

/* The worker must exit with 1 by itself, whatever it was fed. */
static void feed(const void *data, size_t len, bool welcomed)
{
    struct fakehost h;

    fakehost_start(&h, &plugin);
    if (welcomed) {
        fakehost_welcome(&h, METHODS, "");
        fakehost_ready(&h);
    }
    fakehost_raw(&h, data, len);
    ck_assert_int_eq(fakehost_wait(&h), 1);
}

TEST(garbage_from_the_host_ends_the_worker_without_a_crash)
{
    unsigned char header[FRAME_HEADER];
    char noise[4096];

    memset(noise, 0xff, sizeof(noise));
    feed(noise, sizeof(noise), false);
    feed(noise, sizeof(noise), true);
    for (unsigned type = 0; type < FRAME_TYPES + 3u; type++) {
        bool fine = type == FRAME_STOP || type == FRAME_PING || type == FRAME_OPENED ||
                    type == FRAME_REQ || type == FRAME_REP || type == FRAME_ERR ||
                    type == FRAME_CANCEL || type == FRAME_GONE || type == FRAME_GAP ||
                    type == FRAME_PROGRESS;

        if (fine)
            continue;
        memset(header, 0, sizeof(header));
        header[6] = (unsigned char)type;
        feed(header, sizeof(header), true);
    }
    /* A payload that is no JSON where the worker must read one. */
    memset(header, 0, sizeof(header));
    header[0] = 3;
    header[6] = FRAME_WELCOME;
    memcpy(noise, header, sizeof(header));
    feed(noise, sizeof(header) + 3, false);
}

TEST(frames_in_many_small_pieces_are_put_together)
{
    struct fakehost h;
    struct fakeframe f;
    struct frame frame = {.len = 2, .type = FRAME_REQ, .handle = ECHO, .corr = 8, .src = 9};
    unsigned char bytes[FRAME_HEADER + 2];
    struct buf big = {0};

    start(&h);
    frame_put(bytes, &frame);
    memcpy(bytes + FRAME_HEADER, "{}", 2);
    for (size_t i = 0; i < sizeof(bytes); i++)
        fakehost_raw(&h, bytes + i, 1);
    fakehost_expect(&h, FRAME_REP, &f);
    buf_adds(&big, "\"");
    while (big.len < FRAME_MAX - 1)
        buf_addc(&big, 'y');
    buf_adds(&big, "\"");
    /* The largest frame there is, both ways. */
    ask(&h, RAW, buf_str(&big), FRAME_REP, &f);
    ck_assert_uint_eq(f.head.len, FRAME_MAX);
    ck_assert_str_eq(f.payload, buf_str(&big));
    buf_fini(&big);
    fakehost_stop(&h);
}
