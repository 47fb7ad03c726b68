/* Routes of the kernel: see rtnl.h. */
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "plugins/lib/rtnl_internal.h"

static void read_hops(struct nlattr *multipath, uint8_t family, struct rtnl_route *route)
{
    struct rtnexthop *hop = nla_data(multipath);
    int left = nla_len(multipath);

    while (left >= (int)sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left &&
           route->hop_count < RTNL_MAX_HOPS) {
        struct rtnl_hop *to = &route->hops[route->hop_count++];
        struct nlattr *a[RTA_MAX + 1];

        to->index = hop->rtnh_ifindex;
        to->weight = hop->rtnh_hops + 1u;
        to->onlink = hop->rtnh_flags & RTNH_F_ONLINK;
        if (nla_parse(a, RTA_MAX, (struct nlattr *)RTNH_DATA(hop),
                      hop->rtnh_len - (int)sizeof(*hop), NULL) == 0)
            to->has_gateway = rtnl_read_address(a[RTA_GATEWAY], family, &to->gateway);
        left -= (int)NLMSG_ALIGN(hop->rtnh_len);
        hop = RTNH_NEXT(hop);
    }
}

static void read_hop(struct nlattr **a, const struct rtmsg *m, struct rtnl_route *route)
{
    struct rtnl_hop *hop = &route->hops[0];

    route->hop_count = 1;
    hop->weight = 1;
    hop->index = (int)rtnl_u32(a[RTA_OIF], 0);
    hop->onlink = m->rtm_flags & RTNH_F_ONLINK;
    hop->has_gateway = rtnl_read_address(a[RTA_GATEWAY], m->rtm_family, &hop->gateway);
}

bool rtnl_route_read(struct nlmsghdr *header, struct rtnl_route *ret_route)
{
    struct rtmsg *m = nlmsg_data(header);
    struct nlattr *a[RTA_MAX + 1];
    struct rtnl_route r = {0};

    if ((header->nlmsg_type != RTM_NEWROUTE && header->nlmsg_type != RTM_DELROUTE) ||
        nlmsg_parse(header, sizeof(*m), a, RTA_MAX, NULL) < 0)
        return false;
    if ((m->rtm_flags & RTM_F_CLONED) || (m->rtm_family != AF_INET && m->rtm_family != AF_INET6) ||
        !rtnl_fits(m->rtm_family, m->rtm_dst_len))
        return false;
    r.table = rtnl_u32(a[RTA_TABLE], m->rtm_table);
    r.destination.address.family = m->rtm_family;
    r.destination.len = m->rtm_dst_len;
    if (a[RTA_DST] && !rtnl_read_address(a[RTA_DST], m->rtm_family, &r.destination.address))
        return false;
    r.metric = rtnl_u32(a[RTA_PRIORITY], 0);
    r.protocol = m->rtm_protocol;
    r.type = m->rtm_type;
    r.aside = m->rtm_tos || m->rtm_src_len;
    r.extra = a[RTA_METRICS] || a[RTA_ENCAP_TYPE] || a[RTA_NH_ID] || a[RTA_FLOW] || a[RTA_VIA];
    rtnl_read_address(a[RTA_PREFSRC], m->rtm_family, &r.source);
    if (a[RTA_MULTIPATH])
        read_hops(a[RTA_MULTIPATH], m->rtm_family, &r);
    else if (a[RTA_OIF] || a[RTA_GATEWAY])
        read_hop(a, m, &r);
    *ret_route = r;
    return true;
}

struct walk {
    rtnl_each_route *each;
    void *arg;
    uint8_t family;
};

static void on_route(void *arg, struct nlmsghdr *header)
{
    struct walk *walk = arg;
    struct rtnl_route route;

    /* A kernel without IPv6 answers with what it has. */
    if (rtnl_route_read(header, &route) && route.destination.address.family == walk->family)
        walk->each(walk->arg, walk->family, &route);
}

static void on_walk_restart(void *arg)
{
    struct walk *walk = arg;

    walk->each(walk->arg, walk->family, NULL);
}

/* protocol 0: all. With a protocol the kernel itself leaves out the others (since 4.20; before, the
 * request is not strict and all come). */
static int walk_routes(struct nl_sock *socket, uint8_t protocol, rtnl_each_route *each, void *arg,
                       struct orb_err *err)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    int strict = 1, r = 0;

    setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strict,
               sizeof(strict));
    for (size_t i = 0; r == 0 && i < sizeof(families); i++) {
        struct rtmsg header = {.rtm_family = families[i], .rtm_protocol = protocol};
        struct walk walk = {each, arg, families[i]};
        struct netlink_reader reader = {on_route, on_walk_restart, &walk};

        on_walk_restart(&walk);
        r = netlink_dump(socket, RTM_GETROUTE, &header, sizeof(header), &reader, err);
    }
    strict = 0;
    setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strict,
               sizeof(strict));
    return r < 0 ? orb_wrap(err, "cannot read the kernel's routes") : 0;
}

int rtnl_route_walk(struct nl_sock *socket, rtnl_each_route *each, void *arg, struct orb_err *err)
{
    return walk_routes(socket, 0, each, arg, err);
}

int rtnl_route_walk_of(struct nl_sock *socket, uint8_t protocol, rtnl_each_route *each, void *arg,
                       struct orb_err *err)
{
    return walk_routes(socket, protocol, each, arg, err);
}

struct ours {
    struct rtnl_grow grow;
    uint8_t protocol, family;
    unsigned before; /* routes of the family before this one */
};

static void on_ours(void *arg, uint8_t family, const struct rtnl_route *route)
{
    struct ours *ours = arg;
    struct rtnl_route *to;

    if (!route) {
        if (family != ours->family)
            ours->before = ours->grow.count;
        ours->family = family;
        ours->grow.count = ours->before;
    } else if (route->protocol == ours->protocol && !route->aside &&
               (to = rtnl_grow(&ours->grow))) {
        *to = *route;
    }
}

int rtnl_route_list(struct nl_sock *socket, uint8_t protocol, struct rtnl_routes *ret_routes,
                    struct orb_err *err)
{
    struct ours ours = {.grow = {.item = sizeof(struct rtnl_route)}, .protocol = protocol};
    int r = walk_routes(socket, protocol, on_ours, &ours, err);

    if (r == 0 && ours.grow.failed)
        r = orb_fail(err, ORB_E_NOMEM, "no memory for what the kernel reports");
    if (r < 0)
        free(ours.grow.items);
    else
        *ret_routes = (struct rtnl_routes){ours.grow.items, ours.grow.count};
    return r;
}
