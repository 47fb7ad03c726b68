/* orbctl with a socket that answers anything: the first byte chooses the command and how it
 * prints (trials.h), the second how many bytes, times 16, the first connection sends; the rest is
 * sent by the second one; after that connecting fails. The bytes are {type, corr, flags, size
 * (2), data}: frames with data as payload, or as envelope (flags bit 0), or a header of its own
 * making (bit 1).
 *
 * Reading ends when the input ends, in time; the output satisfies the checks of fuzz_print; and
 * text that is not JSON is never taken for an answer. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/base/own.h"
#include "core/ipc/frame.h"
#include "core/json/scan.h"
#include "test/fuzz/bounds.h"
#include "test/fuzz/trials.h"

#define MOST_MS 400.0
#define SENT_MOST 150000 /* finds room in a socket */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    const uint8_t *data[2]; /* of each connection */
    size_t size[2];
    unsigned made; /* connections */
    int peer;      /* the daemon's end of the last one; -1: none */
} daemon_;

static void add_frame(struct buf *to, const uint8_t *head, const uint8_t *data, size_t len)
{
    struct frame f = {.type = head[0] % FRAME_TYPES,
                      .corr = head[1],
                      .len = (uint32_t)len,
                      .envlen = head[2] & 1 ? (uint16_t)len : 0};
    unsigned char header[FRAME_HEADER];

    if (f.envlen > FRAME_MAX_ENVELOPE)
        f.envlen = 0;
    frame_put(header, &f);
    if (head[2] & 2)
        memcpy(header, data, len < sizeof(header) ? len : sizeof(header));
    buf_add(to, header, sizeof(header));
    buf_add(to, data, len);
}

static void say(int fd, const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf all = {0};

    while (size >= 5 && all.len < SENT_MOST) {
        size_t len = (size_t)data[3] | (size_t)data[4] << 8;

        if (len > size - 5)
            len = size - 5;
        add_frame(&all, data, data + 5, len);
        data += 5 + len;
        size -= 5 + len;
    }
    buf_add(&all, data, size);
    (void)!send(fd, buf_str(&all), all.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
}

/* libc's own, for this program: the peer of the socket has sent everything already. */
__attribute__((visibility("default"))) int connect(int fd, const struct sockaddr *to, socklen_t len)
{
    int pair[2], room = 1 << 20;

    if (to->sa_family != AF_UNIX)
        return (int)syscall(SYS_connect, fd, to, len);
    if (daemon_.made == ARRAY_LEN(daemon_.data)) {
        errno = ECONNREFUSED;
        return -1;
    }
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "no socket");
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    say(pair[1], daemon_.data[daemon_.made], daemon_.size[daemon_.made]);
    daemon_.made++;
    must(dup2(pair[0], fd) == fd, "no descriptor");
    close(pair[0]);
    if (daemon_.peer >= 0)
        close(daemon_.peer);
    daemon_.peer = pair[1];
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cli cli = {.socket = "/fuzz", .wait_ms = 0};
    double before = cpu_ms();
    size_t first;

    if (size < 3)
        return 0;
    first = (size_t)data[1] * 16 < size - 2 ? (size_t)data[1] * 16 : size - 2;
    daemon_.data[0] = data + 2;
    daemon_.size[0] = first;
    daemon_.data[1] = data + 2 + first;
    daemon_.size[1] = size - 2 - first;
    daemon_.made = 0;
    daemon_.peer = -1;
    cli.json = data[0] & 0x80;
    cli.client.wire.fd = -1;
    trial_run(data[0] & 0x7f, &cli, size);
    must(cli.client.wire.in.cap <= 2 * (FRAME_MAX + 65536), "it keeps too much");
    client_close(&cli.client);
    if (daemon_.peer >= 0)
        close(daemon_.peer);
    must_end(before, MOST_MS, size);
    return 0;
}
