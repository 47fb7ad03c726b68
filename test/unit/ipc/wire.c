/* Helpers of the broker tests. */
#include "core/base/now.h"
#include "core/base/xalloc.h"
#include "core/ipc/peers.h"
#include "test/unit/ipc/clock.h"
#include "test/unit/ipc/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

const char echo_schema[] =
    "{\"interface\":\"echo\",\"version\":\"1.2\",\"methods\":{"
    "\"say\":{\"description\":\"repeats it\",\"requires\":\"observe\",\"timeout-ms\":5000,"
    "\"input\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"},"
    "\"times\":{\"type\":\"integer\",\"maximum\":9}},\"required\":[\"text\"]},"
    "\"output\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}}}},"
    "\"set\":{\"requires\":\"configure\",\"input\":{\"type\":\"object\"},"
    "\"output\":{\"type\":\"object\"}},"
    "\"act\":{\"requires\":\"operate\"},"
    "\"work\":{\"requires\":\"observe\",\"progress\":true},"
    "\"secret\":{\"requires\":\"internal\"}},"
    "\"events\":{\"changed\":{\"requires\":\"observe\",\"class\":\"state\","
    "\"payload\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},"
    "\"required\":[\"n\"]}},"
    "\"tick\":{\"requires\":\"observe\",\"payload\":{\"type\":\"object\"}},"
    "\"vital\":{\"requires\":\"configure\",\"class\":\"strict\","
    "\"payload\":{\"type\":\"object\"}}}}";

static void on_log_record(struct log_sink *sink, const char *service, enum log_level level,
                          const char *event, const struct orb_kv *pairs)
{
    struct world *world = container_of(sink, struct world, sink);

    buf_addf(&world->log, "%s", event);
    for (; pairs->key; pairs++)
        buf_addf(&world->log, " %s=%s", pairs->key, pairs->text ? pairs->text : "#");
    buf_addc(&world->log, '\n');
}

void world_init(struct world *world)
{
    struct orb_err err;

    *world = (struct world){.sink.write = on_log_record};
    ck_assert_int_eq(uv_loop_init(&world->loop), 0);
    ck_assert_int_eq(broker_new(&world->loop, &world->sink, &world->broker, &err), 0);
    ck_assert_msg(contract_compile(echo_schema, strlen(echo_schema), &world->echo, &err) == 0,
                  "%s: %s", err.path, err.text);
}

void world_fini(struct world *world)
{
    broker_close(world->broker);
    contract_free(world->echo);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&world->loop), 0);
    buf_fini(&world->log);
}

void world_turns(struct world *world, int turns)
{
    while (turns--)
        uv_run(&world->loop, UV_RUN_NOWAIT);
}

/* With a simulated clock: a turn of the loop; what can be done now is done before time passes. */
static void turn_simulated(struct world *world, struct pollfd *fds, const char *what)
{
    int wait_ms;

    world_turns(world, 2); /* one that starts to watch, one that sees */
    if (poll(fds, 2, 0) > 0)
        return;
    wait_ms = uv_backend_timeout(&world->loop);
    ck_assert_msg(wait_ms >= 0, "nothing will ever happen, waiting for %s", what);
    clock_pass((uint64_t)wait_ms);
    world_turns(world, 1);
}

/* One turn of the loop, then sleep until it or fd (-1: none) has something. */
static void turn(struct world *world, int fd, short events, uint64_t since, const char *what)
{
    struct pollfd fds[2] = {{.fd = uv_backend_fd(&world->loop), .events = POLLIN},
                            {.fd = fd, .events = events}};
    int wait_ms = uv_backend_timeout(&world->loop);

    if (clock_simulated()) {
        turn_simulated(world, fds, what);
        return;
    }
    if (wait_ms < 0 || wait_ms > 1000)
        wait_ms = 1000;
    poll(fds, 2, wait_ms);
    uv_run(&world->loop, UV_RUN_NOWAIT);
    ck_assert_msg(now_ms() - since < 10000, "waited 10 s for %s", what);
}

