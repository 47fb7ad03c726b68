/* Applies static routes: see apply.h. A changed route is replaced in one request (NLM_F_REPLACE),
 * so there is no moment without it. IPv4 would also replace a stranger's route of the same
 * destination and metric, hence the check before. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/routing/apply.h"

const char *protocol_name(uint8_t protocol, char *to, size_t size)
{
    static const struct {
        uint8_t number;
        const char *name;
    } names[] = {
        {RTPROT_REDIRECT, "redirect"}, {RTPROT_KERNEL, "kernel"}, {RTPROT_BOOT, "boot"},
        {RTPROT_STATIC, "static"},     {RTPROT_RA, "ra"},         {RTPROT_DHCP, "dhcp"},
        {RTPROT_BGP, "bgp"},           {RTPROT_OSPF, "ospf"},     {NETLINK_OURS, "orbital"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (names[i].number == protocol)
            return names[i].name;
    }
    snprintf(to, size, "%u", protocol);
    return to;
}

static bool same_key(const struct rtnl_route *have, const struct route_want *want)
{
    return have->metric == want->metric && prefix_equal(&have->destination, &want->destination);
}

int routes_check_foreign(struct nl_sock *socket, const struct routes_want *routes,
                         struct orb_err *err)
{
    struct rtnl_routes have = {0};
    int r = rtnl_get_routes(socket, false, &have, err);

    for (unsigned i = 0; r == 0 && i < have.count; i++) {
        const struct rtnl_route *route = &have.items[i];
        char name[8], path[ORB_ERR_PATH];

        if (route->protocol == NETLINK_OURS)
            continue;
        for (unsigned j = 0; r == 0 && j < routes->count; j++) {
            if (!same_key(route, &routes->items[j]))
                continue;
            route_path(&routes->items[j], NULL, path, sizeof(path));
            r = orb_fail_at(
                err, ORB_E_VETO, path,
                "the kernel already has a route to %s with metric %u (protocol %s) that "
                "is not ours; give this one another metric or remove that one",
                routes->items[j].key, route->metric,
                protocol_name(route->protocol, name, sizeof(name)));
        }
    }
    free(have.items);
    return r;
}

/* The kernel's form of a wanted route. An unknown interface is an error with path. */
static int resolve(const struct route_want *want, const struct reach *reach,
                   struct rtnl_route *ret_route, struct orb_err *err)
{
    struct rtnl_route route = {.destination = want->destination,
                               .metric = want->metric,
                               .protocol = NETLINK_OURS,
                               .type = want->blackhole ? RTN_BLACKHOLE : RTN_UNICAST,
                               .hop_count = want->hop_count};

    for (unsigned i = 0; i < want->hop_count; i++) {
        const struct hop_want *hop = &want->hops[i];
        const char *name = reach_interface(reach, hop);
        const struct rtnl_link *link = name ? rtnl_find_link(&reach->links, name) : NULL;
        char path[ORB_ERR_PATH];

        if (!link) {
            route_path(want, hop, path, sizeof(path));
            return orb_fail_at(err, ORB_E_VETO, path, "next hop %s is not reachable now", hop->key);
        }
        route.hops[i] = (struct rtnl_hop){.index = link->index,
                                          .has_gateway = true,
                                          .gateway = hop->gateway,
                                          .weight = hop->weight};
    }
    *ret_route = route;
    return 0;
}

static bool has_hop(const struct rtnl_route *route, const struct rtnl_hop *hop, bool weighted)
{
    for (unsigned i = 0; i < route->hop_count; i++) {
        const struct rtnl_hop *h = &route->hops[i];

        if (h->index == hop->index && h->has_gateway && address_equal(&h->gateway, &hop->gateway) &&
            (!weighted || h->weight == hop->weight))
            return true;
    }
    return false;
}

static bool is_there(const struct rtnl_routes *have, const struct rtnl_route *want)
{
    for (unsigned i = 0; i < have->count; i++) {
        const struct rtnl_route *h = &have->items[i];
        bool same = h->metric == want->metric && h->type == want->type &&
                    prefix_equal(&h->destination, &want->destination);

        if (!same)
            continue;
        /* An IPv6 blackhole is reported with the loopback as its hop. */
        if (want->type == RTN_BLACKHOLE)
            return true;
        if (h->hop_count != want->hop_count)
            return false;
        for (unsigned j = 0; j < want->hop_count; j++) {
            if (!has_hop(h, &want->hops[j], want->hop_count > 1))
                return false;
        }
        return true;
    }
    return false;
}

static int remove_stale(struct nl_sock *socket, const struct rtnl_routes *have,
                        const struct routes_want *routes, bool tolerant,
                        struct routes_applied *applied, struct orb_err *err)
{
    for (unsigned i = 0; i < have->count; i++) {
        const struct rtnl_route *route = &have->items[i];
        char text[ADDRESS_TEXT];
        bool wanted = false;
        int r;

        for (unsigned j = 0; !wanted && j < routes->count; j++)
            wanted = same_key(route, &routes->items[j]);
        if (wanted)
            continue;
        r = rtnl_del_route(socket, route, err);
        applied->removed += r == 0;
        if (r == 0 || r == -ESRCH || tolerant)
            continue;
        orb_wrap(err, "cannot remove route %s", prefix_text(&route->destination, text));
        if (err)
            err->code = ORB_E_KERNEL;
        return ORB_E_KERNEL;
    }
    return 0;
}

static int put_one(struct nl_sock *socket, const struct rtnl_routes *have,
                   const struct route_want *want, const struct reach *reach,
                   struct routes_applied *applied, struct orb_err *err)
{
    struct rtnl_route route;
    int r = resolve(want, reach, &route, err);

    if (r < 0 || is_there(have, &route))
        return r;
    r = rtnl_put_route(socket, &route, err);
    if (r == 0) {
        applied->put++;
        return 0;
    }
    orb_wrap(err, "cannot make route %s", want->key);
    if (err) {
        err->code = ORB_E_KERNEL;
        route_path(want, NULL, err->path, sizeof(err->path));
    }
    return ORB_E_KERNEL;
}

int routes_apply(struct nl_sock *socket, const struct routes_want *routes,
                 const struct reach *reach, bool tolerant, struct routes_applied *ret_applied,
                 struct orb_err *err)
{
    struct routes_applied applied = {0};
    struct rtnl_routes have = {0};
    int r = rtnl_get_routes(socket, true, &have, err);

    if (r < 0)
        return r;
    for (unsigned i = 0; i < routes->count; i++) {
        const struct route_want *want = &routes->items[i];

        r = put_one(socket, &have, want, reach, &applied, err);
        if (r < 0 && !tolerant)
            break;
        if (r < 0) {
            applied.missing++;
            memcpy(applied.missing_key, want->key, sizeof(want->key));
            r = 0;
        }
    }
    if (r == 0)
        r = remove_stale(socket, &have, routes, tolerant, &applied, err);
    free(have.items);
    *ret_applied = applied;
    return r;
}
