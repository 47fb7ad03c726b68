/* Static routes: parse and check. Two keys that write one network differently (10.0.0.0/8 and
 * 10.0.0.0/08 cannot, 2001:DB8::/32 and 2001:db8::/32 can) would be one kernel route and are
 * refused. */
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
    if (hop) {
        pointer_push(to, size, "next-hops");
        pointer_push(to, size, hop->key);
    }
}

static int refuse(struct orb_err *err, const struct route_want *route, const struct hop_want *hop,
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
        return refuse(err, route, NULL, text);
    }
    network = prefix_network(&route->destination);
    if (!prefix_equal(&network, &route->destination)) {
        snprintf(text, sizeof(text), "%s has bits set behind its prefix length; did you mean %s?",
                 route->key, prefix_text(&network, fit));
        return refuse(err, route, NULL, text);
    }
    if (address_is_multicast(&network.address))
        return refuse(err, route, NULL, "multicast is not routed by static routes");
    return 0;
}

static int read_hop(const cJSON *item, const struct route_want *route, struct hop_want *hop,
                    struct orb_err *err)
{
    const cJSON *weight = cJSON_GetObjectItemCaseSensitive(item, "weight");
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "interface"));
    char text[160];

    snprintf(hop->key, sizeof(hop->key), "%s", item->string);
    snprintf(hop->interface, sizeof(hop->interface), "%s", name ? name : "");
    hop->weight = cJSON_IsNumber(weight) ? (unsigned)weight->valueint : 1;
    if (hop->weight < 1 || hop->weight > 256)
        return refuse(err, route, hop, "expected a weight between 1 and 256");
    if (address_parse(hop->key, &hop->gateway) < 0) {
        snprintf(text, sizeof(text), "\"%s\" is not an IPv4 or IPv6 address", hop->key);
        return refuse(err, route, hop, text);
    }
    if (hop->gateway.family != route->destination.address.family) {
        snprintf(text, sizeof(text), "next hop %s is %s, the destination %s is not", hop->key,
                 hop->gateway.family == AF_INET ? "IPv4" : "IPv6", route->key);
        return refuse(err, route, hop, text);
    }
    if (address_is_multicast(&hop->gateway) || address_is_zero(&hop->gateway))
        return refuse(err, route, hop, "expected the unicast address of a router");
    if (hop->gateway.family == AF_INET6 && address_is_link_local(&hop->gateway) && !*hop->interface)
        return refuse(err, route, hop, "a link-local next hop needs its interface");
    return 0;
}

static int read_hops(const cJSON *hops, struct route_want *route, struct orb_err *err)
{
    unsigned size = (unsigned)cJSON_GetArraySize(hops);
    const cJSON *item;
    int r = 0;

    if (size > RTNL_MAX_HOPS)
        return refuse(err, route, NULL, "more than 32 next hops");
    route->hops = calloc(size + 1, sizeof(*route->hops));
    if (!route->hops)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    cJSON_ArrayForEach (item, hops) {
        struct hop_want *hop = &route->hops[route->hop_count++];

        r = read_hop(item, route, hop, err);
        for (unsigned i = 0; r == 0 && i + 1 < route->hop_count; i++) {
            if (address_equal(&route->hops[i].gateway, &hop->gateway))
                r = refuse(err, route, hop, "the same next hop stands here twice");
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_route(const cJSON *item, struct route_want *route, struct orb_err *err)
{
    const cJSON *metric = cJSON_GetObjectItemCaseSensitive(item, "metric");
    int r;

    snprintf(route->key, sizeof(route->key), "%s", item->string);
    r = read_destination(route, err);
    if (r < 0)
        return r;
    route->blackhole = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "blackhole"));
    route->metric = cJSON_IsNumber(metric) ? (uint32_t)metric->valuedouble : 0;
    if (!route->metric && route->destination.address.family == AF_INET6)
        route->metric = IPV6_METRIC;
    r = read_hops(cJSON_GetObjectItemCaseSensitive(item, "next-hops"), route, err);
    if (r < 0)
        return r;
    if (route->blackhole && route->hop_count)
        return refuse(err, route, NULL, "a blackhole has no next hops; take away one of the two");
    if (!route->blackhole && !route->hop_count)
        return refuse(err, route, NULL, "expected next-hops or \"blackhole\": true");
    return 0;
}

static int by_destination(const void *a, const void *b)
{
    const struct prefix *p = &(*(struct route_want *const *)a)->destination;
    const struct prefix *q = &(*(struct route_want *const *)b)->destination;

    if (p->address.family != q->address.family)
        return p->address.family < q->address.family ? -1 : 1;
    if (p->len != q->len)
        return p->len < q->len ? -1 : 1;
    return memcmp(p->address.bytes, q->address.bytes, sizeof(p->address.bytes));
}

static int check_twins(struct routes_want *routes, struct orb_err *err)
{
    struct route_want **sorted = calloc(routes->count + 1, sizeof(struct route_want *));
    char text[160];
    int r = 0;

    if (!sorted)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    for (unsigned i = 0; i < routes->count; i++)
        sorted[i] = &routes->items[i];
    qsort(sorted, routes->count, sizeof(struct route_want *), by_destination);
    for (unsigned i = 1; r == 0 && i < routes->count; i++) {
        if (!prefix_equal(&sorted[i]->destination, &sorted[i - 1]->destination))
            continue;
        snprintf(text, sizeof(text), "%s is the same network as %s", sorted[i]->key,
                 sorted[i - 1]->key);
        r = refuse(err, sorted[i], NULL, text);
    }
    free(sorted);
    return r;
}

int routes_read(const cJSON *routing, struct routes_want *ret_routes, struct orb_err *err)
{
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(routing, "static"), *item;
    struct routes_want routes = {0};
    int r = 0;

    routes.items = calloc((size_t)cJSON_GetArraySize(all) + 1, sizeof(*routes.items));
    if (!routes.items)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    cJSON_ArrayForEach (item, all) {
        r = read_route(item, &routes.items[routes.count++], err);
        if (r < 0)
            break;
    }
    if (r == 0)
        r = check_twins(&routes, err);
    if (r < 0)
        routes_fini(&routes);
    else
        *ret_routes = routes;
    return r;
}

void routes_fini(struct routes_want *routes)
{
    for (unsigned i = 0; i < routes->count; i++)
        free(routes->items[i].hops);
    free(routes->items);
    *routes = (struct routes_want){0};
}
