/* Routes to the networks of this machine's addresses: see connected_restore() in reach.h. They are
 * made as the kernel makes them, so that it takes them away with their address. */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/routing/reach.h"

#define KERNEL_METRIC_IPV6 256

/* The kernel's address for a configured one, if it brings a route with it. */
static const struct rtnl_addr *brings_route(const struct reach *reach, const struct connected *c)
{
    const struct rtnl_link *link = rtnl_link_find(&reach->kernel->links, c->interface);
    bool four = c->prefix.address.family == AF_INET;

    if (c->by_route || !link || !(link->flags & IFF_UP) || c->prefix.len == (four ? 32 : 128))
        return NULL;
    for (unsigned i = 0; i < reach->kernel->addrs.count; i++) {
        const struct rtnl_addr *a = &reach->kernel->addrs.items[i];

        if (a->index != link->index || !prefix_equal(&a->prefix, &c->prefix) ||
            !prefix_equal(&a->network, &c->prefix))
            continue;
        return a->flags &
                       (IFA_F_NOPREFIXROUTE | IFA_F_SECONDARY | IFA_F_TENTATIVE | IFA_F_DADFAILED)
                   ? NULL
                   : a;
    }
    return NULL;
}

static bool is_there(const struct rtnl_routes *have, const struct rtnl_route *want)
{
    for (unsigned i = 0; i < have->count; i++) {
        const struct rtnl_route *route = &have->items[i];

        if (route->table == RT_TABLE_MAIN && route->hop_count == 1 &&
            route->hops[0].index == want->hops[0].index &&
            prefix_equal(&route->destination, &want->destination))
            return true;
    }
    return false;
}

int connected_restore(struct nl_sock *socket, const struct reach *reach, unsigned *ret_count,
                      struct orb_err *err)
{
    struct rtnl_routes have = {0};
    int r = rtnl_route_list(socket, RTPROT_KERNEL, &have, err);

    for (unsigned i = 0; r == 0 && i < reach->count; i++) {
        const struct rtnl_addr *a = brings_route(reach, &reach->items[i]);
        struct rtnl_route route = {
            .table = RT_TABLE_MAIN, .protocol = RTPROT_KERNEL, .type = RTN_UNICAST, .hop_count = 1};

        if (!a)
            continue;
        route.destination = prefix_network(&a->prefix);
        route.hops[0] = (struct rtnl_hop){.index = a->index, .weight = 1};
        if (a->prefix.address.family == AF_INET)
            route.source = a->prefix.address;
        else
            route.metric = KERNEL_METRIC_IPV6;
        if (!is_there(&have, &route))
            *ret_count += rtnl_put_route(socket, &route, false, NULL) == 0;
    }
    free(have.items);
    return r;
}
