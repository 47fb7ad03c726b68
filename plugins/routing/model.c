/* One static route: parse and check. Checks between its next hops are in hops.c. */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/routing/hops.h"
#include "plugins/routing/leaf.h"
#include "plugins/routing/model.h"
#include "plugins/routing/place.h"
#include "orbital/read.h"

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

struct leaves {
    char *interface, *source;
    int64_t metric;
    struct leaf_ends ends;
};

ORB_FIELDS(fields, "/static/*") = {
    ORB_FIELD_TEXT("interface", struct leaves, interface, NULL),
    ORB_FIELD_TEXT("preferred-source", struct leaves, source, NULL),
    ORB_FIELD_INT("metric", struct leaves, metric, 0),
    ORB_FIELD_BOOL("blackhole", struct leaves, ends.blackhole, false),
    ORB_FIELD_BOOL("unreachable", struct leaves, ends.unreachable, false),
    ORB_FIELD_BOOL("reject", struct leaves, ends.reject, false),
    ORB_FIELD_OTHER("description"),
    ORB_FIELDS_END,
};

static int read_leaves(const cJSON *item, const struct leaves *leaves, struct route_want *route,
                       struct orb_err *err)
{
    uint8_t family = route->destination.address.family;
    char path[ORB_ERR_PATH];
    int r;

    route->metric = leaves->metric       ? (uint32_t)leaves->metric
                    : family == AF_INET6 ? IPV6_METRIC
                                         : 0;
    place_route(route, NULL, path, sizeof(path));
    r = leaf_last(&leaves->ends, path, &route->last, err);
    orb_pointer_add(path, sizeof(path), "preferred-source");
    if (r == 0)
        r = leaf_source(leaves->source, family, path, &route->source, err);
    if (r == 0)
        r = hops_read(orb_at(item, "/next-hops"), leaves->interface, route, err);
    return r;
}

int model_read_route(const cJSON *item, const struct table_want *table, struct route_want *route,
                     struct orb_err *err)
{
    struct leaves leaves;
    struct orb_err why;
    int r;

    route->table = table;
    snprintf(route->key, sizeof(route->key), "%s", item->string);
    r = read_destination(route, err);
    if (r < 0)
        return r;
    r = orb_read(fields, item, &leaves, &why);
    if (r < 0)
        return r == ORB_E_NOMEM ? orb_fail(err, r, "%s", why.text)
                                : place_refuse(err, route, NULL, why.text);
    r = read_leaves(item, &leaves, route, err);
    orb_read_free(fields, &leaves);
    if (r < 0)
        return r;
    for (unsigned i = 0; route->last && i < route->hop_count; i++) {
        if (route->hops[i].metric >= LAST_METRIC)
            return place_refuse(
                err, route, &route->hops[i],
                "expected a metric below 4278198272, that of the route after all next "
                "hops");
    }
    if (!route->last && !route->hop_count)
        return place_refuse(
            err, route, NULL,
            "expected next-hops, an interface, or one of blackhole, unreachable and "
            "reject set to true");
    return 0;
}
