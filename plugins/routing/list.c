/* Method `list`: the main table and ours from the kernel, our routes first, and the rules. */
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "plugins/routing/foreign.h"
#include "plugins/routing/plugin.h"
#include "plugins/routing/set.h"

#define LIST_MAX 700  /* routes in one answer: it must fit one frame … */
#define HOPS_MAX 1500 /* … also when each has many next hops */
#define PENDING_MAX 200
#define RULES_MAX 200

static const char *type_name(uint8_t type)
{
    switch (type) {
    case RTN_UNICAST:
        return "unicast";
    case RTN_LOCAL:
        return "local";
    case RTN_BROADCAST:
        return "broadcast";
    case RTN_ANYCAST:
        return "anycast";
    case RTN_MULTICAST:
        return "multicast";
    case RTN_BLACKHOLE:
        return "blackhole";
    case RTN_UNREACHABLE:
        return "unreachable";
    case RTN_PROHIBIT:
        return "prohibit";
    default:
        return "other";
    }
}

struct bucket {
    cJSON *list;
    unsigned count, hops;
};

struct listing {
    const struct rtnl_links *links;
    const struct routes_want *want;
    struct bucket buckets[2][2]; /* Orbital's, foreign; IPv4, IPv6 */
    unsigned total[2];
    cJSON *pending;
    unsigned pending_hops;
};

static cJSON *route_json(const struct rtnl_route *route, const struct listing *listing)
{
    cJSON *to = cJSON_CreateObject(), *hops;
    char text[ADDRESS_TEXT], number[12];

    cJSON_AddStringToObject(to, "destination", prefix_text(&route->destination, text));
    cJSON_AddStringToObject(to, "table",
                            set_table_name(listing->want, route->table, number, sizeof(number)));
    cJSON_AddStringToObject(to, "protocol",
                            foreign_protocol_name(route->protocol, number, sizeof(number)));
    cJSON_AddBoolToObject(to, "ours", route->protocol == NETLINK_OURS);
    cJSON_AddStringToObject(to, "type", type_name(route->type));
    cJSON_AddNumberToObject(to, "metric", route->metric);
    if (route->source.family)
        cJSON_AddStringToObject(to, "preferred-source", address_text(&route->source, text));
    hops = cJSON_AddArrayToObject(to, "next-hops");
    for (unsigned i = 0; i < route->hop_count; i++) {
        const struct rtnl_link *link = rtnl_link_of(listing->links, route->hops[i].index);
        cJSON *hop = cJSON_CreateObject();

        if (route->hops[i].has_gateway)
            cJSON_AddStringToObject(hop, "gateway", address_text(&route->hops[i].gateway, text));
        if (link)
            cJSON_AddStringToObject(hop, "interface", link->name);
        cJSON_AddNumberToObject(hop, "weight", route->hops[i].weight);
        cJSON_AddItemToArray(hops, hop);
    }
    return to;
}

static void begin(struct listing *listing, int six)
{
    listing->total[six] = 0;
    for (int others = 0; others < 2; others++) {
        struct bucket *bucket = &listing->buckets[others][six];

        cJSON_Delete(bucket->list);
        *bucket = (struct bucket){.list = cJSON_CreateArray()};
    }
}

/* The main table, configured tables, and everything of Orbital's. */
static bool is_listed(const struct listing *listing, const struct rtnl_route *route)
{
    bool listed = route->protocol == NETLINK_OURS;

    for (unsigned i = 0; !listed && i < listing->want->table_count; i++)
        listed = listing->want->tables[i].id == route->table;
    return listed || route->table == RT_TABLE_MAIN;
}

/* Only as many as can be listed are kept: a full table has a million. */
static void on_route(void *arg, uint8_t family, const struct rtnl_route *route)
{
    struct listing *listing = arg;
    int six = family == AF_INET6;
    struct bucket *bucket;

    if (!route) {
        begin(listing, six);
        return;
    }
    if (!is_listed(listing, route))
        return;
    listing->total[six]++;
    bucket = &listing->buckets[route->protocol != NETLINK_OURS][six];
    if (bucket->count == LIST_MAX || bucket->hops + route->hop_count > HOPS_MAX)
        return;
    bucket->count++;
    bucket->hops += route->hop_count;
    cJSON_AddItemToArray(bucket->list, route_json(route, listing));
}

/* Orbital's first, as many as fit. */
static cJSON *merge(struct listing *listing)
{
    cJSON *all = cJSON_CreateArray();
    unsigned listed = 0, hops = 0;

    for (unsigned i = 0; i < 4; i++) {
        struct bucket *bucket = &listing->buckets[i / 2][i % 2];
        cJSON *item;

        while ((item = cJSON_DetachItemFromArray(bucket->list, 0))) {
            unsigned more =
                (unsigned)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(item, "next-hops"));

            if (listed == LIST_MAX || hops + more > HOPS_MAX) {
                cJSON_Delete(item);
                continue;
            }
            listed++;
            hops += more;
            cJSON_AddItemToArray(all, item);
        }
    }
    return all;
}