void world_turn(struct world *world)
{
    turn(world, -1, 0, now_ms(), "a turn");
}

void world_until(struct world *world, const int *flag)
{
    uint64_t since = now_ms();

    uv_run(&world->loop, UV_RUN_NOWAIT);
    while (!*flag)
        turn(world, -1, 0, since, "a flag");
}

static void on_hello(void *arg)
{
    ((struct wire *)arg)->hellos++;
}

static void on_ready(void *arg, uint64_t revision)
{
    struct wire *wire = arg;

    wire->readies++;
    wire->revision = revision;
}

static void keep(struct wire *wire, const char *text, size_t len)
{
    snprintf(wire->text, sizeof(wire->text), "%.*s", (int)len, text);
}

static void on_pong(void *arg, const char *degraded)
{
    struct wire *wire = arg;

    wire->pongs++;
    keep(wire, degraded, strlen(degraded));
}

static void on_failed(void *arg, const char *text)
{
    struct wire *wire = arg;

    wire->fails++;
    keep(wire, text, strlen(text));
}

static void on_log(void *arg, const char *data, size_t len)
{
    struct wire *wire = arg;

    wire->logs++;
    keep(wire, data, len);
}

static void on_metric(void *arg, const char *data, size_t len)
{
    struct wire *wire = arg;

    wire->metrics++;
    keep(wire, data, len);
}

static void on_applied(void *arg, uint64_t revision)
{
    struct wire *wire = arg;

    wire->applied++;
    wire->revision = revision;
}

static void on_progress(void *arg)
{
    ((struct wire *)arg)->progress++;
}

static void on_answered(void *arg)
{
    ((struct wire *)arg)->answered++;
}

static void on_problems(void *arg, const char *data, size_t len)
{
    struct wire *wire = arg;

    wire->problems++;
    keep(wire, data, len);
}

static void on_closed(void *arg, const struct orb_err *err)
{
    struct wire *wire = arg;

    wire->closed++;
    wire->end = *err;
    wire->peer = NULL;
}

static void on_welcome(void *arg, struct json_write *w)
{
    struct wire *wire = arg;

    if (wire->welcome)
        wire->welcome(w);
}

static const struct peer_events events = {
    .welcome = on_welcome,
    .hello = on_hello,
    .ready = on_ready,
    .pong = on_pong,
    .failed = on_failed,
    .problems = on_problems,
    .progress = on_progress,
    .answered = on_answered,
    .applied = on_applied,
    .log = on_log,
    .metric = on_metric,
    .closed = on_closed,
};

void wire_connect(struct world *world, struct wire *wire, const struct peer_spec *spec)
{
    struct peer_spec own = *spec;
    struct orb_err err;
    int fds[2];

    *wire = (struct wire){.world = world};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    own.events = &events;
    own.arg = wire;
    wire->fd = fds[1];
    wire->peer = peers_add(world->broker, fds[0], &own, &err);
    ck_assert_msg(wire->peer, "%s", err.text);
}

void wire_hello(struct wire *wire)
{
    AUTO(got) struct got got = {0};

    wire_put(wire, (struct frame){.type = FRAME_HELLO, .corr = 1}, "{\"abi\":1}", NULL);
    wire_expect(wire, &got, FRAME_WELCOME);
}

void wire_service(struct world *world, struct wire *wire, const char *name,
                  const char *const *capabilities)
{
    struct peer_spec spec = {.kind = PEER_SERVICE, .capabilities = capabilities};

    snprintf(spec.name, sizeof(spec.name), "%s", name);
    wire_connect(world, wire, &spec);
    wire_hello(wire);
}

void wire_echo(struct world *world, struct wire *wire)
{
    struct peer_spec spec = {.kind = PEER_SERVICE,
                             .name = "echo",
                             .contract = world->echo,
                             .progress_ms = WIRE_PROGRESS_MS};

    wire_connect(world, wire, &spec);
    wire_hello(wire);
    peer_open(wire->peer);
}

