/* Frames to and from one worker, without a loop and with a time-out on every wait. */
#include "test/hostile/peer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/now.h"
#include "core/base/own.h"

int peer_send(int fd, unsigned type, uint32_t handle, uint32_t corr, const char *payload)
{
    unsigned char head[FRAME_HEADER];
    size_t len = payload ? strlen(payload) : 0;
    struct frame frame = {.type = (uint8_t)type,
                          .handle = handle,
                          .corr = corr,
                          .src = type == FRAME_REQ ? 1 : 0,
                          .len = (uint32_t)len};

    frame_put(head, &frame);
    if (send(fd, head, sizeof(head), MSG_NOSIGNAL) != (ssize_t)sizeof(head) ||
        (len && send(fd, payload, len, MSG_NOSIGNAL) != (ssize_t)len))
        return -EPIPE;
    return 0;
}

/* Reads exactly len bytes. */
static int take(int fd, void *to, size_t len, uint64_t until)
{
    size_t done = 0;

    while (done < len) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t now = now_ms();
        ssize_t n;

        if (now >= until)
            return FRAME_MORE;
        if (poll(&p, 1, (int)(until - now)) <= 0)
            continue;
        n = read(fd, (char *)to + done, len - done);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return -EPIPE;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int peer_receive(int fd, int wait_ms, struct frame *ret_frame, struct buf *ret_text)
{
    unsigned char head[FRAME_HEADER];
    uint64_t until = now_ms() + (uint64_t)wait_ms;
    struct frame frame = {0};
    int r = take(fd, head, sizeof(head), until);

    if (r)
        return r;
    r = frame_get(head, sizeof(head), &frame, NULL);
    if (r < 0)
        return r;
    buf_clear(ret_text);
    r = take(fd, buf_reserve(ret_text, frame.len), frame.len, until);
    if (r)
        return r;
    ret_text->len += frame.len;
    ret_text->data[ret_text->len] = '\0';
    *ret_frame = frame;
    return 0;
}

int peer_expect(int fd, unsigned type, int wait_ms, struct buf *ret_text)
{
    uint64_t until = now_ms() + (uint64_t)wait_ms;
    struct frame frame = {0};
    int r;

    do {
        uint64_t now = now_ms();

        r = peer_receive(fd, now < until ? (int)(until - now) : 0, &frame, ret_text);
    } while (!r && frame.type != type);
    return r;
}

int peer_greet(struct sandbox *sandbox, const struct sandbox_child *child,
               const struct launch_plan *plan, const char *methods, struct buf *report,
               struct orb_err *err)
{
    AUTO(buf) struct buf text = {0}, welcome = {0};
    int r = peer_expect(child->ipc_fd, FRAME_HELLO, 5000, &text);

    if (r)
        return orb_fail(err, ORB_E_DEADLINE, "%s sent no HELLO (%d)", plan->service, r);
    r = attest_sandbox(sandbox, child, plan, report, err);
    if (r < 0)
        return r;
    buf_addf(&welcome, "{\"service\":\"%s\",\"peer\":1,\"abi\":1,\"methods\":%s}", plan->service,
             methods);
    r = peer_send(child->ipc_fd, FRAME_WELCOME, 0, 0, buf_str(&welcome));
    if (!r)
        r = peer_send(child->ipc_fd, FRAME_PEER, 0, 0,
                      "{\"id\":1,\"kind\":\"host\",\"name\":\"test\",\"role\":\"admin\"}");
    if (!r)
        r = peer_expect(child->ipc_fd, FRAME_READY, 5000, &text);
    return r ? orb_fail(err, ORB_E_DEADLINE, "%s was not ready (%d)", plan->service, r) : 0;
}

void peer_stderr(const struct sandbox_child *child, struct buf *text)
{
    char piece[4096];
    ssize_t n;

    while (text->len < 65536 && (n = read(child->stderr_fd, piece, sizeof(piece))) > 0)
        buf_add(text, piece, (size_t)n);
}

int peer_end(struct sandbox *sandbox, struct sandbox_child *child, int wait_ms,
             struct exit_status *ret_status)
{
    struct pollfd p = {.fd = child->pidfd, .events = POLLIN};
    int r;

    if (poll(&p, 1, wait_ms) <= 0) {
        reap_kill(sandbox, child, SIGKILL);
        poll(&p, 1, 5000);
    }
    r = reap_worker(sandbox, child, ret_status, NULL);
    close(child->pidfd);
    close(child->ipc_fd);
    close(child->stderr_fd);
    close(child->crash_fd);
    return r;
}
