/* One static route: parse and check. What is between its next hops stands in hops.c. */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/lib/near.h"
#include "plugins/routing/model.h"

/* IPv6 has no metric 0. Better than 1024, that of default routes by router advertisement: which of
 * two equal ones the kernel uses is a matter of chance. */
#define IPV6_METRIC 512

void model_table_path(const struct table_want *table, char *to, size_t size)
{
    snprintf(to, size, "/routing");
    if (*table->name) {
        near_push_pointer(to, size, "tables");
        near_push_pointer(to, size, table->name);
    }
    near_push_pointer(to, size, "static");
}

void model_route_path(const struct route_want *route, const struct hop_want *hop, char *to,
                      size_t size)
{
    model_table_path(route->table, to, size);
    near_push_pointer(to, size, route->key);
    if (hop && !*hop->key) {
        near_push_pointer(to, size, "interface");
    } else if (hop) {
        near_push_pointer(to, size, "next-hops");
        near_push_pointer(to, size, hop->key);
    }
}

void model_source_path(const struct route_want *route, const struct hop_want *hop, char *to,
                       size_t size)
{
    model_route_path(route, hop->own_source ? hop : NULL, to, size);
    near_push_pointer(to, size, "preferred-source");
}

const char *model_hop_text(const struct hop_want *hop, char *to, size_t size)
{
    if (*hop->key)
        return hop->key;
    snprintf(to, size, "interface %s", hop->interface);
    return to;
}

int model_refuse(struct orb_err *err, const struct route_want *route, const struct hop_want *hop,
                 const char *text)
{
    char path[ORB_ERR_PATH];

    model_route_path(route, hop, path, sizeof(path));
    return orb_fail_at(err, ORB_E_VETO, path, "%s", text);
}

static int read_destination(struct route_want *route, struct orb_err *err)
{
    const char *wrong = prefix_parse(route->key, &route->destination);
    char text[200], fit[ADDRESS_TEXT];
    struct prefix network;

    if (wrong) {
        snprintf(text, sizeof(text), "\"%s\" %s", route->key, wrong);
        return model_refuse(err, route, NULL, text);
    }
    network = prefix_network(&route->destination);
    if (!prefix_equal(&network, &route->destination)) {
        snprintf(text, sizeof(text), "%s has bits set behind its prefix length; did you mean %s?",
                 route->key, prefix_text(&network, fit));
        return model_refuse(err, route, NULL, text);
    }
    if (address_is_multicast(&network.address))
        return model_refuse(err, route, NULL, "multicast is not routed by static routes");
    return 0;
}

int model_read_last(const cJSON *item, const char *path, uint8_t *ret_last, struct orb_err *err)
{
    static const struct {
        const char *name;
        uint8_t type;
    } kinds[] = {
        {"blackhole", RTN_BLACKHOLE}, {"unreachable", RTN_UNREACHABLE}, {"reject", RTN_PROHIBIT}};
    uint8_t last = 0;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, kinds[i].name)))
            continue;
        if (last)
            return orb_fail_at(
                err, ORB_E_VETO, path,
                "expected at most one of \"blackhole\", \"unreachable\" and \"reject\"");
        last = kinds[i].type;
    }
    *ret_last = last;
    return 0;
}

int model_read_source(const cJSON *item, uint8_t family, const char *path,
                      struct address *ret_source, struct orb_err *err)
{
    const char *text =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "preferred-source"));
    struct address source;

    if (!text)
        return 0;
    if (address_parse(text, &source) < 0)
        return orb_fail_at(err, ORB_E_VETO, path, "\"%s\" is not an IPv4 or IPv6 address", text);
    if (source.family != family)
        return orb_fail_at(err, ORB_E_VETO, path,
                           "preferred source %s is %s, the destination is not", text,
                           source.family == AF_INET ? "IPv4" : "IPv6");
    if (address_is_multicast(&source) || address_is_zero(&source) ||
        (family == AF_INET6 && address_is_link_local(&source)))
        return orb_fail_at(err, ORB_E_VETO, path,
                           "%s cannot be a source; expected one of this machine's own addresses",
                           text);
    *ret_source = source;
    return 0;
}

static int read_source(const cJSON *item, struct route_want *route, struct orb_err *err)
{
    char path[ORB_ERR_PATH];

    model_route_path(route, NULL, path, sizeof(path));
    near_push_pointer(path, sizeof(path), "preferred-source");
    return model_read_source(item, route->destination.address.family, path, &route->source, err);
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
    model_route_path(route, NULL, path, sizeof(path));
    r = model_read_last(item, path, &route->last, err);
    if (r == 0)
        r = read_source(item, route, err);
    if (r == 0)
        r = hops_read(item, route, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; route->last && i < route->hop_count; i++) {
        if (route->hops[i].metric >= LAST_METRIC)
            return model_refuse(
                err, route, &route->hops[i],
                "expected a metric below 4278198272, which is the one of what stands "
                "behind the next hops");
    }
    if (!route->last && !route->hop_count)
        return model_refuse(err, route, NULL,
                            "expected next-hops, an interface, or one of \"blackhole\": true, "
                            "\"unreachable\": true, \"reject\": true");
    return 0;
}