void wire_user(struct world *world, struct wire *wire, const char *name, const char *role)
{
    struct peer_spec spec = {.kind = PEER_USER};

    snprintf(spec.name, sizeof(spec.name), "%s", name);
    snprintf(spec.role, sizeof(spec.role), "%s", role);
    wire_connect(world, wire, &spec);
    wire_hello(wire);
}

void wire_close(struct wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
}

void wire_bytes(struct wire *wire, const void *data, size_t len)
{
    const char *p = data;
    uint64_t since = now_ms();

    while (len) {
        ssize_t n = send(wire->fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            turn(wire->world, wire->fd, POLLOUT, since, "room in the socket");
            continue;
        }
        if (n < 0)
            return; /* closed by the host: the test looks at that */
        p += n;
        len -= (size_t)n;
    }
}

void wire_put(struct wire *wire, struct frame h, const char *env, const char *payload)
{
    AUTO(buf) struct buf all = {0};
    unsigned char head[FRAME_HEADER];
    size_t envlen = env ? strlen(env) : 0, len = payload ? strlen(payload) : 0;

    h.envlen = (uint16_t)envlen;
    h.len = (uint32_t)(envlen + len);
    frame_put(head, &h);
    buf_add(&all, head, sizeof(head));
    if (envlen)
        buf_add(&all, env, envlen);
    if (len)
        buf_add(&all, payload, len);
    wire_bytes(wire, all.data, all.len);
}

/* Reads exactly len bytes; false at the end of the stream. */
static bool take(struct wire *wire, void *to, size_t len)
{
    char *p = to;
    uint64_t since = now_ms();

    while (len) {
        ssize_t n = recv(wire->fd, p, len, 0);

        if (n < 0 && errno == EAGAIN) {
            uv_run(&wire->world->loop, UV_RUN_NOWAIT);
            turn(wire->world, wire->fd, POLLIN, since, "a frame");
            continue;
        }
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool next(struct wire *wire, struct got *got)
{
    unsigned char head[FRAME_HEADER];
    struct orb_err err;

    got_fini(got);
    if (!take(wire, head, sizeof(head)))
        return false;
    ck_assert_int_ge(frame_get(head, sizeof(head), &got->h, &err), 0);
    got->len = got->h.len - got->h.envlen;
    got->payload = xcalloc(1, got->len + 1);
    ck_assert(take(wire, got->env, got->h.envlen));
    got->env[got->h.envlen] = '\0';
    ck_assert(take(wire, got->payload, got->len));
    return true;
}

void wire_get(struct wire *wire, struct got *got)
{
    ck_assert_msg(next(wire, got), "the host closed the connection");
}

void wire_expect(struct wire *wire, struct got *got, enum frame_type type)
{
    wire_get(wire, got);
    ck_assert_msg(got->h.type == type, "expected %s, got %s %s %s", frame_type_name(type),
                  frame_type_name(got->h.type), got->env, got->payload);
}

void wire_expect_err(struct wire *wire, uint32_t corr, const char *code, const char *words)
{
    AUTO(got) struct got got = {0};
    AUTO_FREE char *quoted = buf_format("\"code\":\"%s\"", code);

    wire_expect(wire, &got, FRAME_ERR);
    ck_assert_uint_eq(got.h.corr, corr);
    ck_assert_msg(strstr(got.env, quoted) != NULL, "expected %s in %s", code, got.env);
    ck_assert_msg(strstr(got.env, words) != NULL, "expected \"%s\" in %s", words, got.env);
}

void wire_quiet(struct wire *wire)
{
    char c;

    world_turns(wire->world, 5);
    ck_assert_int_eq(recv(wire->fd, &c, 1, MSG_PEEK), -1);
    ck_assert_int_eq(errno, EAGAIN);
}

void wire_expect_end(struct wire *wire)
{
    AUTO(got) struct got got = {0};

    while (next(wire, &got))
        ;
    wire_close(wire);
}

void got_fini(struct got *got)
{
    free(got->payload);
    got->payload = NULL;
}
