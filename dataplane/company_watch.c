/* Events about what else decides: those of rtnetlink (link.c) and of nftables (watch.c) come by
 * their own sockets; here are IPsec's, and the clock for iptables' old tables, which tell nobody.
 * All are behind one descriptor, dp->watch. */
#include <errno.h>
#include <linux/xfrm.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "core/base/own.h"
#include "dataplane/company.h"
#include "dataplane/fast.h"

#define TICK_NS 80000000 /* a change is obeyed within 100 ms */
#define READS 64

void company_changed(struct dataplane *dp)
{
    dp->company_changes++;
    if (dp->control)
        __atomic_or_fetch(&dp->control->company, COMPANY_READING, __ATOMIC_SEQ_CST);
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

static int open_clock(void)
{
    AUTO_FD int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct itimerspec each = {.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = TICK_NS};

    if (fd < 0 || timerfd_settime(fd, 0, &each, NULL) < 0)
        return -errno;
    return take_fd(&fd);
}

static int watch(const struct dataplane *dp, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return epoll_ctl(dp->watch, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int company_watch_open(struct dataplane *dp)
{
    int r;

    dp->watch = epoll_create1(EPOLL_CLOEXEC);
    if (dp->watch < 0)
        return -errno;
    r = watch(dp, dp->events);
    if (r < 0 || !dp->programs)
        return r;
    dp->ipsec = open_ipsec();
    if (dp->ipsec >= 0)
        r = watch(dp, dp->ipsec);
    dp->clock = open_clock();
    if (dp->clock < 0)
        return dp->clock;
    dp->legacy_state = company_legacy_state();
    return r < 0 ? r : watch(dp, dp->clock);
}

void company_watch_close(struct dataplane *dp)
{
    int *fds[] = {&dp->watch, &dp->ipsec, &dp->clock};

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

static bool drain_clock(struct dataplane *dp)
{
    uint64_t ticks, state;

    if (dp->clock < 0 || read(dp->clock, &ticks, sizeof(ticks)) != sizeof(ticks))
        return false;
    state = company_legacy_state();
    if (state == dp->legacy_state)
        return false;
    dp->legacy_state = state;
    return true;
}

bool company_watch_drain(struct dataplane *dp, bool *ret_changed)
{
    bool ipsec = drain_ipsec(dp), legacy = drain_clock(dp);

    *ret_changed = ipsec || legacy;
    return *ret_changed;
}
