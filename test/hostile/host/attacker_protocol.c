/* Frames that break the protocol, processes that omit their part, and constructors that act before
 * HELLO. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/hostile/host/attacker.h"

/* ---- frames that break the protocol: the host must disconnect the attacker ---- */

static void raw_header(uint32_t len, uint16_t envlen, uint8_t type, uint8_t flags)
{
    struct wire_frame h = {.len = len, .envlen = envlen, .type = type, .flags = flags};

    wire_bytes(&h, sizeof(h));
}

void f_hello_twice(void)
{
    wire_frame((struct wire_frame){.type = W_HELLO}, "{\"abi\":1}", NULL);
}
void f_ready_twice(void)
{
    ready();
    ready();
}
void f_huge(void)
{
    raw_header(0xffffffff, 0, W_REQ, 0);
}
void f_zero(void)
{
    raw_header(0, 0, 0, 0);
}
void f_type_99(void)
{
    raw_header(0, 0, 99, 0);
}
void f_flags(void)
{
    raw_header(0, 0, W_LOG, 0x80);
}
void f_envelope_long(void)
{
    raw_header(8, 4000, W_REQ, 0);
}
void f_envelope_huge(void)
{
    raw_header(65535, 65535, W_REQ, 0);
}
void f_host_frames(void)
{
    wire_say(W_STOP, NULL);
}
void f_fake_event(void)
{
    wire_frame((struct wire_frame){.type = W_EVENT},
               "{\"from\":\"config\",\"topic\":\"committed\"}", "{}");
}
void f_fake_peer(void)
{
    wire_say(W_PEER, "{\"id\":1,\"kind\":\"host\",\"name\":\"host\",\"role\":\"admin\"}");
}
void f_src_log(void)
{
    wire_frame((struct wire_frame){.type = W_LOG, .src = 1}, NULL, "{\"event\":\"x\"}");
}
void f_src_host(void)
{
    wire_frame((struct wire_frame){.type = W_REQ, .src = 1, .corr = 1},
               "{\"to\":\"config@1\",\"method\":\"get\"}", "{}");
}
void f_src_other(void)
{
    for (uint32_t src = 2; src < 12; src++)
        wire_frame((struct wire_frame){.type = W_REQ, .src = src, .corr = src},
                   "{\"to\":\"config@1\",\"method\":\"get\"}", "{}");
}
void f_random(void)
{
    uint32_t x = 2463534242u;
    char noise[4096];

    for (unsigned i = 0; i < sizeof(noise); i++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        noise[i] = (char)x;
    }
    wire_bytes(noise, sizeof(noise));
}
void f_fds(void)
{
    char room[CMSG_SPACE(8 * sizeof(int))] = {0};
    char byte = 0;
    struct iovec io = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(8 * sizeof(int));
    for (int i = 0; i < 8; i++)
        memcpy(CMSG_DATA(c) + i * (int)sizeof(int), &(int){2}, sizeof(int));
    for (int i = 0; i < 200; i++)
        if (sendmsg(WIRE_FD, &m, MSG_NOSIGNAL) < 0) {
            shout("attack refused: SCM_RIGHTS: %s", strerror(errno));
            return;
        }
    shout("attack notes: descriptors were sent");
}

/* ---- behaviour of a process ---- */

void p_partial(void)
{
    ready();
    raw_header(1000, 0, W_LOG, 0);
    wire_bytes("{\"event\":", 9);
    still();
}
void p_close(void)
{
    ready();
    close(WIRE_FD);
    still();
}
void p_shutdown(void)
{
    ready();
    shutdown(WIRE_FD, SHUT_WR);
    still();
}
void p_exit_0(void)
{
    _exit(0);
}
void p_exit_7(void)
{
    _exit(7);
}
void p_ready_exit(void)
{
    ready();
    _exit(0);
}
void p_hang(void)
{
    ready();
    still();
}
void p_late_pong(void)
{
    ready();
    usleep(3000000);
    wire_say(W_PONG, "{}");
    stay();
}
void p_pong_flood(void)
{
    uint64_t until = wire_now() + 2000;

    ready();
    while (wire_now() < until && wire_say(W_PONG, "{\"degraded\":\"a\\u001b[31mb\\nc\"}"))
        ;
    stay();
}
void p_memory(void)
{
    ready();
    for (;;) {
        char *p = malloc(1 << 20);

        if (!p)
            abort();
        memset(p, 1, 1 << 20);
        wire_next(&in, 0, true);
    }
}
void p_fork(void)
{
    long pid = syscall(SYS_fork);

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        shout("attack succeeded: fork gave %ld", pid);
    pid = syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        shout("attack succeeded: clone gave %ld", pid);
    else
        shout("attack refused: clone: %s", strerror(errno));
    _exit(3);
}
void p_fail_flood(void)
{
    uint64_t until = wire_now() + 1500;

    while (wire_now() < until &&
           wire_say(W_FAIL, "{\"code\":\"x\",\"text\":\"a\\u001b[2Jb\\n{}\"}"))
        ;
    _exit(4);
}

/* ---- constructors: before the SDK, before HELLO ---- */

void c_crash(void)
{
    *(volatile int *)8 = 1;
}
void c_hang(void)
{
    still();
}
void c_spin(void)
{
    for (;;)
        ;
}
void c_exit(void)
{
    _exit(0);
}
void c_close(void)
{
    close(WIRE_FD);
}
void c_ready(void)
{
    ready();
    still();
}
void c_greet(void)
{
    wire_frame((struct wire_frame){.type = W_HELLO}, "{\"abi\":1}", NULL);
    ready();
    stay();
}
void c_abi(void)
{
    wire_frame((struct wire_frame){.type = W_HELLO}, "{\"abi\":99}", NULL);
    c_hang();
}
void c_garbage(void)
{
    f_random();
    c_hang();
}
void c_fork(void)
{
    p_fork();
}
