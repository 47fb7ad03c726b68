/* The interfaces of this network namespace, by rtnetlink: sysfs would show those of the namespace
 * it was mounted in. And the events that make the flow cache stale. */
#include "dataplane/link.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/dataplane_internal.h"
#include "dataplane/dump.h"
#include "dataplane/route_mtu.h"
#include "dataplane/watch.h"

#define READS 1024   /* one turn of the loop */
#define DUMP_TRIES 8 /* of a list that changes while it is read */

/* macvlan does in two of its modes only; in the others it has an address of its own. */
static bool takes_frames(const char *kind, const struct rtattr *data)
{
    static const char *const always[] = {"ipvlan", "ipvtap", "macsec"};
    int len = data ? (int)RTA_PAYLOAD(data) : 0;

    for (size_t i = 0; i < ARRAY_LEN(always); i++)
        if (!strcmp(kind, always[i]))
            return true;
    if (!data || (strcmp(kind, "macvlan") && strcmp(kind, "macvtap")))
        return false;
    for (const struct rtattr *a = RTA_DATA(data); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        uint32_t mode;

        if (a->rta_type != IFLA_MACVLAN_MODE || RTA_PAYLOAD(a) < sizeof(mode))
            continue;
        memcpy(&mode, RTA_DATA(a), sizeof(mode));
        return mode == MACVLAN_MODE_PASSTHRU || mode == MACVLAN_MODE_SOURCE;
    }
    return false;
}

static void read_kind(struct link_info *link, const struct rtattr *info)
{
    const struct rtattr *data = NULL;
    int len = (int)RTA_PAYLOAD(info);

    for (const struct rtattr *a = RTA_DATA(info); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if (a->rta_type == IFLA_INFO_KIND)
            snprintf(link->kind, sizeof(link->kind), "%.*s", (int)RTA_PAYLOAD(a),
                     (const char *)RTA_DATA(a));
        else if (a->rta_type == IFLA_INFO_DATA)
            data = a;
    }
    link->takes = takes_frames(link->kind, data);
}

static void read_attributes(struct link_info *link, const struct nlmsghdr *h)
{
    const struct ifinfomsg *info = NLMSG_DATA(h);
    int len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*info));
    bool elsewhere = false; /* its lower device is in another namespace */

    for (const struct rtattr *a = IFLA_RTA(info); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        size_t size = RTA_PAYLOAD(a);

        if (a->rta_type == IFLA_IFNAME) {
            snprintf(link->name, sizeof(link->name), "%.*s", (int)size, (const char *)RTA_DATA(a));
        } else if (a->rta_type == IFLA_ADDRESS && size == 6) {
            memcpy(link->mac, RTA_DATA(a), 6);
        } else if (a->rta_type == IFLA_MASTER && size == 4) {
            memcpy(&link->master, RTA_DATA(a), 4);
        } else if (a->rta_type == IFLA_LINK && size == 4) {
            memcpy(&link->lower, RTA_DATA(a), 4);
        } else if (a->rta_type == IFLA_LINK_NETNSID) {
            elsewhere = true;
        } else if (a->rta_type == IFLA_LINKINFO) {
            read_kind(link, a);
        }
    }
    if (elsewhere)
        link->lower = 0;
}

static bool add_link(void *arg, const struct nlmsghdr *h)
{
    struct link_list *list = arg;
    const struct ifinfomsg *info = NLMSG_DATA(h);
    struct link_info *link;

    if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
        return true;
    if (list->count % 64 == 0)
        list->items = xrealloc(list->items, (list->count + 64) * sizeof(*list->items));
    link = &list->items[list->count++];
    memset(link, 0, sizeof(*link));
    link->ifindex = (uint32_t)info->ifi_index;
    link->type = info->ifi_type;
    link->up = info->ifi_flags & IFF_UP;
    read_attributes(link, h);
    return true;
}

/* 1: links changed during the dump, so some may be missing. */
static int read_once(struct link_list *ret_list, struct orb_err *err)
{
    struct {
        struct nlmsghdr h;
        struct ifinfomsg info;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = RTM_GETLINK,
                       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    AUTO(link_list) struct link_list list = {0};
    int r = dump_run(NETLINK_ROUTE, &request.h, add_link, &list);

    if (r < 0 && r != -EINTR)
        return orb_fail(err, r, "reading the interfaces");
    *ret_list = list;
    memset(&list, 0, sizeof(list));
    return r == -EINTR;
}

int link_read(struct link_list *ret_list, struct orb_err *err)
{
    int r = read_once(ret_list, err);

    for (int i = 1; r > 0 && i < DUMP_TRIES; i++) {
        free(ret_list->items);
        *ret_list = (struct link_list){0};
        r = read_once(ret_list, err);
    }
    return r < 0 ? r : 0; /* links that keep changing cause events, too */
}

const struct link_info *link_find(const struct link_list *list, const char *name)
{
    for (unsigned i = 0; i < list->count; i++)
        if (!strcmp(list->items[i].name, name))
            return &list->items[i];
    return NULL;
}

int link_events(struct orb_err *err)
{
    static const int groups[] = {RTNLGRP_LINK,         RTNLGRP_NEIGH,      RTNLGRP_IPV4_IFADDR,
                                 RTNLGRP_IPV6_IFADDR,  RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
                                 RTNLGRP_IPV4_RULE,    RTNLGRP_IPV6_RULE,  RTNLGRP_IPV4_NETCONF,
                                 RTNLGRP_IPV6_NETCONF, RTNLGRP_TC};
    int objects = RTNLGRP_NEXTHOP;
    AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return orb_fail(err, -errno, "listening to route events");
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i])) < 0)
            return orb_fail(err, -errno, "listening to route events");
    /* Linux 5.3; with net.ipv4.nexthop_compat_mode=0 routes with nexthop objects have no events of
     * their own. */
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &objects, sizeof(objects));
    watch_buffer(fd);
    return take_fd(&fd);
}

