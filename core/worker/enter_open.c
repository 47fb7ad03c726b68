/* What a worker may hold on to from the world it is about to leave: declared sockets, libraries of
 * the system, a view of the network. Opened here, inside the service's cgroup, and not by the host,
 * because cgroup programs follow the cgroup of a socket's creator. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/worker/enter.h"

#define BACKLOG 128

static socklen_t parse_address(const struct plan_bind *want, struct sockaddr_storage *ret_address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;

    memset(ret_address, 0, sizeof *ret_address);
    if (inet_pton(AF_INET, want->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(want->port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, want->address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(want->port);
        return sizeof *v6;
    }
    return 0;
}

static int add_socket(struct enter *e, const char *name, int fd)
{
    struct sdk_socket *s = &e->sockets[e->socket_count++];

    snprintf(s->name, sizeof s->name, "%s", name);
    s->fd = fd;
    return 0;
}

static int open_bind(struct enter *e, const struct plan_bind *want)
{
    struct sockaddr_storage address;
    socklen_t len = parse_address(want, &address);
    int on = 1, fd, r;

    snprintf(e->detail, sizeof e->detail, "%s/%s:%u", want->udp ? "udp" : "tcp", want->address,
             want->port);
    if (!len)
        return -EINVAL;
    fd = socket(address.ss_family,
                (want->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* UDP: no SO_REUSEADDR, a second service must not share the port unseen. */
    if ((!want->udp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) ||
        (want->udp && setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) < 0) ||
        (address.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
        bind(fd, (struct sockaddr *)&address, len) < 0 || (!want->udp && listen(fd, BACKLOG) < 0)) {
        r = -errno;
        close(fd);
        return r;
    }
    e->detail[0] = '\0';
    return add_socket(e, want->name, fd);
}

int enter_sockets(struct enter *e)
{
    int r = 0;

    for (uint32_t i = 0; !r && i < e->launch.bind_count; i++) {
        /* A copy: what is said about it is written into the struct it comes from. */
        struct plan_bind want = e->launch.binds[i];

        r = open_bind(e, &want);
    }
    return r;
}

int enter_libraries(struct enter *e)
{
    for (uint32_t i = 0; i < e->launch.library_count; i++) {
        snprintf(e->detail, sizeof e->detail, "%s", e->launch.libraries[i]);
        if (!plan_library_allowed(e->launch.libraries[i]))
            return -EPERM;
        if (!dlopen(e->launch.libraries[i], RTLD_NOW | RTLD_LOCAL))
            return -ENOENT;
    }
    e->detail[0] = '\0';
    return 0;
}

/* Opened in the host's namespace by a privileged process, used by one without capabilities: dumps
 * and events work, every change is refused by the kernel, which looks at both. */
int enter_observe(struct enter *e)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                  .nl_groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR |
                                               RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                                               RTMGRP_IPV6_ROUTE};
    int fd, r;

    if (!e->launch.observe_net)
        return 0;
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return add_socket(e, "netlink", fd);
}

int enter_network(struct enter *e)
{
    if (!e->launch.host_net && setns(LAUNCH_FD_VOID, CLONE_NEWNET) < 0)
        return -errno;
    close(LAUNCH_FD_VOID);
    return 0;
}
