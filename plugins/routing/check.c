/* What a commit refuses, and the sentences: only what it brings or breaks itself. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/lib/near.h"
#include "plugins/routing/reach.h"

/* "connected: 10.1.0.0/24 on lan0, …", at most six. */
static void list_connected(const struct reach *reach, uint8_t family, char *to, size_t size)
{
    unsigned shown = 0;

    *to = 0;
    for (unsigned i = 0; i < reach->count; i++) {
        const struct connected *c = &reach->items[i];
        struct prefix network = prefix_network(&c->prefix);
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
                       "same, say \"onlink\": true; %s",
                       hop->key, hop->interface, known);
}

static int no_interface(const struct reach *reach, const char *path, const struct hop_want *hop,
                        struct orb_err *err)
{
    struct near near;
    char text[60];

    near_init(&near, hop->interface);
    near_offer_keys(&near, reach->interfaces);
    for (unsigned i = 0; i < reach->kernel->links.count; i++)
        near_offer(&near, reach->kernel->links.items[i].name);
    return orb_fail_at(err, ORB_E_VETO, path, "there is no interface %s%s", hop->interface,
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
        if (!reach->items[i].enabled && prefix_contains(&reach->items[i].prefix, &hop->gateway))
            return reach->items[i].interface;
    }
    return hop->interface;
}

static int refuse_fit(const struct reach *reach, enum fit fit, const struct route_want *route,
                      const struct hop_want *hop, struct orb_err *err)
{
    char path[ORB_ERR_PATH], text[64];

    route_path(route, hop, path, sizeof(path));
    switch (fit) {
    case FIT_SELF:
        return self(reach, path, hop, err);
    case FIT_BROADCAST:
        return orb_fail_at(err, ORB_E_VETO, path,
                           "next hop %s is the broadcast address of a connected network; expected "
                           "the address of a router in it",
                           hop->key);
    case FIT_OFF:
        return orb_fail_at(err, ORB_E_VETO, path, "%s%s is not reachable: %s is switched off",
                           *hop->key ? "next hop " : "", hop_text(hop, text, sizeof(text)),
                           switched_off(reach, hop));
    case FIT_NO_INTERFACE:
        return no_interface(reach, path, hop, err);
    default:
        return nowhere(reach, path, hop, err);
    }
}

int reach_check(const struct reach *reach, const struct reach *before,
                const struct routes_want *routes, struct orb_err *err)
{
    for (unsigned i = 0; i < routes->count; i++) {
        const struct route_want *route = routes->sorted[i];

        for (unsigned j = 0; j < route->hop_count; j++) {
            const struct hop_want *hop = &route->hops[j];
            enum fit fit = reach_fit(reach, hop);

            /* What did not fit before is no reason to refuse something else. */
            if (fit != FIT_YES && (route->changed || reach_fit(before, hop) == FIT_YES))
                return refuse_fit(reach, fit, route, hop, err);
        }
    }
    return 0;
}
