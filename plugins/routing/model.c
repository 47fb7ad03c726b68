/* One static route: parse and check. What is between its next hops stands in hops.c. */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/lib/near.h"
#include "plugins/routing/hops.h"
#include "plugins/routing/leaf.h"
#include "plugins/routing/model.h"
#include "plugins/routing/place.h"

/* IPv6 has no metric 0. Better than 1024, that of default routes by router advertisement: which of
 * two equal ones the kernel uses is a matter of chance. */
#define IPV6_METRIC 512

static int read_destination(struct route_want *route, struct orb_err *err)
{
    const char *wrong = prefix_parse(route->key, &route->destination);
    char text[200], fit[ADDRESS_TEXT];
    struct prefix network;

    if (wrong) {
        snprintf(text, sizeof(text), "\"%s\" %s", route->key, wrong);
        return place_refuse(err, route, NULL, text);
    }
    network = prefix_network(&route->destination);
    if (!prefix_equal(&network, &route->destination)) {
        snprintf(text, sizeof(text), "%s has bits set behind its prefix length; did you mean %s?",
                 route->key, prefix_text(&network, fit));
        return place_refuse(err, route, NULL, text);
    }
    if (address_is_multicast(&network.address))
        return place_refuse(err, route, NULL, "multicast is not routed by static routes");
    return 0;
}

static int read_source(const cJSON *item, struct route_want *route, struct orb_err *err)
{
    char path[ORB_ERR_PATH];

    place_route(route, NULL, path, sizeof(path));
    near_push_pointer(path, sizeof(path), "preferred-source");
    return leaf_source(item, route->destination.address.family, path, &route->source, err);
}

int model_read_route(const cJSON *item, const struct table_want *table, struct route_want *route,
                     struct orb_err *err)
{
    const cJSON *metric = cJSON_GetObjectItemCaseSensitive(item, "metric");
    char path[ORB_ERR_PATH];
    int r;

    route->table = table;
    snprintf(route->key, sizeof(route->key), "%s", item->string);
    r = read_destination(route, err);
    if (r < 0)
        return r;
    route->metric = cJSON_IsNumber(metric)                          ? (uint32_t)metric->valuedouble
                    : route->destination.address.family == AF_INET6 ? IPV6_METRIC
                                                                    : 0;
    place_route(route, NULL, path, sizeof(path));
    r = leaf_last(item, path, &route->last, err);
    if (r == 0)
        r = read_source(item, route, err);
    if (r == 0)
        r = hops_read(item, route, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; route->last && i < route->hop_count; i++) {
        if (route->hops[i].metric >= LAST_METRIC)
            return place_refuse(
                err, route, &route->hops[i],
                "expected a metric below 4278198272, which is the one of what stands "
                "behind the next hops");
    }
    if (!route->last && !route->hop_count)
        return place_refuse(err, route, NULL,
                            "expected next-hops, an interface, or one of \"blackhole\": true, "
                            "\"unreachable\": true, \"reject\": true");
    return 0;
}