/* A next hop of the configuration that is not in the kernel now. */
static cJSON *pending_json(const struct hop_want *hop)
{
    cJSON *to = cJSON_CreateObject();

    if (*hop->key)
        cJSON_AddStringToObject(to, "gateway", hop->key);
    if (*hop->interface)
        cJSON_AddStringToObject(to, "interface", hop->interface);
    cJSON_AddStringToObject(to, "reason", hop->why);
    return to;
}

/* One entry for each metric of which something is missing. */
static void add_pending(struct listing *listing, const struct route_want *route, uint32_t metric)
{
    cJSON *hops = cJSON_CreateArray(), *to = cJSON_CreateObject();

    for (unsigned i = 0; i < route->hop_count && listing->pending_hops < PENDING_MAX; i++) {
        if (!route->hops[i].why || route->hops[i].metric != metric)
            continue;
        cJSON_AddItemToArray(hops, pending_json(&route->hops[i]));
        listing->pending_hops++;
    }
    cJSON_AddStringToObject(to, "destination", route->key);
    if (*route->table->name)
        cJSON_AddStringToObject(to, "table", route->table->name);
    cJSON_AddNumberToObject(to, "metric", metric);
    if (!cJSON_GetArraySize(hops)) {
        cJSON_Delete(hops);
        cJSON_Delete(to);
        return;
    }
    cJSON_AddItemToObject(to, "next-hops", hops);
    cJSON_AddItemToArray(listing->pending, to);
}

static void add_all_pending(struct listing *listing, const struct routes_want *routes)
{
    listing->pending = cJSON_CreateArray();
    for (unsigned i = 0; i < routes->count; i++) {
        const struct route_want *route = routes->sorted[i];

        for (unsigned j = 0; j < route->hop_count; j++) {
            if (set_is_first(route, &route->hops[j]))
                add_pending(listing, route, route->hops[j].metric);
        }
    }
}

static const char *action_name(uint8_t action)
{
    switch (action) {
    case FR_ACT_TO_TBL:
        return "table";
    case FR_ACT_BLACKHOLE:
        return "blackhole";
    case FR_ACT_UNREACHABLE:
        return "unreachable";
    case FR_ACT_PROHIBIT:
        return "prohibit";
    default:
        return "other";
    }
}

static cJSON *rule_json(const struct rtnl_rule *rule, const struct routes_want *want)
{
    cJSON *to = cJSON_CreateObject();
    char text[ADDRESS_TEXT], number[12];

    cJSON_AddNumberToObject(to, "number", rule->priority);
    cJSON_AddStringToObject(to, "family", rule->family == AF_INET ? "IPv4" : "IPv6");
    cJSON_AddStringToObject(to, "protocol",
                            foreign_protocol_name(rule->protocol, number, sizeof(number)));
    cJSON_AddBoolToObject(to, "ours", rule->protocol == NETLINK_OURS);
    if (rule->from.address.family)
        cJSON_AddStringToObject(to, "from", prefix_text(&rule->from, text));
    if (rule->to.address.family)
        cJSON_AddStringToObject(to, "to", prefix_text(&rule->to, text));
    if (*rule->iif)
        cJSON_AddStringToObject(to, "interface", rule->iif);
    if (rule->mask) {
        snprintf(text, sizeof(text), "0x%x/0x%x", rule->mark, rule->mask);
        cJSON_AddStringToObject(to, "mark", text);
    }
    cJSON_AddStringToObject(to, "action", action_name(rule->action));
    if (rule->action == FR_ACT_TO_TBL)
        cJSON_AddStringToObject(to, "table",
                                set_table_name(want, rule->table, number, sizeof(number)));
    if (rule->extra)
        cJSON_AddBoolToObject(to, "more", true);
    return to;
}

static int add_rules(struct nl_sock *socket, const struct routes_want *want, cJSON *out,
                     struct orb_err *err)
{
    cJSON *list = cJSON_AddArrayToObject(out, "policy");
    struct rtnl_rules rules = {0};
    int r = rtnl_rule_list(socket, &rules, err);

    for (unsigned i = 0; r == 0 && i < rules.count && i < RULES_MAX; i++)
        cJSON_AddItemToArray(list, rule_json(&rules.items[i], want));
    free(rules.items);
    return r;
}

int list_answer(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct routing *self = orb_user(ctx);
    struct listing listing = {.want = &self->now->routes};
    cJSON *out = cJSON_CreateObject();
    struct rtnl_links links = {0};
    int r;

    r = rtnl_link_list(self->follow.requests, &links, err);
    listing.links = &links;
    if (r == 0)
        r = add_rules(self->follow.requests, &self->now->routes, out, err);
    if (r == 0)
        r = rtnl_route_walk(self->follow.requests, on_route, &listing, err);
    if (r == 0) {
        add_all_pending(&listing, &self->now->routes);
        cJSON_AddItemToObject(out, "routes", merge(&listing));
        cJSON_AddItemToObject(out, "pending", listing.pending);
        cJSON_AddNumberToObject(out, "total", listing.total[0] + listing.total[1]);
        orb_reply(req, out);
    } else {
        cJSON_Delete(out);
    }
    for (unsigned i = 0; i < 4; i++)
        cJSON_Delete(listing.buckets[i / 2][i % 2].list);
    free(links.items);
    return r;
}
