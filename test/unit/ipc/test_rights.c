#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/now.h"
#include "core/ipc/rights.h"
#include "test/lib/harness.h"

#define LINGER_S 20

/* A TCP socket whose close waits for its peer, which reads nothing. */
static int lingering(int *ret_peer)
{
    static char data[65536];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct linger linger = {1, LINGER_S};
    socklen_t len = sizeof(to);
    int server = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(server, (struct sockaddr *)&to, sizeof(to)), 0);
    ck_assert_int_eq(listen(server, 1), 0);
    ck_assert_int_eq(getsockname(server, (struct sockaddr *)&to, &len), 0);
    ck_assert_int_eq(connect(s, (struct sockaddr *)&to, sizeof(to)), 0);
    *ret_peer = accept(server, NULL, NULL);
    while (send(s, data, sizeof(data), MSG_DONTWAIT) > 0)
        ;
    ck_assert_int_eq(setsockopt(s, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(server);
    return s;
}

static void send_with(int to, const char *text, int fd)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};

    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    ck_assert_int_eq(sendmsg(to, &message, 0), (int)strlen(text));
}

TEST(descriptors_are_found_before_anything_is_taken)
{
    char seen[16];
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    ck_assert_int_eq(rights_look(pair[0], seen, sizeof(seen)), -EAGAIN);
    ck_assert_int_eq(send(pair[1], "plain", 5, 0), 5);
    ck_assert_int_eq(rights_look(pair[0], seen, sizeof(seen)), 5);
    send_with(pair[1], "with", pair[1]);
    ck_assert_int_eq(rights_look(pair[0], seen, sizeof(seen)), -EBADMSG);
    ck_assert_int_eq(recv(pair[0], seen, 5, MSG_DONTWAIT), 5);
    ck_assert_int_eq(rights_look(pair[0], seen, sizeof(seen)), -EBADMSG);
    rights_close(pair[0], true);
    ck_assert_int_eq(send(pair[1], "x", 1, MSG_NOSIGNAL), -1);
    ck_assert_int_eq(errno, EPIPE);
    close(pair[1]);
}

/* The socket in the queue is closed with it, and its peer is not waited for. */
TEST(closing_waits_for_no_descriptor_in_the_queue)
{
    int pair[2], peer, s = lingering(&peer);
    uint64_t begin;
    char end;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    send_with(pair[1], "request", s);
    close(s);
    begin = now_ms();
    rights_close(pair[0], true);
    ck_assert_msg(now_ms() - begin < LINGER_S * 1000 / 2, "it took %llu ms",
                  (unsigned long long)(now_ms() - begin));
    ck_assert_int_le(recv(pair[1], &end, 1, 0), 0); /* the thread has ended it */
    close(pair[1]);
    close(peer);
}
