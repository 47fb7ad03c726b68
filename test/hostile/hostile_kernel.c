/* Attacks through sockets and on the kernel itself. Arguments are harmless should a call succeed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "test/hostile/attacks.h"

#define IPC 3
#define TRIES(name, call)                                                                          \
    int attack_##name(void)                                                                        \
    {                                                                                              \
        return TRY(call);                                                                          \
    }

TRIES(tcp4, socket(AF_INET, SOCK_STREAM, 0))
TRIES(udp4, socket(AF_INET, SOCK_DGRAM, 0))
TRIES(tcp6, socket(AF_INET6, SOCK_STREAM, 0))
TRIES(raw4, socket(AF_INET, SOCK_RAW, 1))
TRIES(packet, socket(AF_PACKET, SOCK_RAW, 0))
TRIES(netlink_route, socket(AF_NETLINK, SOCK_RAW, 0))
TRIES(netlink_audit, socket(AF_NETLINK, SOCK_RAW, 9))
TRIES(unix_stream, socket(AF_UNIX, SOCK_STREAM, 0))
TRIES(unix_dgram, socket(AF_UNIX, SOCK_DGRAM, 0))

/* The connection to the host; outside of a worker there is none. */
static int any_socket(void)
{
    int pair[2], type;
    socklen_t size = sizeof(type);

    if (getsockopt(IPC, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
        return IPC;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ? -1 : pair[0];
}

int attack_peer_pidfd(void)
{
    int fd = -1;
    socklen_t size = sizeof(fd);

    return TRY(getsockopt(IPC, SOL_SOCKET, 77 /* SO_PEERPIDFD */, &fd, &size));
}

TRIES(shared_port, setsockopt(any_socket(), SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)))
TRIES(shared_port_too, setsockopt(any_socket(), SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int)))
TRIES(send_buffer, setsockopt(any_socket(), SOL_SOCKET, SO_SNDBUF, &(int){1 << 20}, sizeof(int)))
TRIES(receive_buffer, setsockopt(any_socket(), SOL_SOCKET, SO_RCVBUF, &(int){1 << 20}, sizeof(int)))
TRIES(send_buffer_force,
      setsockopt(any_socket(), SOL_SOCKET, SO_SNDBUFFORCE, &(int){1 << 20}, sizeof(int)))
TRIES(receive_buffer_force,
      setsockopt(any_socket(), SOL_SOCKET, SO_RCVBUFFORCE, &(int){1 << 20}, sizeof(int)))
TRIES(pair_unix, socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0}))

/* Fills what it can get hold of until nothing more is taken; a success when the kernel holds more
 * than 32 MiB for it. */
static int pin(int (*make)(int pair[2]))
{
    static char data[65536];
    size_t held = 0;
    int pair[2], last = 0;

    while (held <= 64u << 20 && make(pair) == 0) {
        ssize_t n;

        fcntl(pair[1], F_SETFL, O_NONBLOCK);
        setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &(int){4 << 20}, sizeof(int));
        while ((n = write(pair[1], data, sizeof(data))) > 0)
            held += (size_t)n;
    }
    last = errno;
    return held > 32u << 20 ? 0 : -last;
}

static int make_unix(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}

static int make_pipe(int pair[2])
{
    return pipe(pair);
}

int attack_pin_sockets(void)
{
    return pin(make_unix);
}

int attack_pin_pipes(void)
{
    return pin(make_pipe);
}

/* Descriptors on their way are open and none of ours: as many again as there may be. */
int attack_pin_flying(void)
{
    int pair[2], held[2], flying = 0;
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS}};
    struct iovec byte = {"x", 1};
    struct msghdr message = {.msg_iov = &byte,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};

    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
        return -errno;
    while (flying < 100 && pipe(held) == 0) {
        memcpy(CMSG_DATA(&control.head), &held[0], sizeof(held[0]));
        if (sendmsg(pair[0], &message, MSG_DONTWAIT) < 0)
            break;
        flying++;
        close(held[0]);
        close(held[1]);
    }
    return flying ? 0 : -errno;
}

