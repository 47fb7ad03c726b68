/* The next hops of one static route: parse and check. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/routing/hops.h"
#include "plugins/routing/leaf.h"
#include "plugins/routing/model.h"
#include "plugins/routing/place.h"
#include "orbital/read.h"

/* No router has such an address: 0/8, loopback, multicast, 240/4 with the broadcast address. */
static bool is_no_router(const struct address *a)
{
    static const uint8_t loopback[16] = {[15] = 1};

    if (address_is_multicast(a) || address_is_zero(a))
        return true;
    if (a->family == AF_INET)
        return a->bytes[0] == 0 || a->bytes[0] == 127 || a->bytes[0] >= 240;
    return !memcmp(a->bytes, loopback, sizeof(loopback));
}

/* ADDRESS or ADDRESS%INTERFACE: two uplinks may have routers of the same address. */
static int read_key(const struct route_want *route, struct hop_want *hop, struct orb_err *err)
{
    const char *zone = strchr(hop->key, '%');
    char text[160], address[64];

    snprintf(address, sizeof(address), "%s", hop->key);
    address[zone ? zone - hop->key : (ptrdiff_t)strlen(address)] = 0;
    if (address_parse(address, &hop->gateway) < 0) {
        snprintf(text, sizeof(text), "\"%s\" is not an IPv4 or IPv6 address", address);
        return place_refuse(err, route, hop, text);
    }
    if (!zone)
        return 0;
    if (*hop->interface && strcmp(hop->interface, zone + 1)) {
        snprintf(text, sizeof(text),
                 "next hop \"%s\" names two interfaces, \"%s\" and \"%s\"; remove one of them",
                 hop->key, zone + 1, hop->interface);
        return place_refuse(err, route, hop, text);
    }
    if (!zone[1] || strlen(zone + 1) >= sizeof(hop->interface)) {
        snprintf(text, sizeof(text), "\"%s\" is no name of an interface", zone + 1);
        return place_refuse(err, route, hop, text);
    }
    snprintf(hop->interface, sizeof(hop->interface), "%s", zone + 1);
    return 0;
}

static int check_gateway(const struct route_want *route, struct hop_want *hop, struct orb_err *err)
{
    char text[240];

    if (hop->gateway.family != route->destination.address.family) {
        snprintf(text, sizeof(text), "next hop %s is %s, the destination %s is not", hop->key,
                 hop->gateway.family == AF_INET ? "IPv4" : "IPv6", route->key);
        return place_refuse(err, route, hop, text);
    }
    if (is_no_router(&hop->gateway)) {
        snprintf(text, sizeof(text),
                 "%s is no router's address; expected the unicast address of a "
                 "router",
                 hop->key);
        return place_refuse(err, route, hop, text);
    }
    if (hop->gateway.family == AF_INET6 && address_is_link_local(&hop->gateway) && !*hop->interface)
        return place_refuse(err, route, hop, "a link-local next hop needs its interface");
    if (hop->onlink && !*hop->interface)
        return place_refuse(err, route, hop,
                            "onlink needs the interface on which the router is; give interface as "
                            "well");
    return 0;
}

struct leaves {
    char *interface, *source;
    int64_t weight, metric;
    bool onlink;
};

ORB_FIELDS(fields, "/static/*/next-hops/*") = {
    ORB_FIELD_TEXT("interface", struct leaves, interface, NULL),
    ORB_FIELD_INT("weight", struct leaves, weight, 1),
    ORB_FIELD_INT("metric", struct leaves, metric, 0),
    ORB_FIELD_BOOL("onlink", struct leaves, onlink, false),
    ORB_FIELD_TEXT("preferred-source", struct leaves, source, NULL),
    ORB_FIELDS_END,
};

static int read_leaves(const struct leaves *leaves, const struct route_want *route,
                       struct hop_want *hop, struct orb_err *err)
{
    char path[ORB_ERR_PATH];
    int r;

