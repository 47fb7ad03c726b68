/* See kernel.h. The surprise: these are the functions of libc by the same names; libnl finds them
 * as well, as the program's own come first. */
#undef _FORTIFY_SOURCE /* with it recv and poll are inline functions, not to be defined again */
#include "test/fuzz/kernel.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "core/base/own.h"

#define SHOWN __attribute__((visibility("default")))
#define ALIGNED(n) (((n) + 3) & ~(size_t)3)

static struct kernel *now;

void kernel_begin(struct kernel *kernel)
{
    now = kernel;
}

void kernel_end(struct kernel *kernel)
{
    now = NULL;
    buf_fini(&kernel->sent);
}

/* ---- datagrams ---- */

static void pad(struct buf *b)
{
    while (b->len % 4)
        buf_addc(b, 0);
}

static void add_attributes(struct buf *to, const uint8_t *data, size_t size, unsigned depth)
{
    while (size >= 2) {
        size_t len = data[1] < size - 2 ? data[1] : size - 2, start = to->len;
        struct nlattr a = {.nla_type = data[0] & 0x3f};

        buf_add(to, &a, sizeof(a));
        if ((data[0] & 0x80) && depth < 6)
            add_attributes(to, data + 2, len, depth + 1);
        else
            buf_add(to, data + 2, len);
        a.nla_len = (uint16_t)(to->len - start);
        if ((data[0] & 0x40) && len)
            a.nla_len = (uint16_t)(a.nla_len + (int8_t)data[2]);
        memcpy(to->data + start, &a, sizeof(a));
        pad(to);
        data += 2 + len;
        size -= 2 + len;
    }
}

static void add_message(const struct kernel *kernel, struct buf *to, const struct kernel_type *type,
                        uint8_t flags, const uint8_t *data, size_t size)
{
    struct nlmsghdr h = {.nlmsg_type = type->type,
                         .nlmsg_flags = NLM_F_MULTI,
                         .nlmsg_seq = kernel->seq,
                         .nlmsg_pid = kernel->pid};
    size_t start = to->len, fixed = size < type->fixed ? size : type->fixed;

    if (flags & KERNEL_INTERRUPTED)
        h.nlmsg_flags |= NLM_F_DUMP_INTR;
    if (flags & KERNEL_OTHER)
        h.nlmsg_seq++;
    buf_add(to, &h, sizeof(h));
    buf_add(to, data, flags & KERNEL_RAW ? size : fixed);
    if (!(flags & KERNEL_RAW) && size > fixed) {
        pad(to);
        add_attributes(to, data + fixed, size - fixed, 0);
    }
    h.nlmsg_len = (uint32_t)(to->len - start);
    if (flags & KERNEL_SHORT)
        h.nlmsg_len = (uint32_t)(sizeof(h) + size % 32);
    memcpy(to->data + start, &h, sizeof(h));
    pad(to);
}

static void take_message(struct kernel *kernel, struct buf *to)
{
    static const struct kernel_type done = {NLMSG_DONE, 4};
    static const uint8_t nothing[4];
    const struct kernel_type *type = &kernel->types[kernel->data[0] % kernel->type_count];
    uint8_t flags = kernel->data[1];
    size_t size = kernel->data[2] < kernel->left - 3 ? kernel->data[2] : kernel->left - 3;

    add_message(kernel, to, type, flags, kernel->data + 3, size);
    kernel->messages++;
    kernel->interrupted |=
        (flags & KERNEL_INTERRUPTED) && !(flags & (KERNEL_OTHER | KERNEL_SHORT)) && !kernel->ended;
    /* Where one has a wrong size, what follows may be read as part of it. */
    kernel->ended |= (flags & (KERNEL_END | KERNEL_SHORT)) || type->type <= NLMSG_DONE;
    if (flags & KERNEL_END)
        add_message(kernel, to, &done, 0, nothing, 4);
    kernel->data += 3 + size;
    kernel->left -= 3 + size;
}

void kernel_next(struct kernel *kernel, struct buf *ret_datagram)
{
    unsigned count;

    if (kernel->left < 5)
        return;
    count = 1 + kernel->data[0] % 8;
    kernel->data++;
    kernel->left--;
    while (count-- && kernel->left >= 3)
        take_message(kernel, ret_datagram);
}

/* ---- the calls ---- */

static ssize_t taken(const void *data, size_t len)
{
    struct nlmsghdr h;

    buf_add(&now->sent, data, len);
    if (len < sizeof(h))
        return (ssize_t)len;
    memcpy(&h, data, sizeof(h));
    now->seq = h.nlmsg_seq;
    now->pid = h.nlmsg_pid;
    now->passed_over |= now->interrupted && h.nlmsg_type != now->asked;
    now->asked = h.nlmsg_type;
    now->messages = 0;
    now->interrupted = now->ended = false;
    return (ssize_t)len;
}

/* What is not of the datagram has the pattern: nothing may depend on it. */
static ssize_t told(void *to, size_t room, size_t *ret_all)
{
    AUTO(buf) struct buf datagram = {0};

    kernel_next(now, &datagram);
    *ret_all = datagram.len;
    if (!datagram.len) {
        errno = EAGAIN;
        return -1;
    }
    memset(to, now->rest, room);
    memcpy(to, datagram.data, datagram.len < room ? datagram.len : room);
    return (ssize_t)(datagram.len < room ? datagram.len : room);
}

SHOWN ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (!now)
        return syscall(SYS_sendmsg, fd, message, flags);
    return taken(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
}

SHOWN ssize_t send(int fd, const void *data, size_t len, int flags)
{
    return now ? taken(data, len) : syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
}

SHOWN ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    struct sockaddr_nl from = {.nl_family = AF_NETLINK};
    size_t all;
    ssize_t n;

    if (!now)
        return syscall(SYS_recvmsg, fd, message, flags);
    n = told(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len, &all);
    if (n < 0)
        return n;
    if (message->msg_name && message->msg_namelen >= sizeof(from))
        memcpy(message->msg_name, &from, sizeof(from));
    message->msg_namelen = sizeof(from);
    message->msg_controllen = 0;
    message->msg_flags = all > (size_t)n ? MSG_TRUNC : 0;
    return n;
}

SHOWN ssize_t recv(int fd, void *data, size_t len, int flags)
{
    size_t all;
    ssize_t n;

    if (!now)
        return syscall(SYS_recvfrom, fd, data, len, flags, NULL, NULL);
    n = told(data, len, &all);
    return n >= 0 && (flags & MSG_TRUNC) ? (ssize_t)all : n;
}

/* A pause between two attempts. */
SHOWN int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    return now ? 0 : (int)syscall(SYS_poll, fds, count, timeout_ms);
}

SHOWN int nanosleep(const struct timespec *pause, struct timespec *left)
{
    return now ? 0 : (int)syscall(SYS_nanosleep, pause, left);
}

/* Any descriptor does. */
SHOWN int socket(int domain, int type, int protocol)
{
    bool other = now && domain == AF_NETLINK;

    return (int)syscall(SYS_socket, other ? AF_UNIX : domain,
                        other ? SOCK_DGRAM | SOCK_CLOEXEC : type, other ? 0 : protocol);
}
