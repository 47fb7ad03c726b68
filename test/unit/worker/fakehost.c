/* The host's end for tests of the SDK. */
#include "test/unit/worker/fakehost.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "test/lib/harness.h"

void fakehost_start(struct fakehost *host, const struct orb_plugin *plugin)
{
    int pair[2];

    memset(host, 0, sizeof(*host));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    host->pid = fork();
    ck_assert_int_ge(host->pid, 0);
    if (host->pid == 0) {
        struct sdk_socket sockets[] = {{"http", STDIN_FILENO}};
        struct sdk_setup setup = {
            .service = plugin->name, .ipc_fd = pair[1], .sockets = sockets, .socket_count = 1};

        close(pair[0]);
        /* exit(), so that a leak checker looks at what is left. */
        exit(sdk_run(&setup, plugin));
    }
    close(pair[1]);
    host->fd = pair[0];
}

void fakehost_raw(struct fakehost *host, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = send(host->fd, at, len, MSG_NOSIGNAL);

        if (n <= 0)
            return; /* the worker ended: the test looks at how */
        at += n;
        len -= (size_t)n;
    }
}

void fakehost_send(struct fakehost *host, unsigned type, uint32_t handle, uint32_t corr,
                   uint32_t src, uint32_t deadline_ms, const char *env, const char *payload)
{
    size_t env_len = env ? strlen(env) : 0;
    size_t len = payload ? strlen(payload) : 0;
    struct frame frame = {.len = (uint32_t)(env_len + len),
                          .envlen = (uint16_t)env_len,
                          .type = (uint8_t)type,
                          .handle = handle,
                          .corr = corr,
                          .src = src,
                          .deadline_ms = deadline_ms};
    struct buf b = {0};

    frame_put((unsigned char *)buf_reserve(&b, FRAME_HEADER), &frame);
    b.len = FRAME_HEADER;
    buf_add(&b, env, env_len);
    buf_add(&b, payload, len);
    fakehost_raw(host, b.data, b.len);
    buf_fini(&b);
}

static void read_all(struct fakehost *host, unsigned char *to, size_t len)
{
    while (len > 0) {
        struct pollfd p = {.fd = host->fd, .events = POLLIN};
        ssize_t n;

        ck_assert_msg(poll(&p, 1, FAKEHOST_WAIT_MS) == 1, "the worker sent nothing");
        n = recv(host->fd, to, len, 0);
        ck_assert_msg(n > 0, "the worker closed its socket");
        to += n;
        len -= (size_t)n;
    }
}

void fakehost_read(struct fakehost *host, struct fakeframe *ret)
{
    unsigned char header[FRAME_HEADER];
    struct orb_err err;
    unsigned char *data;
    int r;

    read_all(host, header, sizeof(header));
    r = frame_get(header, sizeof(header), &ret->head, &err);
    ck_assert_msg(r >= 0, "the worker sent a bad frame: %s", err.text);
    free(host->in);
    /* Envelope, NUL, payload, NUL. */
    data = host->in = calloc(1, ret->head.len + 2);
    read_all(host, data, ret->head.envlen);
    read_all(host, data + ret->head.envlen + 1, ret->head.len - ret->head.envlen);
    ret->env = (char *)data;
    ret->payload = (char *)data + ret->head.envlen + 1;
}

void fakehost_until(struct fakehost *host, unsigned type, struct fakeframe *ret)
{
    do
        fakehost_read(host, ret);
    while (ret->head.type != type);
}

void fakehost_expect(struct fakehost *host, unsigned type, struct fakeframe *ret)
{
    do
        fakehost_read(host, ret);
    while (ret->head.type != type &&
           (ret->head.type == FRAME_LOG || ret->head.type == FRAME_METRIC ||
            ret->head.type == FRAME_APPLIED));
    ck_assert_msg(ret->head.type == type, "expected %s, the worker sent %s %s %s",
                  frame_type_name(type), frame_type_name(ret->head.type), ret->env, ret->payload);
}

void fakehost_welcome(struct fakehost *host, const char *methods, const char *extra)
{
    struct fakeframe f;
    char *text = buf_format("{\"service\":\"t\",\"peer\":3,\"abi\":1,\"interface\":\"t\","
                            "\"version\":\"1.0\",%s\"methods\":[%s]}",
                            extra, methods);

    fakehost_expect(host, FRAME_HELLO, &f);
    fakehost_send(host, FRAME_WELCOME, 0, 0, 0, 0, NULL, text);
    fakehost_send(host, FRAME_PEER, 0, 0, 0, 0, NULL,
                  "{\"id\":7,\"kind\":\"service\",\"name\":\"config\",\"role\":\"service\"}");
    fakehost_send(host, FRAME_PEER, 0, 0, 0, 0, NULL,
                  "{\"id\":9,\"kind\":\"user\",\"name\":\"eve\",\"role\":\"operator\"}");
    free(text);
}

void fakehost_ready(struct fakehost *host)
{
    struct fakeframe f;

    fakehost_expect(host, FRAME_READY, &f);
}

int fakehost_wait(struct fakehost *host)
{
    int status;

    ck_assert_int_eq(waitpid(host->pid, &status, 0), host->pid);
    close(host->fd);
    free(host->in);
    host->in = NULL;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void fakehost_stop(struct fakehost *host)
{
    fakehost_send(host, FRAME_STOP, 0, 0, 0, 0, NULL, NULL);
    ck_assert_int_eq(fakehost_wait(host), 0);
}
