/* What a commit refuses, and the sentences: only what it brings or breaks itself. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/suggest.h"
#include "plugins/lib/near.h"
#include "plugins/routing/place.h"
#include "plugins/routing/policy.h"
#include "plugins/routing/reach.h"
#include "orbital/read.h"

/* "connected: 10.1.0.0/24 on lan0, …", at most six. */
static void list_connected(const struct reach *reach, uint8_t family, char *to, size_t size)
{
    unsigned shown = 0;

    *to = 0;
    for (unsigned i = 0; i < reach->count; i++) {
        const struct connected *c = &reach->items[i];
        struct prefix network = prefix_network(&c->network);
        char text[ADDRESS_TEXT];

        if (c->prefix.address.family != family || !c->enabled ||
            address_is_link_local(&c->prefix.address))
            continue;
        if (shown == 6) {
            snprintf(to + strlen(to), size - strlen(to), ", …");
            return;
        }
        snprintf(to + strlen(to), size - strlen(to), "%s%s on %s",
                 shown++ ? ", " : "connected: ", prefix_text(&network, text), c->interface);
    }
    if (!shown)
        snprintf(to, size, "no %s network is connected", family == AF_INET ? "IPv4" : "IPv6");
}

static int nowhere(const struct reach *reach, const char *path, const struct hop_want *hop,
                   struct orb_err *err)
{
    char known[260];

    list_connected(reach, hop->gateway.family, known, sizeof(known));
    if (!*hop->interface)
        return orb_fail_at(err, ORB_E_VETO, path, "next hop %s is not reachable; %s", hop->key,
                           known);
    return orb_fail_at(err, ORB_E_VETO, path,
                       "next hop %s is not reachable on %s; if it is a neighbour there all the "
                       "same, set onlink to true; %s",
                       hop->key, hop->interface, known);
}

static int no_interface(const struct reach *reach, const char *path, const char *name,
                        struct orb_err *err)
{
    struct suggest near;
    char text[60];

    suggest_init(&near, name);
    near_offer_keys(&near, reach->interfaces);
    for (unsigned i = 0; i < reach->kernel->links.count; i++)
        suggest_offer(&near, reach->kernel->links.items[i].name);
    return orb_fail_at(err, ORB_E_VETO, path, "there is no interface \"%s\"%s", name,
                       near_text(&near, text, sizeof(text)));
}

static int self(const struct reach *reach, const char *path, const struct hop_want *hop,
                struct orb_err *err)
{
    const char *interface = "";

    for (unsigned i = 0; i < reach->count; i++) {
        if (address_equal(&reach->items[i].prefix.address, &hop->gateway))
            interface = reach->items[i].interface;
    }
    return orb_fail_at(err, ORB_E_VETO, path,
                       "next hop %s is this machine itself (%s); expected another router", hop->key,
                       interface);
}

/* The interface that would lead there, were it not switched off. */
static const char *switched_off(const struct reach *reach, const struct hop_want *hop)
{
    for (unsigned i = 0; !*hop->interface && i < reach->count; i++) {
        if (!reach->items[i].enabled && prefix_contains(&reach->items[i].network, &hop->gateway))
            return reach->items[i].interface;
    }
    return hop->interface;
}

static int refuse_fit(const struct reach *reach, enum fit fit, const struct route_want *route,
                      const struct hop_want *hop, struct orb_err *err)
{
    char path[ORB_ERR_PATH], text[64];

    place_route(route, hop, path, sizeof(path));
    switch (fit) {
    case FIT_SELF:
        return self(reach, path, hop, err);
    case FIT_BROADCAST:
        return orb_fail_at(err, ORB_E_VETO, path,
                           "next hop %s is the broadcast address of a connected network; expected "
                           "the address of a router in it",
                           hop->key);
    case FIT_NETWORK:
        return orb_fail_at(err, ORB_E_VETO, path,
                           "next hop %s is a connected network itself; expected the address of a "
                           "router in it",
                           hop->key);
    case FIT_OFF:
        return orb_fail_at(err, ORB_E_VETO, path, "%s%s is not reachable: %s is switched off",
                           *hop->key ? "next hop " : "", place_hop_text(hop, text, sizeof(text)),
                           switched_off(reach, hop));
    case FIT_NO_INTERFACE:
        return no_interface(reach, path, hop->interface, err);
    default:
        return nowhere(reach, path, hop, err);
    }
}

static int refuse_source(const struct reach *reach, const struct route_want *route,
                         const struct hop_want *hop, struct orb_err *err)
{
    char path[ORB_ERR_PATH], text[ADDRESS_TEXT];

    place_source(route, hop, path, sizeof(path));
    for (unsigned i = 0; i < reach->count; i++) {
        const struct connected *c = &reach->items[i];

        if (!c->by_route && address_equal(&c->prefix.address, &hop->source))
            return orb_fail_at(err, ORB_E_VETO, path,
                               "preferred source %s is on %s, which is switched off",
                               address_text(&hop->source, text), c->interface);
    }
    return orb_fail_at(err, ORB_E_VETO, path,
                       "preferred source %s is no address of this machine; expected one of those "
                       "below /interfaces",
                       address_text(&hop->source, text));
}

static int check_hop(const struct reach *reach, const struct reach *before,
                     const struct route_want *route, const struct hop_want *hop,
                     struct orb_err *err)
{
    enum fit fit = reach_fit(reach, hop);

    /* What did not fit before is no reason to refuse something else. */
    if (fit != FIT_YES && (route->changed || reach_fit(before, hop) == FIT_YES))
        return refuse_fit(reach, fit, route, hop, err);
    if (hop->source.family && !reach_has(reach, &hop->source) &&
        (route->changed || reach_has(before, &hop->source)))
        return refuse_source(reach, route, hop, err);
    return 0;
}

static int check_rule(const struct reach *reach, const struct reach *before,
                      const struct rule_want *rule, struct orb_err *err)
{
    char path[ORB_ERR_PATH];

    if (!*rule->interface || reach_has_interface(reach, rule->interface) ||
        (!rule->changed && !reach_has_interface(before, rule->interface)))
        return 0;
    policy_rule_path(rule, path, sizeof(path));
    orb_pointer_add(path, sizeof(path), "interface");
    return no_interface(reach, path, rule->interface, err);
}

int check_reach(const struct reach *reach, const struct reach *before,
                const struct routes_want *routes, struct orb_err *err)
{
    for (unsigned i = 0; i < routes->count; i++) {
        const struct route_want *route = routes->sorted[i];

        for (unsigned j = 0; j < route->hop_count; j++) {
            int r = check_hop(reach, before, route, &route->hops[j], err);

            if (r < 0)
                return r;
        }
    }
    for (unsigned i = 0; i < routes->rule_count; i++) {
        int r = check_rule(reach, before, &routes->rules[i], err);

        if (r < 0)
            return r;
    }
    return 0;
}
