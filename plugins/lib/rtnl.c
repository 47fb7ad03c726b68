/* Links, addresses and routes of the kernel: see rtnl.h. A dump that outgrows memory is cut by
 * failing the request, never by returning half of it. */
#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/lib/rtnl.h"

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP 0x10000
#endif

struct grow {
    void *items;
    unsigned count, size;
    size_t item;
    bool failed;
};

/* One more zeroed item at the end, NULL when there is no memory. */
static void *grow(struct grow *g)
{
    if (g->count == g->size) {
        unsigned size = g->size ? g->size * 2 : 32;
        void *items = realloc(g->items, size * g->item);

        if (!items) {
            g->failed = true;
            return NULL;
        }
        g->items = items;
        g->size = size;
    }
    return memset((char *)g->items + g->count++ * g->item, 0, g->item);
}

/* Element n of an array of integers, 0 beyond its end. */
static uint32_t element(const struct nlattr *array, unsigned n)
{
    uint32_t value = 0;

    if (array && nla_len(array) >= (int)((n + 1) * sizeof(value)))
        memcpy(&value, (const char *)nla_data(array) + n * sizeof(value), sizeof(value));
    return value;
}

static void read_settings(struct nlattr *families, struct rtnl_link *link)
{
    struct nlattr *a[AF_INET6 + 1], *in[IFLA_INET_MAX + 1], *in6[IFLA_INET6_MAX + 1];

    if (!families || nla_parse_nested(a, AF_INET6, families, NULL) < 0)
        return;
    if (a[AF_INET] && nla_parse_nested(in, IFLA_INET_MAX, a[AF_INET], NULL) == 0 &&
        in[IFLA_INET_CONF]) {
        link->has_inet = true;
        link->promote_secondaries =
            element(in[IFLA_INET_CONF], IPV4_DEVCONF_PROMOTE_SECONDARIES - 1);
        link->ignore_linkdown =
            element(in[IFLA_INET_CONF], IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN - 1);
    }
    if (a[AF_INET6] && nla_parse_nested(in6, IFLA_INET6_MAX, a[AF_INET6], NULL) == 0 &&
        in6[IFLA_INET6_CONF]) {
        link->has_inet6 = true;
        link->inet6_disabled = element(in6[IFLA_INET6_CONF], DEVCONF_DISABLE_IPV6);
        if (in6[IFLA_INET6_ADDR_GEN_MODE])
            link->addr_gen_mode = nla_get_u8(in6[IFLA_INET6_ADDR_GEN_MODE]);
    }
}

