/* Foreign routes that conflict with ours: of the same table, destination and metric. */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <sys/socket.h>

#include "plugins/routing/foreign.h"
#include "plugins/routing/place.h"
#include "plugins/routing/set.h"

const char *foreign_protocol_name(uint8_t protocol, char *to, size_t size)
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

struct search {
    const struct routes_want *routes;
    const struct route_want *met[2]; /* the first one in the way of a family: IPv4, IPv6 */
    uint32_t metric[2];
    uint8_t protocol[2];
};

static void on_route(void *arg, uint8_t family, const struct rtnl_route *route)
{
    struct search *search = arg;
    const struct route_want *want;
    int at = family == AF_INET ? 0 : 1;

    if (!route)
        search->met[at] = NULL;
    if (!route || search->met[at] || route->protocol == NETLINK_OURS || route->aside)
        return;
    want = set_find(search->routes, route->table, &route->destination);
    if (!want || !want->changed || !set_has_metric(want, route->metric))
        return;
    search->met[at] = want;
    search->metric[at] = route->metric;
    search->protocol[at] = route->protocol;
}

int foreign_check(struct nl_sock *socket, const struct routes_want *routes, struct orb_err *err)
{
    struct search search = {.routes = routes};
    char name[8], path[ORB_ERR_PATH];
    bool changed = false;
    int r;

    for (unsigned i = 0; !changed && i < routes->count; i++)
        changed = routes->sorted[i]->changed;
    if (!changed)
        return 0; /* a full table takes long to read */
    r = rtnl_route_walk(socket, on_route, &search, err);
    for (int at = 0; r == 0 && at < 2; at++) {
        if (!search.met[at])
            continue;
        place_route(search.met[at], NULL, path, sizeof(path));
        r = orb_fail_at(err, ORB_E_VETO, path,
                        "the kernel already has a route to %s with metric %u (protocol %s) that "
                        "is not ours; give this one another metric or remove that one",
                        search.met[at]->key, search.metric[at],
                        foreign_protocol_name(search.protocol[at], name, sizeof(name)));
    }
    return r;
}

/* The marks of one metric: of its first next hop, or of the fallback. */
static void marks_of(struct route_want *route, uint32_t metric, bool **ret_met, bool **ret_behind)
{
    *ret_met = NULL;
    if (route->last && set_last_metric(route) == metric) {
        *ret_met = &route->last_met;
        *ret_behind = &route->last_behind;
    }
    for (unsigned i = 0; !*ret_met && i < route->hop_count; i++) {
        if (route->hops[i].metric != metric)
            continue;
        *ret_met = &route->hops[i].met;
        *ret_behind = &route->hops[i].behind;
    }
}

static void forget(struct routes_want *routes, uint8_t family)
{
    for (unsigned i = 0; i < routes->count; i++) {
        struct route_want *route = routes->sorted[i];

        if (route->destination.address.family != family)
            continue;
        route->last_met = route->last_behind = false;
        for (unsigned j = 0; j < route->hop_count; j++)
            route->hops[j].met = route->hops[j].behind = false;
    }
}

/* The kernel lists routes of one destination and metric in order of precedence: all but the first
 * have no effect. A foreign one before ours displaced it; where there is none of ours, ours waits
 * (or was replaced), which shows when it is added. */
static void on_order(void *arg, uint8_t family, const struct rtnl_route *route)
{
    struct routes_want *routes = arg;
    struct route_want *want;
    bool *met, *behind;

    if (!route) {
        forget(routes, family);
        return;
    }
    if (family != AF_INET || route->aside)
        return;
    want = set_find(routes, route->table, &route->destination);
    if (!want)
        return;
    marks_of(want, route->metric, &met, &behind);
    if (!met)
        return;
    if (route->protocol != NETLINK_OURS)
        *met = true; /* foreign, until ours follows it */
    else if (*met)
        *behind = true;
    else
        *met = false;
}

int foreign_look(struct nl_sock *socket, struct routes_want *routes, struct orb_err *err)
{
    return rtnl_route_walk(socket, on_order, routes, err);
}

bool foreign_present(const struct routes_want *routes)
{
    for (unsigned i = 0; i < routes->count; i++) {
        const struct route_want *route = routes->sorted[i];
        bool any = route->last_behind;

        for (unsigned j = 0; !any && j < route->hop_count; j++)
            any = route->hops[j].behind;
        if (any)
            return true;
    }
    return false;
}
