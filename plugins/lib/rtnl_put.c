/* Requests that change routes: see rtnl.h. */
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "plugins/lib/rtnl_internal.h"

static bool put_gateway(struct nl_msg *message, const struct rtnl_hop *hop)
{
    return !hop->has_gateway ||
           nla_put(message, RTA_GATEWAY, (int)address_size(hop->gateway.family),
                   hop->gateway.bytes) == 0;
}

static bool put_multipath(struct nl_msg *message, const struct rtnl_route *route)
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

static bool put_hops(struct nl_msg *message, const struct rtnl_route *route)
{
    const struct rtnl_hop *hop = route->hops;

    if (route->hop_count == 1)
        return put_gateway(message, hop) &&
               nla_put_u32(message, RTA_OIF, (uint32_t)hop->index) == 0;
    return !route->hop_count || put_multipath(message, route);
}

/* A message with the attributes that identify the route. */
static struct nl_msg *route_message(int type, int flags, const struct rtnl_route *route,
                                    struct rtmsg *m)
{
    struct nl_msg *message = nlmsg_alloc_simple(type, flags);
    const struct prefix *to = &route->destination;

    m->rtm_family = to->address.family;
    m->rtm_dst_len = to->len;
    m->rtm_protocol = route->protocol;
    m->rtm_table = route->table < 256 ? (uint8_t)route->table : RT_TABLE_COMPAT;
    if (!message || nlmsg_append(message, m, sizeof(*m), NLMSG_ALIGNTO) < 0 ||
        nla_put(message, RTA_DST, (int)address_size(to->address.family), to->address.bytes) < 0 ||
        nla_put_u32(message, RTA_TABLE, route->table) < 0 ||
        (route->metric && nla_put_u32(message, RTA_PRIORITY, route->metric) < 0)) {
        nlmsg_free(message);
        return NULL;
    }
    return message;
}

int rtnl_put_route(struct nl_sock *socket, const struct rtnl_route *route, bool replace,
                   struct orb_err *err)
{
    struct rtmsg m = {.rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = route->type};
    const struct address *source = &route->source;
    struct nl_msg *message;

    if (route->hop_count == 1 && !route->hops[0].has_gateway)
        m.rtm_scope = route->type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK;
    if (route->hop_count == 1 && route->hops[0].onlink)
        m.rtm_flags = RTNH_F_ONLINK;
    message = route_message(RTM_NEWROUTE, NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL),
                            route, &m);
    return rtnl_send(
        socket, message,
        message && put_hops(message, route) &&
            (!source->family ||
             nla_put(message, RTA_PREFSRC, (int)address_size(source->family), source->bytes) == 0),
        err);
}

int rtnl_put_deletion(struct nl_sock *socket, const struct rtnl_route *route, struct orb_err *err)
{
    struct rtmsg m = {.rtm_scope = RT_SCOPE_NOWHERE};
    bool four = route->destination.address.family == AF_INET;
    struct nl_msg *message;

    /* IPv4 has several routes of one destination and metric when another program put one first; the
     * hops of an IPv6 one are a single route, and an IPv6 blackhole has a hop of the kernel's. */
    if (four)
        m.rtm_type = route->type;
    message = route_message(RTM_DELROUTE, 0, route, &m);
    return rtnl_send(socket, message, message && (!four || put_hops(message, route)), err);
}