bool rtnl_read_link(struct nlmsghdr *header, struct rtnl_link *ret_link)
{
    struct nlattr *a[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
    struct ifinfomsg *m = nlmsg_data(header);
    struct rtnl_link l = {0};

    if ((header->nlmsg_type != RTM_NEWLINK && header->nlmsg_type != RTM_DELLINK) ||
        nlmsg_parse(header, sizeof(*m), a, IFLA_MAX, NULL) < 0 || m->ifi_family != AF_UNSPEC ||
        !a[IFLA_IFNAME])
        return false;
    l.index = m->ifi_index;
    l.flags = m->ifi_flags;
    l.carrier = m->ifi_flags & IFF_LOWER_UP;
    nla_strlcpy(l.name, a[IFLA_IFNAME], sizeof(l.name));
    /* The kernel takes any bytes as a name; what we report must be UTF-8. */
    for (char *c = l.name; *c; c++)
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    l.mtu = a[IFLA_MTU] ? nla_get_u32(a[IFLA_MTU]) : 0;
    l.min_mtu = a[IFLA_MIN_MTU] ? nla_get_u32(a[IFLA_MIN_MTU]) : 0;
    l.max_mtu = a[IFLA_MAX_MTU] ? nla_get_u32(a[IFLA_MAX_MTU]) : 0;
    l.operstate = a[IFLA_OPERSTATE] ? nla_get_u8(a[IFLA_OPERSTATE]) : 0;
    if (a[IFLA_ADDRESS] && nla_len(a[IFLA_ADDRESS]) <= (int)sizeof(l.mac)) {
        l.mac_len = (unsigned)nla_len(a[IFLA_ADDRESS]);
        memcpy(l.mac, nla_data(a[IFLA_ADDRESS]), l.mac_len);
    }
    if (a[IFLA_LINKINFO] && nla_parse_nested(info, IFLA_INFO_MAX, a[IFLA_LINKINFO], NULL) == 0 &&
        info[IFLA_INFO_KIND])
        nla_strlcpy(l.kind, info[IFLA_INFO_KIND], sizeof(l.kind));
    read_settings(a[IFLA_AF_SPEC], &l);
    if (a[IFLA_STATS64] && nla_len(a[IFLA_STATS64]) >= 64) {
        struct rtnl_link_stats64 s = {0};
        size_t n = (size_t)nla_len(a[IFLA_STATS64]);

        memcpy(&s, nla_data(a[IFLA_STATS64]), n < sizeof(s) ? n : sizeof(s));
        l.rx_packets = s.rx_packets;
        l.tx_packets = s.tx_packets;
        l.rx_bytes = s.rx_bytes;
        l.tx_bytes = s.tx_bytes;
        l.rx_dropped = s.rx_dropped;
        l.tx_dropped = s.tx_dropped;
    }
    *ret_link = l;
    return true;
}

static bool read_address(const struct nlattr *attr, uint8_t family, struct address *ret)
{
    if (!attr || (family != AF_INET && family != AF_INET6) ||
        nla_len(attr) < (int)address_size(family))
        return false;
    *ret = (struct address){.family = family};
    memcpy(ret->bytes, nla_data(attr), address_size(family));
    return true;
}

bool rtnl_read_addr(struct nlmsghdr *header, struct rtnl_addr *ret_addr)
{
    struct ifaddrmsg *m = nlmsg_data(header);
    struct nlattr *a[IFA_MAX + 1];
    struct rtnl_addr r = {0};

    if ((header->nlmsg_type != RTM_NEWADDR && header->nlmsg_type != RTM_DELADDR) ||
        nlmsg_parse(header, sizeof(*m), a, IFA_MAX, NULL) < 0)
        return false;
    /* On point-to-point links IFA_ADDRESS is the peer and IFA_LOCAL ours. */
    if (!read_address(a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS], m->ifa_family,
                      &r.prefix.address))
        return false;
    r.index = (int)m->ifa_index;
    r.prefix.len = m->ifa_prefixlen;
    r.flags = a[IFA_FLAGS] ? nla_get_u32(a[IFA_FLAGS]) : m->ifa_flags;
    r.protocol = a[IFA_PROTO] ? nla_get_u8(a[IFA_PROTO]) : 0;
    *ret_addr = r;
    return true;
}

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
        if (nla_parse(a, RTA_MAX, (struct nlattr *)RTNH_DATA(hop),
                      hop->rtnh_len - (int)sizeof(*hop), NULL) == 0)
            to->has_gateway = read_address(a[RTA_GATEWAY], family, &to->gateway);
        left -= (int)NLMSG_ALIGN(hop->rtnh_len);
        hop = RTNH_NEXT(hop);
    }
}

bool rtnl_read_route(struct nlmsghdr *header, struct rtnl_route *ret_route)
{
    struct rtmsg *m = nlmsg_data(header);
    struct nlattr *a[RTA_MAX + 1];
    struct rtnl_route r = {0};
    uint32_t table;

    if ((header->nlmsg_type != RTM_NEWROUTE && header->nlmsg_type != RTM_DELROUTE) ||
        nlmsg_parse(header, sizeof(*m), a, RTA_MAX, NULL) < 0)
        return false;
    table = a[RTA_TABLE] ? nla_get_u32(a[RTA_TABLE]) : m->rtm_table;
    if (table != RT_TABLE_MAIN || (m->rtm_flags & RTM_F_CLONED) ||
        (m->rtm_family != AF_INET && m->rtm_family != AF_INET6))
        return false;
    r.destination.address.family = m->rtm_family;
    r.destination.len = m->rtm_dst_len;
    if (a[RTA_DST] && !read_address(a[RTA_DST], m->rtm_family, &r.destination.address))
        return false;
    r.metric = a[RTA_PRIORITY] ? nla_get_u32(a[RTA_PRIORITY]) : 0;
    r.protocol = m->rtm_protocol;
    r.type = m->rtm_type;
    r.tos = m->rtm_tos;
    if (a[RTA_MULTIPATH]) {
        read_hops(a[RTA_MULTIPATH], m->rtm_family, &r);
    } else if (a[RTA_OIF] || a[RTA_GATEWAY]) {
        r.hop_count = 1;
        r.hops[0].weight = 1;
        r.hops[0].index = a[RTA_OIF] ? (int)nla_get_u32(a[RTA_OIF]) : 0;
        r.hops[0].has_gateway = read_address(a[RTA_GATEWAY], m->rtm_family, &r.hops[0].gateway);
    }
    *ret_route = r;
    return true;
}

