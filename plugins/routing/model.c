/* One static route: parse and check. */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/lib/near.h"
#include "plugins/routing/model.h"

#define IPV6_METRIC 1024 /* what the kernel makes of metric 0 */

void route_path(const struct route_want *route, const struct hop_want *hop, char *to, size_t size)
{
    snprintf(to, size, "/routing/static");
    pointer_push(to, size, route->key);
    if (hop && !*hop->key) {
        pointer_push(to, size, "interface");
    } else if (hop) {
        pointer_push(to, size, "next-hops");
        pointer_push(to, size, hop->key);
    }
}

const char *hop_text(const struct hop_want *hop, char *to, size_t size)
{
    if (*hop->key)
        return hop->key;
    snprintf(to, size, "interface %s", hop->interface);
    return to;
}

int route_refuse(struct orb_err *err, const struct route_want *route, const struct hop_want *hop,
                 const char *text)
{
    char path[ORB_ERR_PATH];

    route_path(route, hop, path, sizeof(path));
    return orb_fail_at(err, ORB_E_VETO, path, "%s", text);
}

static int read_destination(struct route_want *route, struct orb_err *err)
{
    const char *wrong = prefix_parse(route->key, &route->destination);
    char text[200], fit[ADDRESS_TEXT];
    struct prefix network;

    if (wrong) {
        snprintf(text, sizeof(text), "\"%s\" %s", route->key, wrong);
        return route_refuse(err, route, NULL, text);
    }
    network = prefix_network(&route->destination);
    if (!prefix_equal(&network, &route->destination)) {
        snprintf(text, sizeof(text), "%s has bits set behind its prefix length; did you mean %s?",
                 route->key, prefix_text(&network, fit));
        return route_refuse(err, route, NULL, text);
    }
    if (address_is_multicast(&network.address))
        return route_refuse(err, route, NULL, "multicast is not routed by static routes");
    return 0;
}

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

static int check_gateway(const struct route_want *route, struct hop_want *hop, struct orb_err *err)
{
    char text[160];

    if (address_parse(hop->key, &hop->gateway) < 0) {
        snprintf(text, sizeof(text), "\"%s\" is not an IPv4 or IPv6 address", hop->key);
        return route_refuse(err, route, hop, text);
    }
    if (hop->gateway.family != route->destination.address.family) {
        snprintf(text, sizeof(text), "next hop %s is %s, the destination %s is not", hop->key,
                 hop->gateway.family == AF_INET ? "IPv4" : "IPv6", route->key);
        return route_refuse(err, route, hop, text);
    }
    if (is_no_router(&hop->gateway)) {
        snprintf(text, sizeof(text),
                 "%s is no router's address; expected the unicast address of a "
                 "router",
                 hop->key);
        return route_refuse(err, route, hop, text);
    }
    if (hop->gateway.family == AF_INET6 && address_is_link_local(&hop->gateway) && !*hop->interface)
        return route_refuse(err, route, hop, "a link-local next hop needs its interface");
    if (hop->onlink && !*hop->interface)
        return route_refuse(err, route, hop,
                            "\"onlink\": true needs the interface on which the router is; give "
                            "\"interface\" as well");
    return 0;
}

static uint32_t read_metric(const cJSON *item, uint32_t otherwise)
{
    const cJSON *metric = cJSON_GetObjectItemCaseSensitive(item, "metric");

    return cJSON_IsNumber(metric) ? (uint32_t)metric->valuedouble : otherwise;
}

static int read_hop(const cJSON *item, const struct route_want *route, struct hop_want *hop,
                    struct orb_err *err)
{
    const cJSON *weight = cJSON_GetObjectItemCaseSensitive(item, "weight");
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "interface"));

    snprintf(hop->key, sizeof(hop->key), "%s", item->string);
    snprintf(hop->interface, sizeof(hop->interface), "%s", name ? name : "");
    hop->weight = cJSON_IsNumber(weight) ? (unsigned)weight->valueint : 1;
    hop->metric = read_metric(item, route->metric);
    hop->onlink = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "onlink"));
    if (hop->weight < 1 || hop->weight > 256)
        return route_refuse(err, route, hop, "expected a weight between 1 and 256");
    return check_gateway(route, hop, err);
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
        return route_refuse(err, route, own, text);
    }
    return 0;
}

static int read_hops(const cJSON *hops, const char *interface, struct route_want *route,
                     struct orb_err *err)
{
    unsigned size = (unsigned)cJSON_GetArraySize(hops) + (interface ? 1 : 0);
    const cJSON *item;
    int r = 0;

    if (size > RTNL_MAX_HOPS)
        return route_refuse(err, route, NULL, "more than 32 next hops");
    route->hops = calloc(size + 1, sizeof(*route->hops));
    if (!route->hops)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    cJSON_ArrayForEach (item, hops) {
        struct hop_want *hop = &route->hops[route->hop_count++];

        r = read_hop(item, route, hop, err);
        for (unsigned i = 0; r == 0 && i + 1 < route->hop_count; i++) {
            if (address_equal(&route->hops[i].gateway, &hop->gateway))
                r = route_refuse(err, route, hop, "the same next hop stands here twice");
        }
        if (r < 0)
            return r;
    }
    if (interface) {
        struct hop_want *own = &route->hops[route->hop_count++];

        snprintf(own->interface, sizeof(own->interface), "%s", interface);
        own->weight = 1;
        own->metric = route->metric;
        return check_mixed(route, own, err);
    }
    return 0;
}

static int read_last(const cJSON *item, struct route_want *route, struct orb_err *err)
{
    static const struct {
        const char *name;
        uint8_t type;
    } kinds[] = {
        {"blackhole", RTN_BLACKHOLE}, {"unreachable", RTN_UNREACHABLE}, {"reject", RTN_PROHIBIT}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, kinds[i].name)))
            continue;
        if (route->last)
            return route_refuse(
                err, route, NULL,
                "expected at most one of \"blackhole\", \"unreachable\" and \"reject\"");
        route->last = kinds[i].type;
    }
    return 0;
}

int route_read(const cJSON *item, struct route_want *route, struct orb_err *err)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "interface"));
    int r;

    snprintf(route->key, sizeof(route->key), "%s", item->string);
    r = read_destination(route, err);
    if (r < 0)
        return r;
    route->metric =
        read_metric(item, route->destination.address.family == AF_INET6 ? IPV6_METRIC : 0);
    r = read_last(item, route, err);
    if (r == 0)
        r = read_hops(cJSON_GetObjectItemCaseSensitive(item, "next-hops"), name, route, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; route->last && i < route->hop_count; i++) {
        if (route->hops[i].metric >= LAST_METRIC)
            return route_refuse(
                err, route, &route->hops[i],
                "expected a metric below 4278198272, which is the one of what stands "
                "behind the next hops");
    }
    if (!route->last && !route->hop_count)
        return route_refuse(err, route, NULL,
                            "expected next-hops, an interface, or one of \"blackhole\": true, "
                            "\"unreachable\": true, \"reject\": true");
    return 0;
}
