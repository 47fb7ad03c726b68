/* Events of foreign state: those of rtnetlink (link.c) and of nftables (watch.c) come by
 * their own sockets; here are IPsec's, and what foreign_poll.c found. All, and
 * conntrack's (forgets.c), are behind one descriptor, dp->watch, which events.c reads. */
#include <errno.h>
#include <linux/xfrm.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "core/base/own.h"
#include "dataplane/foreign.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/forgets.h"

#define READS 64

bool foreign_watch_is_reading(const struct dataplane *dp)
{
    return dp->programs &&
           (__atomic_load_n(&dp->control->foreign, __ATOMIC_SEQ_CST) & FOREIGN_READING);
}

void foreign_watch_changed(struct dataplane *dp)
{
    dp->foreign_changes++;
    if (dp->control)
        __atomic_or_fetch(&dp->control->foreign, FOREIGN_READING, __ATOMIC_SEQ_CST);
}

/* -1: this kernel has no IPsec. */
static int open_ipsec(void)
{
    AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_XFRM);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    int group = XFRMNLGRP_POLICY;

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        return -1;
    return take_fd(&fd);
}

static int watch(const struct dataplane *dp, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return epoll_ctl(dp->watch, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int foreign_watch_open(struct dataplane *dp)
{
    int r;

    dp->watch = epoll_create1(EPOLL_CLOEXEC);
    if (dp->watch < 0)
        return -errno;
    r = watch(dp, dp->events);
    if (r == 0)
        r = watch(dp, dp->tables);
    if (r < 0 || !dp->programs)
        return r;
    dp->ipsec = open_ipsec();
    if (dp->ipsec >= 0)
        r = watch(dp, dp->ipsec);
    dp->forgets = forgets_open();
    if (r == 0 && dp->forgets >= 0)
        r = watch(dp, dp->forgets);
    dp->unseen = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (dp->unseen < 0)
        return -errno;
    return r < 0 ? r : watch(dp, dp->unseen);
}

void foreign_watch_close(struct dataplane *dp)
{
    int *fds[] = {&dp->watch, &dp->ipsec, &dp->forgets, &dp->unseen};

    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (*fds[i] >= 0)
            close(take_fd(fds[i]));
}

static bool drain_ipsec(struct dataplane *dp)
{
    char data[8192] __attribute__((aligned(8)));
    bool any = false;

    for (int i = 0; dp->ipsec >= 0 && i < READS; i++) {
        ssize_t n = recv(dp->ipsec, data, sizeof(data), 0);

        if (n < 0 && errno != ENOBUFS)
            break;
        any = true;
    }
    return any;
}

bool foreign_watch_drain(struct dataplane *dp, bool *ret_changed)
{
    bool ipsec = drain_ipsec(dp);
    eventfd_t ticks;

    *ret_changed = ipsec || (dp->unseen >= 0 && eventfd_read(dp->unseen, &ticks) == 0);
    return *ret_changed;
}