static void on_link(void *arg, struct nlmsghdr *header)
{
    struct rtnl_link link, *to;

    if (rtnl_read_link(header, &link) && (to = grow(arg)))
        *to = link;
}

static void on_addr(void *arg, struct nlmsghdr *header)
{
    struct rtnl_addr addr, *to;

    if (rtnl_read_addr(header, &addr) && (to = grow(arg)))
        *to = addr;
}

static void on_restart(void *arg)
{
    ((struct grow *)arg)->count = 0;
}

static int collect(struct nl_sock *socket, int type, void *header, size_t len, netlink_each *cb,
                   struct grow *g, struct orb_err *err)
{
    struct netlink_reader reader = {.each = cb, .restart = on_restart, .arg = g};
    int r = netlink_dump(socket, type, header, len, &reader, err);

    if (r == 0 && g->failed)
        r = orb_fail(err, ORB_E_NOMEM, "no memory for what the kernel reports");
    if (r < 0) {
        free(g->items);
        return orb_wrap(err, "cannot read the kernel's %s",
                        type == RTM_GETLINK ? "links" : "addresses");
    }
    return 0;
}

static int get_links(struct nl_sock *socket, uint32_t without, struct rtnl_links *ret_links,
                     struct orb_err *err)
{
    struct {
        struct ifinfomsg link;
        struct nlattr attr;
        uint32_t mask;
    } header = {.link = {.ifi_family = AF_UNSPEC},
                .attr = {.nla_len = NLA_HDRLEN + sizeof(uint32_t), .nla_type = IFLA_EXT_MASK},
                .mask = without};
    struct grow g = {.item = sizeof(struct rtnl_link)};
    int r = collect(socket, RTM_GETLINK, &header, sizeof(header), on_link, &g, err);

    if (r == 0)
        *ret_links = (struct rtnl_links){g.items, g.count};
    return r;
}

int rtnl_get_links(struct nl_sock *socket, struct rtnl_links *ret_links, struct orb_err *err)
{
    return get_links(socket, RTEXT_FILTER_SKIP_STATS, ret_links, err);
}

int rtnl_get_links_counted(struct nl_sock *socket, struct rtnl_links *ret_links,
                           struct orb_err *err)
{
    return get_links(socket, 0, ret_links, err);
}

int rtnl_get_addrs(struct nl_sock *socket, struct rtnl_addrs *ret_addrs, struct orb_err *err)
{
    struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};
    struct grow g = {.item = sizeof(struct rtnl_addr)};
    int r = collect(socket, RTM_GETADDR, &header, sizeof(header), on_addr, &g, err);

    if (r == 0)
        *ret_addrs = (struct rtnl_addrs){g.items, g.count};
    return r;
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
    if (rtnl_read_route(header, &route) && route.destination.address.family == walk->family)
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

int rtnl_walk_routes(struct nl_sock *socket, rtnl_each_route *each, void *arg, struct orb_err *err)
{
    return walk_routes(socket, 0, each, arg, err);
}

struct ours {
    struct grow grow;
    uint8_t family;
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
    } else if (route->protocol == NETLINK_OURS && (to = grow(&ours->grow))) {
        *to = *route;
    }
}

int rtnl_get_routes(struct nl_sock *socket, struct rtnl_routes *ret_routes, struct orb_err *err)
{
    struct ours ours = {.grow = {.item = sizeof(struct rtnl_route)}};
    int r = walk_routes(socket, NETLINK_OURS, on_ours, &ours, err);

    if (r == 0 && ours.grow.failed)
        r = orb_fail(err, ORB_E_NOMEM, "no memory for what the kernel reports");
    if (r < 0)
        free(ours.grow.items);
    else
        *ret_routes = (struct rtnl_routes){ours.grow.items, ours.grow.count};
    return r;
}

const struct rtnl_link *rtnl_find_link(const struct rtnl_links *links, const char *name)
{
    for (unsigned i = 0; i < links->count; i++) {
        if (!strcmp(links->items[i].name, name))
            return &links->items[i];
    }
    return NULL;
}

