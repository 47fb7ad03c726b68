/* Links of the kernel: see rtnl.h. */
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "plugins/lib/rtnl_internal.h"

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP 0x10000
#endif

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
        link->addr_gen_mode = rtnl_u8(in6[IFLA_INET6_ADDR_GEN_MODE], 0);
    }
}

bool rtnl_link_read(struct nlmsghdr *header, struct rtnl_link *ret_link)
{
    struct nlattr *a[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
    struct ifinfomsg *m = nlmsg_data(header);
    struct rtnl_link l = {0};

    if ((header->nlmsg_type != RTM_NEWLINK && header->nlmsg_type != RTM_DELLINK) ||
        nlmsg_parse(header, sizeof(*m), a, IFLA_MAX, NULL) < 0 || m->ifi_family != AF_UNSPEC ||
        !a[IFLA_IFNAME] || nla_len(a[IFLA_IFNAME]) < 1 || !*(char *)nla_data(a[IFLA_IFNAME]))
        return false;
    l.index = m->ifi_index;
    l.flags = m->ifi_flags;
    l.carrier = m->ifi_flags & IFF_LOWER_UP;
    nla_strlcpy(l.name, a[IFLA_IFNAME], sizeof(l.name));
    /* The kernel accepts any bytes as a name; reports must be UTF-8. */
    for (char *c = l.name; *c; c++)
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    l.mtu = rtnl_u32(a[IFLA_MTU], 0);
    l.min_mtu = rtnl_u32(a[IFLA_MIN_MTU], 0);
    l.max_mtu = rtnl_u32(a[IFLA_MAX_MTU], 0);
    l.operstate = rtnl_u8(a[IFLA_OPERSTATE], 0);
    if (a[IFLA_ADDRESS] && nla_len(a[IFLA_ADDRESS]) <= (int)sizeof(l.mac)) {
        l.mac_len = (unsigned)nla_len(a[IFLA_ADDRESS]);
        memcpy(l.mac, nla_data(a[IFLA_ADDRESS]), l.mac_len);
    }
    l.master = (int)rtnl_u32(a[IFLA_MASTER], 0);
    if (a[IFLA_LINKINFO] && nla_parse_nested(info, IFLA_INFO_MAX, a[IFLA_LINKINFO], NULL) == 0) {
        if (info[IFLA_INFO_KIND])
            nla_strlcpy(l.kind, info[IFLA_INFO_KIND], sizeof(l.kind));
        if (info[IFLA_INFO_SLAVE_KIND])
            nla_strlcpy(l.member, info[IFLA_INFO_SLAVE_KIND], sizeof(l.member));
    }
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

static void on_link(void *arg, struct nlmsghdr *header)
{
    struct rtnl_link link, *to;

    if (rtnl_link_read(header, &link) && (to = rtnl_grow(arg)))
        *to = link;
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
    struct rtnl_grow g = {.item = sizeof(struct rtnl_link)};
    int r = rtnl_collect(socket, RTM_GETLINK, &header, sizeof(header), on_link, &g, "links", err);

    if (r == 0)
        *ret_links = (struct rtnl_links){g.items, g.count};
    return r;
}

int rtnl_link_list(struct nl_sock *socket, struct rtnl_links *ret_links, struct orb_err *err)
{
    return get_links(socket, RTEXT_FILTER_SKIP_STATS, ret_links, err);
}

int rtnl_link_list_counted(struct nl_sock *socket, struct rtnl_links *ret_links,
                           struct orb_err *err)
{
    return get_links(socket, 0, ret_links, err);
}

const struct rtnl_link *rtnl_link_find(const struct rtnl_links *links, const char *name)
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

int rtnl_link_set(struct nl_sock *socket, int index, unsigned mtu, int up, struct orb_err *err)
{
    struct ifinfomsg m = {.ifi_family = AF_UNSPEC, .ifi_index = index};
    struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWLINK, 0);

    if (up >= 0) {
        m.ifi_change = IFF_UP;
        m.ifi_flags = up ? IFF_UP : 0;
    }
    return rtnl_send(socket, message,
                     message && nlmsg_append(message, &m, sizeof(m), NLMSG_ALIGNTO) == 0 &&
                         (!mtu || nla_put_u32(message, IFLA_MTU, mtu) == 0),
                     err);
}

int rtnl_link_set_inet(struct nl_sock *socket, int index, int promote, int linkdown,
                       struct orb_err *err)
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
    return rtnl_send(socket, message, fits, err);
}
