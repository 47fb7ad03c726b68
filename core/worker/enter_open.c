/* What a worker may hold on to from the world it is about to leave: declared sockets, which the
 * host made, libraries of the system, a view of the network. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/worker/enter.h"

static int add_socket(struct enter *e, const char *name, int fd)
{
    struct sdk_socket *s = &e->sockets[e->socket_count++];

    snprintf(s->name, sizeof(s->name), "%s", name);
    s->fd = fd;
    return 0;
}

/* Made, bound and kept by the host (core/sandbox/listeners.c). */
int enter_open_sockets(struct enter *e)
{
    for (uint32_t i = 0; i < LAUNCH_MAX_BINDS; i++)
        if (i < e->launch.bind_count)
            add_socket(e, e->launch.binds[i].name, LAUNCH_FD_BIND + (int)i);
        else
            close(LAUNCH_FD_BIND + (int)i);
    return 0;
}

int enter_open_libraries(struct enter *e)
{
    for (uint32_t i = 0; i < e->launch.library_count; i++) {
        snprintf(e->detail, sizeof(e->detail), "%s", e->launch.libraries[i]);
        if (!launch_plan_library_allowed(e->launch.libraries[i]))
            return -EPERM;
        if (!dlopen(e->launch.libraries[i], RTLD_NOW | RTLD_LOCAL))
            return -ENOENT;
    }
    e->detail[0] = '\0';
    return 0;
}

/* Opened in the host's namespace by a privileged process, used by one without capabilities: dumps
 * and events work, every change is refused by the kernel, which looks at both. */
int enter_open_observe(struct enter *e)
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
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return add_socket(e, "netlink", fd);
}

int enter_open_network(struct enter *e)
{
    if (!e->launch.host_net && setns(LAUNCH_FD_VOID, CLONE_NEWNET) < 0)
        return -errno;
    close(LAUNCH_FD_VOID);
    return 0;
}