/* The kernel has not confirmed a neighbour recently. It probes it with the next packet, which must
 * therefore be left to it (slow_is_suspect). */
static void suspect(struct dataplane *dp, const struct nlmsghdr *h)
{
    const struct ndmsg *message = NLMSG_DATA(h);
    int len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*message));

    if (!dp->suspects || len < 0 || !(message->ndm_state & NUD_STALE))
        return;
    for (const struct rtattr *a = (const void *)(message + 1); RTA_OK(a, len);
         a = RTA_NEXT(a, len)) {
        struct suspect *slot;
        uint32_t low;
        uint64_t who;

        if (a->rta_type != NDA_LLADDR || RTA_PAYLOAD(a) != 6)
            continue;
        memcpy(&low, (const char *)RTA_DATA(a) + 2, sizeof(low));
        who = ABI_WHO((uint32_t)message->ndm_ifindex, low);
        slot = &dp->suspects[ABI_SUSPECT_SLOT(who)];
        __atomic_store_n(&slot->who, who, __ATOMIC_SEQ_CST);
        __atomic_store_n(&slot->waiting, 1, __ATOMIC_SEQ_CST);
    }
}

static bool is_taking(const struct nlmsghdr *h)
{
    struct link_info link = {0};

    if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct ifinfomsg)))
        read_attributes(&link, h);
    return link.takes;
}

static unsigned read_event(struct dataplane *dp, const struct nlmsghdr *h)
{
    switch (h->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        return DATAPLANE_PORTS | (is_taking(h) ? DATAPLANE_FOREIGN : 0);
    case RTM_DELADDR:
        gone_note(&dp->gone, h);
        return DATAPLANE_ADDRESSES;
    case RTM_NEWNETCONF:
        return DATAPLANE_SETTINGS;
    case RTM_NEWQDISC:
    case RTM_DELQDISC:
    case RTM_NEWTFILTER:
    case RTM_DELTFILTER:
        return DATAPLANE_FOREIGN;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
    case RTM_NEWRULE:
    case RTM_DELRULE:
        route_mtu_gone(dp, h);
        if (!route_mtu_changes(dp, h))
            return 0;
        __atomic_store_n(&dp->mtus_unread, true, __ATOMIC_SEQ_CST);
        return DATAPLANE_FOREIGN;
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP:
        route_mtu_gone(dp, h);
        return 0;
    case RTM_NEWNEIGH:
        suspect(dp, h);
        return 0;
    default:
        return 0;
    }
}

unsigned link_events_drain(struct dataplane *dp)
{
    char data[32768] __attribute__((aligned(8)));
    unsigned what = 0;

    for (int i = 0; dp->events >= 0 && i < READS; i++) {
        ssize_t n = recv(dp->events, data, sizeof(data), 0);
        unsigned len = (unsigned)n;

        if (n < 0 && errno == ENOBUFS) { /* some were lost: look at everything */
            __atomic_store_n(&dp->mtus_unread, true, __ATOMIC_SEQ_CST);
            dp->gone.unknown = true;
            what |= LINK_EVENTS | DATAPLANE_PORTS | DATAPLANE_SETTINGS | DATAPLANE_FOREIGN |
                    DATAPLANE_ADDRESSES;
            continue;
        }
        if (n < 0)
            break;
        what |= LINK_EVENTS;
        for (const struct nlmsghdr *h = (void *)data; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len))
            what |= read_event(dp, h);
    }
    return what;
}

static int ethtool(const char *interface, void *data)
{
    AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_data = data};

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
    return fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

int64_t link_statistic(const char *interface, const char *suffix)
{
    struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
    AUTO_FREE struct ethtool_gstrings *names = NULL;
    AUTO_FREE struct ethtool_stats *values = NULL;
    int64_t sum = -1;

    if (ethtool(interface, &driver) < 0 || !driver.n_stats || driver.n_stats > 65536)
        return -1;
    names = xcalloc(1, sizeof(*names) + (size_t)driver.n_stats * ETH_GSTRING_LEN);
    values = xcalloc(1, sizeof(*values) + (size_t)driver.n_stats * sizeof(uint64_t));
    names->cmd = ETHTOOL_GSTRINGS;
    names->string_set = ETH_SS_STATS;
    names->len = driver.n_stats;
    values->cmd = ETHTOOL_GSTATS;
    values->n_stats = driver.n_stats;
    if (ethtool(interface, names) < 0 || ethtool(interface, values) < 0)
        return -1;
    for (uint32_t i = 0; i < driver.n_stats && i < values->n_stats; i++) {
        char name[ETH_GSTRING_LEN + 1] = {0};
        size_t len;

        memcpy(name, names->data + (size_t)i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
        len = strlen(name);
        if (len >= strlen(suffix) && !strcmp(name + len - strlen(suffix), suffix))
            sum = (sum < 0 ? 0 : sum) + (int64_t)values->data[i];
    }
    return sum;
}

bool link_keep_tags(const char *interface)
{
    struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};

    if (ethtool(interface, &flags) < 0 || !(flags.data & ETH_FLAG_RXVLAN))
        return true;
    flags.cmd = ETHTOOL_SFLAGS;
    flags.data &= ~(uint32_t)ETH_FLAG_RXVLAN;
    return ethtool(interface, &flags) == 0;
}
