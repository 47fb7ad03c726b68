/* Arbitrary bytes as the stream of a peer. First byte: bit 0 frame_get alone, bit 1 a client
 * instead of a service, bit 2 HELLO is said first. The peer provides an interface, is asked
 * something, and may call, publish, subscribe and act for a session; afterwards the loop must have
 * nothing left. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "core/base/own.h"
#include "core/ipc/broker.h"
#include "core/ipc/frame.h"

#define PIECE 3000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char schema[] =
    "{\"interface\":\"echo\",\"version\":\"1.2\",\"methods\":{"
    "\"say\":{\"requires\":\"observe\",\"input\":{\"type\":\"object\",\"properties\":{\"text\":{"
    "\"type\":\"string\"}}},\"output\":{\"type\":\"object\",\"properties\":{\"text\":{\"type\":"
    "\"string\"}}}}},\"events\":{\"changed\":{\"requires\":\"observe\",\"class\":\"state\","
    "\"payload\":{\"type\":\"object\"}}}}";

struct scene {
    uv_loop_t loop;
    struct broker *broker;
    struct contract *contract;
    struct ipc_peer *fuzzed, *other;
    int fuzzed_fd, other_fd;
    int done;
};

static void must(int holds)
{
    if (!holds)
        abort();
}

static void on_closed(void *arg, const struct orb_err *err)
{
    *(struct ipc_peer **)arg = NULL;
}

static void on_done(void *arg, const char *text, size_t len, const struct orb_err *err)
{
    ++*(int *)arg;
}

static struct ipc_peer *connect_peer(struct scene *scene, struct peer_spec *spec, int *ret_fd)
{
    struct ipc_peer *peer;
    int fds[2];

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    peer = broker_add_peer(scene->broker, fds[0], spec, NULL);
    must(peer != NULL);
    *ret_fd = fds[1];
    return peer;
}

static void drain(int fd)
{
    char waste[65536];

    while (recv(fd, waste, sizeof(waste), 0) > 0)
        ;
}

static void turns(struct scene *scene, int count)
{
    while (count--)
        uv_run(&scene->loop, UV_RUN_NOWAIT);
    drain(scene->other_fd);
}

static void put(int fd, struct frame h, const char *env, const char *payload)
{
    unsigned char all[512];

    h.envlen = (uint16_t)strlen(env);
    h.len = h.envlen + (uint32_t)strlen(payload);
    frame_put(all, &h);
    memcpy(all + FRAME_HEADER, env, h.envlen);
    memcpy(all + FRAME_HEADER + h.envlen, payload, strlen(payload));
    must(send(fd, all, FRAME_HEADER + h.len, MSG_NOSIGNAL) > 0);
}

static void set(struct scene *scene, uint8_t mode)
{
    static const struct peer_events events = {.closed = on_closed};
    static const char *const all[] = {"ipc.call:echo/*", "ipc.subscribe:echo/*", "session.delegate",
                                      NULL};
    struct peer_spec fuzzed = {.kind = mode & 2 ? PEER_USER : PEER_SERVICE,
                               .name = "echo",
                               .role = "admin",
                               .capabilities = all,
                               .contract = mode & 2 ? NULL : scene->contract,
                               .has_config = !(mode & 2),
                               .events = &events,
                               .arg = &scene->fuzzed};
    struct peer_spec other = {.kind = PEER_SERVICE,
                              .name = "other",
                              .capabilities = all,
                              .events = &events,
                              .arg = &scene->other};
    uint32_t session;

    scene->fuzzed = connect_peer(scene, &fuzzed, &scene->fuzzed_fd);
    scene->other = connect_peer(scene, &other, &scene->other_fd);
    put(scene->other_fd, (struct frame){.type = FRAME_HELLO}, "{\"abi\":1}", "");
    put(scene->other_fd, (struct frame){.type = FRAME_SUB}, "{\"to\":\"echo\",\"topic\":\"*\"}",
        "");
    if (!(mode & 4))
        return;
    put(scene->fuzzed_fd, (struct frame){.type = FRAME_HELLO}, "{\"abi\":1}", "");
    turns(scene, 2);
    if (mode & 2)
        return;
    peer_open(scene->fuzzed);
    peer_ping(scene->fuzzed);
    must(broker_session_open(scene->broker, peer_id(scene->fuzzed), "kim", "admin", &session,
                             NULL) == 0);
    put(scene->other_fd, (struct frame){.type = FRAME_REQ}, "{\"to\":\"echo\",\"method\":\"say\"}",
        "{}");
    turns(scene, 2);
    must(broker_call(scene->broker, "echo@1", "say", "{}", 2, 0, on_done, &scene->done, NULL) == 0);
}

static void feed(struct scene *scene, const uint8_t *data, size_t size)
{
    while (size && scene->fuzzed) {
        size_t want = size < PIECE ? size : PIECE;
        ssize_t n = send(scene->fuzzed_fd, data, want, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN)
            break;
        turns(scene, 1);
        drain(scene->fuzzed_fd);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
    turns(scene, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scene scene = {0};
    struct frame frame;
    struct orb_err err;
    uint8_t mode;

    if (size == 0)
        return 0;
    mode = data[0];
    data++;
    size--;
    if (mode & 1) {
        int r = frame_get(data, size, &frame, &err);

        must(r != 0 || (frame.len <= FRAME_MAX && size >= FRAME_HEADER + frame.len &&
                        frame.envlen <= frame.len));
        return 0;
    }
    must(uv_loop_init(&scene.loop) == 0);
    must(broker_new(&scene.loop, NULL, &scene.broker, NULL) == 0);
    must(contract_compile(schema, sizeof(schema) - 1, &scene.contract, NULL) == 0);
    set(&scene, mode);
    feed(&scene, data, size);
    must(scene.other != NULL); /* whoever else is connected stays so */
    broker_close(scene.broker);
    contract_free(scene.contract);
    uv_run(&scene.loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&scene.loop) == 0);
    close(scene.fuzzed_fd);
    close(scene.other_fd);
    return 0;
}