const struct rtnl_link *rtnl_link_of(const struct rtnl_links *links, int index)
{
    for (unsigned i = 0; i < links->count; i++) {
        if (links->items[i].index == index)
            return &links->items[i];
    }
    return NULL;
}

int rtnl_set_link(struct nl_sock *socket, int index, unsigned mtu, int up, struct orb_err *err)
{
    struct ifinfomsg m = {.ifi_family = AF_UNSPEC, .ifi_index = index};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWLINK, 0);

    if (up >= 0) {
        m.ifi_change = IFF_UP;
        m.ifi_flags = up ? IFF_UP : 0;
    }
    if (!message || nlmsg_append(message, &m, sizeof(m), NLMSG_ALIGNTO) < 0 ||
        (mtu && nla_put_u32(message, IFLA_MTU, mtu) < 0)) {
        nlmsg_free(message);
        return orb_fail(err, ORB_E_NOMEM, "no memory for a netlink message");
    }
    return netlink_send(socket, message, err);
}

int rtnl_set_inet(struct nl_sock *socket, int index, int promote, int linkdown, struct orb_err *err)
{
    struct ifinfomsg m = {.ifi_family = AF_UNSPEC, .ifi_index = index};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_SETLINK, 0);
    struct nlattr *families, *inet, *conf;
    bool fits;

    fits = message && nlmsg_append(message, &m, sizeof(m), NLMSG_ALIGNTO) == 0 &&
           (families = nla_nest_start(message, IFLA_AF_SPEC)) &&
           (inet = nla_nest_start(message, AF_INET)) &&
           (conf = nla_nest_start(message, IFLA_INET_CONF)) &&
           (promote < 0 ||
            nla_put_u32(message, IPV4_DEVCONF_PROMOTE_SECONDARIES, (uint32_t)promote) == 0) &&
           (linkdown < 0 || nla_put_u32(message, IPV4_DEVCONF_IGNORE_ROUTES_WITH_LINKDOWN,
                                        (uint32_t)linkdown) == 0) &&
           nla_nest_end(message, conf) == 0 && nla_nest_end(message, inet) == 0 &&
           nla_nest_end(message, families) == 0;
    if (!fits) {
        nlmsg_free(message);
        return orb_fail(err, ORB_E_NOMEM, "no memory for a netlink message");
    }
    return netlink_send(socket, message, err);
}

/* protocol and more: for RTM_NEWADDR. */
static int change_addr(struct nl_sock *socket, int type, int flags, int index,
                       const struct prefix *prefix, uint8_t protocol, uint32_t more,
                       struct orb_err *err)
{
    const struct address *address = &prefix->address;
    struct nl_msg *message = nlmsg_alloc_simple(type, flags);
    struct ifaddrmsg m = {.ifa_family = address->family,
                          .ifa_prefixlen = prefix->len,
                          .ifa_scope = RT_SCOPE_UNIVERSE,
                          .ifa_index = (uint32_t)index};
    struct prefix all = prefix_network(prefix);
    int size = (int)address_size(address->family);
    bool fits;