    snprintf(hop->interface, sizeof(hop->interface), "%s",
             leaves->interface ? leaves->interface : "");
    hop->metric = leaves->metric ? (uint32_t)leaves->metric : route->metric;
    hop->onlink = leaves->onlink;
    if (leaves->weight < 1 || leaves->weight > 256)
        return place_refuse(err, route, hop, "expected a weight between 1 and 256");
    hop->weight = (unsigned)leaves->weight;
    r = read_key(route, hop, err);
    if (r == 0)
        r = check_gateway(route, hop, err);
    if (r < 0)
        return r;
    hop->own_source = leaves->source != NULL;
    hop->source = route->source;
    place_route(route, hop, path, sizeof(path));
    orb_pointer_add(path, sizeof(path), "preferred-source");
    return leaf_source(leaves->source, route->destination.address.family, path, &hop->source, err);
}

static int read_hop(const cJSON *item, const struct route_want *route, struct hop_want *hop,
                    struct orb_err *err)
{
    struct leaves leaves;
    struct orb_err why;
    int r;

    snprintf(hop->key, sizeof(hop->key), "%s", item->string);
    hop->table = route->table->id;
    hop->family = route->destination.address.family;
    r = orb_read(fields, item, &leaves, &why);
    if (r < 0)
        return r == ORB_E_NOMEM ? orb_fail(err, r, "%s", why.text)
                                : place_refuse(err, route, hop, why.text);
    r = read_leaves(&leaves, route, hop, err);
    orb_read_free(fields, &leaves);
    return r;
}

/* IPv6 shares traffic among gateways only. */
static int check_mixed(const struct route_want *route, const struct hop_want *own,
                       struct orb_err *err)
{
    char text[200];

    for (unsigned i = 0; i < route->hop_count; i++) {
        const struct hop_want *hop = &route->hops[i];

        if (route->destination.address.family != AF_INET6 || hop == own ||
            hop->metric != own->metric)
            continue;
        snprintf(text, sizeof(text),
                 "IPv6 cannot share traffic between an interface without a router and next hop %s; "
                 "give one of them another metric",
                 hop->key);
        return place_refuse(err, route, own, text);
    }
    return 0;
}

/* Against those before it: the same router twice, or two sources where the kernel has one. */
static int check_others(const struct route_want *route, const struct hop_want *hop,
                        struct orb_err *err)
{
    char text[240];

    for (const struct hop_want *other = route->hops; other < hop; other++) {
        bool apart =
            *other->interface && *hop->interface && strcmp(other->interface, hop->interface);

        if (address_equal(&other->gateway, &hop->gateway) && !apart) {
            snprintf(text, sizeof(text),
                     "next hop %s is the same router as %s; write routers of one address on two "
                     "interfaces as ADDRESS%%INTERFACE",
                     hop->key, other->key);
            return place_refuse(err, route, hop, text);
        }
        if (hop->metric != other->metric ||
            (hop->source.family == other->source.family &&
             (!hop->source.family || address_equal(&hop->source, &other->source))))
            continue;
        snprintf(
            text, sizeof(text),
            "next hops of one metric have one preferred source, and that of %s is another one; "
            "give one of them another metric",
            other->key);
        return place_refuse(err, route, hop, text);
    }
    return 0;
}

/* The route's own interface: everything is a neighbour there. */
static int add_own(struct route_want *route, const char *interface, struct orb_err *err)
{
    struct hop_want *own = &route->hops[route->hop_count++];

    snprintf(own->interface, sizeof(own->interface), "%s", interface);
    own->table = route->table->id;
    own->family = route->destination.address.family;
    own->weight = 1;
    own->metric = route->metric;
    own->source = route->source;
    return check_mixed(route, own, err);
}

int hops_read(const cJSON *hops, const char *interface, struct route_want *route,
              struct orb_err *err)
{
    const cJSON *hop;
    unsigned size = (unsigned)cJSON_GetArraySize(hops) + (interface ? 1 : 0);

    if (size > RTNL_MAX_HOPS)
        return place_refuse(err, route, NULL, "more than 32 next hops");
    route->hops = calloc(size + 1, sizeof(*route->hops));
    if (!route->hops)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    cJSON_ArrayForEach (hop, hops) {
        struct hop_want *to = &route->hops[route->hop_count++];
        int r = read_hop(hop, route, to, err);

        if (r == 0)
            r = check_others(route, to, err);
        if (r < 0)
            return r;
    }
    return interface ? add_own(route, interface, err) : 0;
}
