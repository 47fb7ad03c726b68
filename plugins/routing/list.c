/* Method `list`: the main table as the kernel has it, ours first. */
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "plugins/routing/plugin.h"

#define LIST_MAX 700  /* routes in one answer: it must fit one frame … */
#define HOPS_MAX 1500 /* … also when each has many next hops */

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

static cJSON *route_json(const struct rtnl_route *route, const struct rtnl_links *links)
{
    cJSON *to = cJSON_CreateObject(), *hops;
    char text[ADDRESS_TEXT], number[8];

    cJSON_AddStringToObject(to, "destination", prefix_text(&route->destination, text));
    cJSON_AddStringToObject(to, "protocol", protocol_name(route->protocol, number, sizeof(number)));
    cJSON_AddBoolToObject(to, "ours", route->protocol == NETLINK_OURS);
    cJSON_AddStringToObject(to, "type", type_name(route->type));
    cJSON_AddNumberToObject(to, "metric", route->metric);
    hops = cJSON_AddArrayToObject(to, "next-hops");
    for (unsigned i = 0; i < route->hop_count; i++) {
        const struct rtnl_link *link = rtnl_link_of(links, route->hops[i].index);
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

int on_list(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct routing *self = orb_user(ctx);
    struct rtnl_routes routes = {0};
    struct rtnl_links links = {0};
    unsigned listed = 0, hops = 0;
    cJSON *out, *list;
    int r;

    (void)in;
    r = rtnl_get_links(self->follow.requests, &links, err);
    if (r == 0)
        r = rtnl_get_routes(self->follow.requests, false, &routes, err);
    if (r == 0) {
        out = cJSON_CreateObject();
        list = cJSON_AddArrayToObject(out, "routes");
        for (unsigned pass = 0; pass < 2; pass++) {
            for (unsigned i = 0; i < routes.count; i++) {
                const struct rtnl_route *route = &routes.items[i];

                if ((route->protocol == NETLINK_OURS) != (pass == 0) || listed == LIST_MAX ||
                    hops + route->hop_count > HOPS_MAX)
                    continue;
                cJSON_AddItemToArray(list, route_json(route, &links));
                listed++;
                hops += route->hop_count;
            }
        }
        cJSON_AddNumberToObject(out, "total", routes.count);
        orb_reply(req, out);
    }
    free(links.items);
    free(routes.items);
    return r;
}