    if (address_is_link_local(address))
        m.ifa_scope = RT_SCOPE_LINK;
    fits = message && nlmsg_append(message, &m, sizeof(m), NLMSG_ALIGNTO) == 0 &&
           nla_put(message, IFA_LOCAL, size, address->bytes) == 0 &&
           nla_put(message, IFA_ADDRESS, size, address->bytes) == 0;
    if (fits && type == RTM_NEWADDR)
        fits = nla_put_u8(message, IFA_PROTO, protocol) == 0 &&
               (!more || nla_put_u32(message, IFA_FLAGS, more) == 0);
    if (fits && type == RTM_NEWADDR && address->family == AF_INET && prefix->len < 31) {
        for (unsigned bit = prefix->len; bit < 32; bit++)
            all.address.bytes[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
        fits = nla_put(message, IFA_BROADCAST, size, all.address.bytes) == 0;
    }
    if (!fits) {
        nlmsg_free(message);
        return orb_fail(err, ORB_E_NOMEM, "no memory for a netlink message");
    }
    return netlink_send(socket, message, err);
}

int rtnl_add_addr_as(struct nl_sock *socket, int index, const struct prefix *prefix,
                     uint8_t protocol, uint32_t flags, struct orb_err *err)
{
    return change_addr(socket, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, prefix, protocol,
                       flags, err);
}

int rtnl_add_addr(struct nl_sock *socket, int index, const struct prefix *prefix,
                  struct orb_err *err)
{
    return rtnl_add_addr_as(socket, index, prefix, NETLINK_OURS, 0, err);
}

int rtnl_del_addr(struct nl_sock *socket, int index, const struct prefix *prefix,
                  struct orb_err *err)
{
    return change_addr(socket, RTM_DELADDR, 0, index, prefix, 0, 0, err);
}

static bool put_gateway(struct nl_msg *message, const struct rtnl_hop *hop)
{
    return !hop->has_gateway ||
           nla_put(message, RTA_GATEWAY, (int)address_size(hop->gateway.family),
                   hop->gateway.bytes) == 0;
}

static bool put_hops(struct nl_msg *message, const struct rtnl_route *route)
{
    struct nlattr *all = nla_nest_start(message, RTA_MULTIPATH);

    for (unsigned i = 0; all && i < route->hop_count; i++) {
        const struct rtnl_hop *hop = &route->hops[i];
        struct rtnexthop *to = nlmsg_reserve(message, sizeof(*to), NLMSG_ALIGNTO);
        uint32_t from;

        if (!to)
            return false;
        from = (uint32_t)((char *)to - (char *)nlmsg_hdr(message));
        to->rtnh_flags = hop->onlink ? RTNH_F_ONLINK : 0;
        to->rtnh_hops = (uint8_t)(hop->weight - 1);
        to->rtnh_ifindex = hop->index;
        if (!put_gateway(message, hop))
            return false;
        /* The message may have moved. */
        to = (struct rtnexthop *)((char *)nlmsg_hdr(message) + from);
        to->rtnh_len = (uint16_t)(nlmsg_hdr(message)->nlmsg_len - from);
    }
    return all && nla_nest_end(message, all) == 0;
}

/* The message for a route without what only RTM_NEWROUTE has. */
static struct nl_msg *route_message(int type, int flags, const struct rtnl_route *route,
                                    const struct rtmsg *m)
{
    struct nl_msg *message = nlmsg_alloc_simple(type, flags);
    const struct prefix *to = &route->destination;

    if (!message || nlmsg_append(message, (void *)m, sizeof(*m), NLMSG_ALIGNTO) < 0 ||
        nla_put(message, RTA_DST, (int)address_size(to->address.family), to->address.bytes) < 0 ||
        (route->metric && nla_put_u32(message, RTA_PRIORITY, route->metric) < 0)) {
        nlmsg_free(message);
        return NULL;
    }
    return message;
}

int rtnl_put_route(struct nl_sock *socket, const struct rtnl_route *route, bool replace,
                   struct orb_err *err)
{
    struct rtmsg m = {.rtm_family = route->destination.address.family,
                      .rtm_dst_len = route->destination.len,
                      .rtm_table = RT_TABLE_MAIN,
                      .rtm_protocol = NETLINK_OURS,
                      .rtm_scope = RT_SCOPE_UNIVERSE,
                      .rtm_type = route->type};
    const struct rtnl_hop *hop = route->hops;
    struct nl_msg *message;
    bool fits;

    if (route->hop_count == 1 && !hop->has_gateway)
        m.rtm_scope = RT_SCOPE_LINK;
    if (route->hop_count == 1 && hop->onlink)
        m.rtm_flags = RTNH_F_ONLINK;
    message = route_message(RTM_NEWROUTE, NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL),
                            route, &m);
    fits = message;
    if (fits && route->hop_count == 1)
        fits =
            put_gateway(message, hop) && nla_put_u32(message, RTA_OIF, (uint32_t)hop->index) == 0;
    else if (fits && route->hop_count)
        fits = put_hops(message, route);
    if (!fits) {
        nlmsg_free(message);
        return orb_fail(err, ORB_E_NOMEM, "no memory for a netlink message");
    }
    return netlink_send(socket, message, err);
}

int rtnl_del_route(struct nl_sock *socket, const struct rtnl_route *route, struct orb_err *err)
{
    struct rtmsg m = {.rtm_family = route->destination.address.family,
                      .rtm_dst_len = route->destination.len,
                      .rtm_table = RT_TABLE_MAIN,
                      .rtm_protocol = NETLINK_OURS,
                      .rtm_scope = RT_SCOPE_NOWHERE};

    return netlink_send(socket, route_message(RTM_DELROUTE, 0, route, &m), err);
}
