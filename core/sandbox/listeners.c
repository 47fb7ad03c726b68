/* The sockets of net.bind. The host creates them and keeps them while the service may run, over
 * every restart of its worker, which gets a duplicate: no other program can take the port
 * meanwhile, and clients wait in the queue. Note: a worker can shut its listening socket down, for
 * the host too; the port stays bound, and listen(2) is called again for each worker.
 *
 * A TCP port has two sockets. Connections inherit SO_REUSEADDR from the listening socket; without
 * it, connections in TIME_WAIT or FIN_WAIT after a crash of the host keep the next host from the
 * port for a minute. But with that option alone, another socket that has it could be bound beside
 * one that was shut down. So a second socket, the guard, is bound to the same port; it never
 * listens, is passed to no worker, and has the option off except while the first is bound or
 * listens again: then both need it (inet_csk_get_port() in the kernel).
 *
 * A port of 127.0.0.1 is also held at ::1, and the other way round: clients of "localhost" may
 * connect there first, with a token, and another user could listen. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sandbox/listeners.h"
#include "core/sandbox/sandbox_internal.h"

#define BACKLOG                                                                                    \
    512 /* more come at once than a worker takes in a moment; a client tries again after a second  \
         */
#define BUFFER_LEAST (16 << 10)
#define BUFFER_MOST (128 << 10)
#define STALE 4096 /* datagrams at most that were queued before the service ran */

struct listener {
    struct listener *next;
    char service[32];
    struct launch_bind bind;
    int fd;
    int guard; /* of a TCP port, else -1 */
    int other; /* of a TCP port of one loopback address: at the other one, -1: not held */
    bool wanted;
};

static socklen_t parse_address(const struct launch_bind *want, struct sockaddr_storage *ret_address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;

    memset(ret_address, 0, sizeof(*ret_address));
    if (inet_pton(AF_INET, want->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(want->port);
        return sizeof(*v4);
    }
    if (inet_pton(AF_INET6, want->address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(want->port);
        return sizeof(*v6);
    }
    return 0;
}

static int set_reuse(int fd, int on)
{
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ? -errno : 0;
}

/* UDP without SO_REUSEADDR: two sockets could share the port unnoticed. */
static int bind_udp(int fd, const struct sockaddr_storage *address, socklen_t len)
{
    const int on = 1;

    return setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) < 0 ||
                   bind(fd, (const struct sockaddr *)address, len) < 0
               ? -errno
               : 0;
}

/* Listens, again if it does already. */
static int listen_guarded(int fd, int guard)
{
    int listens = 0, r;
    socklen_t len = sizeof(listens);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
        return -errno;
    if (listens)
        return 0;
    r = set_reuse(guard, 1);
    if (!r && listen(fd, BACKLOG) < 0)
        r = -errno;
    return set_reuse(guard, 0) < 0 ? -errno : r;
}

static int bind_tcp(int fd, int guard, const struct sockaddr_storage *address, socklen_t len)
{
    int r = set_reuse(guard, 1);

    if (!r)
        r = set_reuse(fd, 1);
    if (r < 0)
        return r;
    if (bind(guard, (const struct sockaddr *)address, len) < 0 ||
        bind(fd, (const struct sockaddr *)address, len) < 0)
        return -errno;
    return listen_guarded(fd, guard);
}

/* Accepted sockets inherit the size, and the worker cannot change it: all it can have open take no
 * more of the kernel's memory than it may have of its own (the kernel doubles the number, and there
 * are two buffers). */
static int set_buffers(int fd, const struct launch_plan *plan)
{
    uint64_t files = plan->files ? plan->files : LAUNCH_FILES;
    uint64_t share = (plan->memory_bytes ? plan->memory_bytes : LAUNCH_MEMORY) / files / 4;
    int bytes = share > BUFFER_MOST    ? BUFFER_MOST
                : share < BUFFER_LEAST ? BUFFER_LEAST
                                       : (int)share;

    return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0 ||
                   setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) < 0
               ? -errno
               : 0;
}

