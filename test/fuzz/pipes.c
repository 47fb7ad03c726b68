/* See pipes.h. The surprise: these are the functions of libc by the same names; the program's own
 * come first. */
#undef _FORTIFY_SOURCE /* with it recv and poll are inline functions, not to be defined again */
#include "test/fuzz/pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "test/fuzz/bounds.h"

#define ENDS 32u
#define FIRST 700    /* the numbers are taken from the kernel, so that no other file gets them */
#define ROOM 212992u /* net.core.wmem_default */

struct end {
    bool open, watched, reset; /* reset: the other end went without reading all */
    bool gone;                 /* the other end is closed */
    unsigned other;
    uint32_t events;
    epoll_data_t data;
    struct buf in; /* from at on */
    size_t at;
};

static struct end ends[ENDS];
static bool ready;

static struct end *end_of(int fd)
{
    unsigned i = (unsigned)(fd - FIRST);

    return ready && i < ENDS && ends[i].open ? &ends[i] : NULL;
}

static void reserve(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (unsigned i = 0; i < ENDS; i++)
        must(fcntl(null, F_DUPFD_CLOEXEC, FIRST) == (int)(FIRST + i), "no descriptor");
    ready = true;
}

static unsigned begin(void)
{
    unsigned i = 0;

    while (i < ENDS && ends[i].open)
        i++;
    must(i < ENDS, "too many connections are open");
    ends[i].open = true;
    ends[i].watched = ends[i].reset = ends[i].gone = false;
    ends[i].at = 0;
    buf_clear(&ends[i].in);
    return i;
}

void pipes_pair(int ret_fds[2])
{
    unsigned a, b;

    if (!ready)
        reserve();
    a = begin();
    b = begin();
    ends[a].other = b;
    ends[b].other = a;
    ret_fds[0] = (int)(FIRST + a);
    ret_fds[1] = (int)(FIRST + b);
}

static int finish(struct end *end)
{
    struct end *other = &ends[end->other];

    end->open = false;
    if (end->gone)
        return 0;
    other->gone = true;
    other->reset = end->in.len > end->at;
    return 0;
}

/* ---- data ---- */

static ssize_t fail(int code)
{
    errno = code;
    return -1;
}

static ssize_t put(struct end *end, const void *data, size_t len)
{
    struct end *to = &ends[end->other];
    size_t room;

    if (end->gone)
        return fail(EPIPE);
    room = ROOM - (to->in.len - to->at);
    if (!room && len)
        return fail(EAGAIN);
    if (len > room)
        len = room;
    buf_add(&to->in, data, len);
    return (ssize_t)len;
}

static ssize_t get(struct end *end, void *to, size_t len)
{
    size_t left = end->in.len - end->at;

    if (!left && end->reset) {
        end->reset = false;
        return fail(ECONNRESET);
    }
    if (!left)
        return end->gone ? 0 : fail(EAGAIN);
    if (len > left)
        len = left;
    memcpy(to, end->in.data + end->at, len);
    end->at += len;
    if (end->at == end->in.len) {
        buf_clear(&end->in);
        end->at = 0;
    }
    return (ssize_t)len;
}

#define SHOWN __attribute__((visibility("default")))

SHOWN ssize_t send(int fd, const void *data, size_t len, int flags)
{
    struct end *end = end_of(fd);

    return end ? put(end, data, len) : syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
}

SHOWN ssize_t recv(int fd, void *data, size_t len, int flags)
{
    struct end *end = end_of(fd);

    return end ? get(end, data, len) : syscall(SYS_recvfrom, fd, data, len, flags, NULL, NULL);
}

SHOWN ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct end *end = end_of(fd);
    ssize_t all = 0;

    if (!end)
        return syscall(SYS_sendmsg, fd, message, flags);
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *v = &message->msg_iov[i];
        ssize_t n = put(end, v->iov_base, v->iov_len);

        if (n < 0)
            return all ? all : n;
        all += n;
        if ((size_t)n < v->iov_len)
            break;
    }
    return all;
}

SHOWN ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    struct end *end = end_of(fd);

    if (!end)
        return syscall(SYS_recvmsg, fd, message, flags);
    message->msg_controllen = 0;
    message->msg_flags = 0;
    return get(end, message->msg_iov[0].iov_base, message->msg_iov[0].iov_len);
}

SHOWN int close(int fd)
{
    struct end *end = end_of(fd);

    return end ? finish(end) : (int)syscall(SYS_close, fd);
}

SHOWN int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    return end_of(fd) ? 0 : (int)syscall(SYS_ioctl, fd, request, arg);
}

/* ---- epoll: of one loop ---- */

SHOWN int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    struct end *end = end_of(fd);

    if (!end)
        return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
    if (end->watched != (op != EPOLL_CTL_ADD))
        return (int)fail(end->watched ? EEXIST : ENOENT);
    end->watched = op != EPOLL_CTL_DEL;
    if (op != EPOLL_CTL_DEL) {
        end->events = event->events;
        end->data = event->data;
    }
    return 0;
}

static uint32_t state_of(const struct end *end)
{
    const struct end *other = &ends[end->other];
    uint32_t state = 0;

    if (end->in.len > end->at)
        state |= EPOLLIN;
    if (end->gone)
        return state | EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | (end->reset ? EPOLLERR : 0);
    if (other->in.len - other->at < ROOM / 2)
        state |= EPOLLOUT;
    return state;
}

SHOWN int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms)
{
    int count = 0;

    for (unsigned i = 0; i < ENDS && count < most; i++) {
        uint32_t state = ends[i].open && ends[i].watched ? state_of(&ends[i]) : 0;

        state &= ends[i].events | EPOLLERR | EPOLLHUP;
        if (state)
            events[count++] = (struct epoll_event){.events = state, .data = ends[i].data};
    }
    return count || !timeout_ms ? count
                                : (int)syscall(SYS_epoll_wait, epoll, events, most, timeout_ms);
}

/* ---- the clock ---- */

static struct {
    bool on;
    uint64_t ns, step;
} time_;

void pipes_clock(bool on)
{
    time_.on = on;
    time_.step = 0;
    if (!time_.ns)
        time_.ns = 1000000000000u;
}

void pipes_pass(uint64_t ns)
{
    time_.ns += ns;
}

void pipes_slow(uint64_t ns)
{
    time_.step = ns;
}

SHOWN int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    if (!time_.on || clock == CLOCK_REALTIME)
        return (int)syscall(SYS_clock_gettime, clock, ret_time);
    time_.ns += time_.step;
    ret_time->tv_sec = (time_t)(time_.ns / 1000000000u);
    ret_time->tv_nsec = (long)(time_.ns % 1000000000u);
    return 0;
}