TRIES(pair_tipc, socketpair(30, SOCK_STREAM, 0, (int[2]){0}))
TRIES(aio, syscall(SYS_io_setup, 8, &(unsigned long){0}))
TRIES(io_uring, syscall(SYS_io_uring_setup, 1, (char[256]){0}))
TRIES(io_uring_enter, syscall(SYS_io_uring_enter, IPC, 1, 0, 0, NULL, 0))
TRIES(add_key, syscall(SYS_add_key, "user", "orbt", "x", 1, -3))
TRIES(keyctl, syscall(SYS_keyctl, 0, -3, 1))
TRIES(request_key, syscall(SYS_request_key, "user", "orbt", NULL, -3))
TRIES(init_module, syscall(SYS_init_module, "x", 1, ""))
TRIES(finit_module, syscall(SYS_finit_module, IPC, "", 0))
TRIES(delete_module, syscall(SYS_delete_module, "orbt", O_NONBLOCK))
TRIES(kexec, syscall(SYS_kexec_load, 0, 0, NULL, 0))
TRIES(reboot, syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL)) /* ctrl-alt-del off */
TRIES(hostname, sethostname("orbt-owned", 10))
TRIES(domainname, setdomainname("orbt-owned", 10))
TRIES(vhangup, vhangup())
TRIES(syslog, klogctl(3, (char[64]){0}, 64))
TRIES(landlock_more, syscall(SYS_landlock_create_ruleset, &(uint64_t){1}, 8, 0))
TRIES(tty_inject, ioctl(0, 0x5412, "x"))
TRIES(pipe_size, fcntl(2, F_SETPIPE_SZ, 1 << 20))
TRIES(owner_signal, fcntl(IPC, F_SETOWN, target.pid))
TRIES(lease, fcntl(0, F_NOTIFY, 1))

int attack_every_family(void)
{
    int r = -EPERM;

    for (int family = 0; family < 64; family++)
        for (int type = 1; type <= 5; type++)
            if (socket(family, type, 0) >= 0)
                return 0;
            else
                r = -errno;
    return r;
}

static const struct sockaddr_un *abstract(void)
{
    static const struct sockaddr_un address = {AF_UNIX, "\0orbt-hostile"};

    return &address;
}

int attack_ipc_connect(void)
{
    return TRY(connect(IPC, (const struct sockaddr *)abstract(), sizeof(*abstract)()));
}

int attack_ipc_bind(void)
{
    return TRY(bind(IPC, (const struct sockaddr *)abstract(), sizeof(*abstract)()));
}

int attack_ipc_fastopen(void)
{
    return TRY(
        sendto(IPC, "", 0, 0x20000000, (const struct sockaddr *)abstract(), sizeof(*abstract)()));
}

int attack_ipc_passcred(void)
{
    return TRY(setsockopt(IPC, SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)));
}

int attack_ipc_mark(void)
{
    return TRY(setsockopt(IPC, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
}

int attack_bpf_prog(void)
{
    struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
                           .insn_cnt = 2,
                           .insns = (uintptr_t)code,
                           .license = (uintptr_t) "GPL"};

    return TRY_NR(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

int attack_bpf_map(void)
{
    union bpf_attr attr = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};

    return TRY_NR(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

int attack_perf(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr)};

    return TRY_NR(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

int attack_settime(void)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    return TRY(settimeofday(&now, NULL));
}

int attack_clock_set(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return TRY(clock_settime(CLOCK_REALTIME, &now));
}

int attack_adjtime(void)
{
    struct timex change = {.modes = ADJ_OFFSET_SINGLESHOT};

    return TRY(adjtimex(&change));
}

int attack_iopl(void)
{
    return TRY_NR(SYS_iopl, 3);
}

int attack_ioperm(void)
{
    return TRY_NR(SYS_ioperm, 0x80, 1, 1);
}

int attack_modify_ldt(void)
{
    return TRY_NR(SYS_modify_ldt, 0, (char[64]){0}, 64);
}