static int open_socket(const struct launch_bind *want, int family, int *ret_fd)
{
    AUTO_FD int fd =
        socket(family, (want->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;

    if (fd < 0 ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0))
        return -errno;
    *ret_fd = take_fd(&fd);
    return 0;
}

static int make_sockets(const struct launch_bind *want, const struct launch_plan *plan,
                        struct listener *ret)
{
    struct sockaddr_storage address;
    socklen_t len = parse_address(want, &address);
    AUTO_FD int fd = -1, guard = -1;
    int r;

    if (!len)
        return -EINVAL;
    r = open_socket(want, address.ss_family, &fd);
    if (!r && !want->udp)
        r = open_socket(want, address.ss_family, &guard);
    if (!r)
        r = set_buffers(fd, plan);
    if (!r)
        r = want->udp ? bind_udp(fd, &address, len) : bind_tcp(fd, guard, &address, len);
    if (r < 0)
        return r;
    ret->fd = take_fd(&fd);
    ret->guard = take_fd(&guard);
    return 0;
}

static bool same(const struct launch_bind *a, const struct launch_bind *b)
{
    return a->udp == b->udp && a->port == b->port && !strcmp(a->address, b->address);
}

/* The same port of "localhost" in the other family; false: none. */
static bool other_loopback(const struct launch_bind *bind, struct launch_bind *ret_other)
{
    const bool is_v4 = !strcmp(bind->address, "127.0.0.1");

    *ret_other = *bind;
    snprintf(ret_other->address, sizeof(ret_other->address), is_v4 ? "::1" : "127.0.0.1");
    return !bind->udp && (is_v4 || !strcmp(bind->address, "::1"));
}

static bool binds(const struct launch_plan *plan, const struct launch_bind *bind)
{
    for (unsigned i = 0; i < plan->bind_count; i++)
        if (same(&plan->binds[i], bind))
            return true;
    return false;
}

/* Nothing listens there: a client is refused and tries the next address of the name. A failure, as
 * without IPv6, does not keep the service from its port. */
static void hold_other(struct listener *p, const struct launch_plan *plan)
{
    struct launch_bind other;
    struct sockaddr_storage address;
    AUTO_FD int fd = -1;
    socklen_t len;

    if (p->other >= 0 || !other_loopback(&p->bind, &other) || binds(plan, &other))
        return;
    len = parse_address(&other, &address);
    if (open_socket(&other, address.ss_family, &fd) == 0 &&
        bind(fd, (const struct sockaddr *)&address, len) == 0)
        p->other = take_fd(&fd);
}

/* The service binds it itself from now on. */
static void leave_other(struct listener *p, const struct launch_plan *plan)
{
    struct launch_bind other;

    if (p->other >= 0 && other_loopback(&p->bind, &other) && binds(plan, &other)) {
        close(p->other);
        p->other = -1;
    }
}

static struct listener *find(const struct sandbox *sandbox, const char *service,
                             const struct launch_bind *bind)
{
    for (struct listener *p = sandbox->listeners; p; p = p->next)
        if (!strcmp(p->service, service) && same(&p->bind, bind))
            return p;
    return NULL;
}

static void drop_unwanted(struct sandbox *sandbox, const char *service)
{
    struct listener **at = &sandbox->listeners, *p;

    while ((p = *at)) {
        if (strcmp(p->service, service) || p->wanted) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        close(p->fd);
        own_close(&p->guard);
        own_close(&p->other);
        free(p);
    }
}

/* The service that has the port, for the error text. */
static const char *holder(const struct sandbox *sandbox, const struct launch_bind *bind)
{
    for (const struct listener *p = sandbox->listeners; p; p = p->next)
        if (p->bind.udp == bind->udp && p->bind.port == bind->port)
            return p->service;
    return NULL;
}

static int add(struct sandbox *sandbox, const struct launch_plan *plan,
               const struct launch_bind *bind, struct orb_err *err)
{
    struct listener *p = xcalloc(1, sizeof(*p));
    int r = make_sockets(bind, plan, p);
    const char *by = holder(sandbox, bind), *what = bind->udp ? "udp" : "tcp";

    if (r < 0) {
        free(p);
        return r == -EADDRINUSE && by
                   ? orb_fail(err, r, "%s cannot have the port %s/%s:%u, which is held for %s",
                              plan->service, what, bind->address, bind->port, by)
                   : orb_fail(err, r, "%s cannot have the port %s/%s:%u", plan->service, what,
                              bind->address, bind->port);
    }
    snprintf(p->service, sizeof(p->service), "%s", plan->service);
    p->bind = *bind;
    p->other = -1;
    p->wanted = true;
    p->next = sandbox->listeners;
    sandbox->listeners = p;
    return 0;
}

int listeners_hold(struct sandbox *sandbox, const struct launch_plan *plan, struct orb_err *err)
{
    int r = 0;

    for (struct listener *p = sandbox->listeners; p; p = p->next)
        if (!strcmp(p->service, plan->service)) {
            p->wanted = false;
            leave_other(p, plan);
        }
    for (unsigned i = 0; i < plan->bind_count; i++) {
        struct listener *p = find(sandbox, plan->service, &plan->binds[i]);

        if (p)
            p->wanted = true;
    }
    drop_unwanted(sandbox, plan->service); /* first: a new one may be on the same port */
    for (unsigned i = 0; i < plan->bind_count; i++)
        if (!find(sandbox, plan->service, &plan->binds[i]) &&
            add(sandbox, plan, &plan->binds[i], r ? NULL : err) < 0)
            r = -1;
    for (struct listener *p = sandbox->listeners; p; p = p->next)
        if (!strcmp(p->service, plan->service))
            hold_other(p, plan);
    return r < 0 && err ? err->code : r;
}

void listeners_release(struct sandbox *sandbox, const char *service)
{
    for (struct listener *p = sandbox->listeners; p; p = p->next)
        p->wanted = p->wanted && strcmp(p->service, service);
    drop_unwanted(sandbox, service);
}

/* Drops datagrams received for the previous worker, which the next one has no state for. */
static void discard_datagrams(int fd)
{
    char byte;

    for (int i = 0; i < STALE && recv(fd, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) >= 0; i++)
        ;
}

int listeners_prepare(struct sandbox *sandbox, const struct launch_plan *plan,
                      int fds[LAUNCH_MAX_BINDS], struct orb_err *err)
{
    int r = listeners_hold(sandbox, plan, err);

    for (unsigned i = 0; r == 0 && i < plan->bind_count; i++) {
        const struct listener *p = find(sandbox, plan->service, &plan->binds[i]);

        if (p->bind.udp)
            discard_datagrams(p->fd);
        else if ((r = listen_guarded(p->fd, p->guard)) < 0)
            return orb_fail(err, r, "%s cannot listen at %s:%u", plan->service, p->bind.address,
                            p->bind.port);
        fds[i] = p->fd;
    }
    return r;
}

void listeners_close(struct sandbox *sandbox)
{
    while (sandbox->listeners)
        listeners_release(sandbox, sandbox->listeners->service);
}
