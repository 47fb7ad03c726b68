/* Reachability of next hops: see reach.h. An address that carries our protocol number in the kernel
 * is there because of the present configuration; only the new configuration says whether it stays.
 */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/lib/near.h"
#include "plugins/routing/reach.h"

static struct connected *add(struct reach *reach, unsigned *size, const char *name)
{
    if (reach->count == *size) {
        unsigned more = *size ? *size * 2 : 32;
        void *items = realloc(reach->items, more * sizeof(*reach->items));

        if (!items)
            return NULL;
        reach->items = items;
        *size = more;
    }
    memset(&reach->items[reach->count], 0, sizeof(*reach->items));
    snprintf(reach->items[reach->count].interface, sizeof(reach->items->interface), "%s", name);
    return &reach->items[reach->count++];
}

static bool is_enabled(const cJSON *interface)
{
    return !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(interface, "enabled"));
}

static int add_configured(struct reach *reach, unsigned *size, const cJSON *interfaces,
                          struct orb_err *err)
{
    const cJSON *interface, *item;

    cJSON_ArrayForEach (interface, interfaces) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(interface, "addresses");

        cJSON_ArrayForEach (item, list) {
            const char *text = cJSON_GetStringValue(item);
            struct connected *c;
            struct prefix p;

            /* What does not parse is for the interfaces service to refuse. */
            if (!text || prefix_parse(text, &p))
                continue;
            c = add(reach, size, interface->string);
            if (!c)
                return orb_fail(err, ORB_E_NOMEM, "no memory for the connected networks");
            c->prefix = p;
            c->enabled = is_enabled(interface);
        }
    }
    return 0;
}

static int add_kernel(struct reach *reach, unsigned *size, const struct rtnl_addrs *addrs,
                      const cJSON *interfaces, struct orb_err *err)
{
    for (unsigned i = 0; i < addrs->count; i++) {
        const struct rtnl_addr *a = &addrs->items[i];
        const struct rtnl_link *link = rtnl_link_of(&reach->links, a->index);
        const cJSON *item;
        struct connected *c;

        if (!link || a->protocol == NETLINK_OURS || (link->flags & IFF_LOOPBACK))
            continue;
        item = cJSON_GetObjectItemCaseSensitive(interfaces, link->name);
        c = add(reach, size, link->name);
        if (!c)
            return orb_fail(err, ORB_E_NOMEM, "no memory for the connected networks");
        c->prefix = a->prefix;
        c->enabled = item ? is_enabled(item) : (link->flags & IFF_UP) != 0;
    }
    return 0;
}

int reach_read(struct nl_sock *socket, const cJSON *interfaces, struct reach *ret_reach,
               struct orb_err *err)
{
    struct rtnl_addrs addrs = {0};
    struct reach reach = {0};
    unsigned size = 0;
    int r;

    r = rtnl_get_links(socket, &reach.links, err);
    if (r == 0)
        r = rtnl_get_addrs(socket, &addrs, err);
    if (r == 0)
        r = add_configured(&reach, &size, interfaces, err);
    if (r == 0)
        r = add_kernel(&reach, &size, &addrs, interfaces, err);
    free(addrs.items);
    if (r < 0)
        reach_fini(&reach);
    else
        *ret_reach = reach;
    return r;
}

void reach_fini(struct reach *reach)
{
    free(reach->items);
    free(reach->links.items);
    *reach = (struct reach){0};
}

static bool leads_to(const struct connected *c, const struct hop_want *hop)
{
    return (!*hop->interface || !strcmp(c->interface, hop->interface)) &&
           prefix_contains(&c->prefix, &hop->gateway) && c->prefix.len > 0;
}

const char *reach_interface(const struct reach *reach, const struct hop_want *hop)
{
    const struct connected *best = NULL;

    for (unsigned i = 0; i < reach->count; i++) {
        const struct connected *c = &reach->items[i];

        if (c->enabled && leads_to(c, hop) && (!best || c->prefix.len > best->prefix.len))
            best = c;
    }
    if (best)
        return best->interface;
    /* Every interface that speaks IPv6 reaches its link-local neighbours. */
    if (*hop->interface && hop->gateway.family == AF_INET6 &&
        address_is_link_local(&hop->gateway) && rtnl_find_link(&reach->links, hop->interface))
        return hop->interface;
    return NULL;
}

/* "connected are 10.1.0.0/24 on lan0, …", at most six. */
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

static int unreachable(const struct reach *reach, const struct route_want *route,
                       const struct hop_want *hop, struct orb_err *err)
{
    char path[ORB_ERR_PATH], known[260], why[120] = "";

    route_path(route, hop, path, sizeof(path));
    list_connected(reach, hop->gateway.family, known, sizeof(known));
    if (*hop->interface)
        snprintf(why, sizeof(why), " on %s", hop->interface);
    for (unsigned i = 0; i < reach->count; i++) {
        if (!reach->items[i].enabled && leads_to(&reach->items[i], hop))
            snprintf(why, sizeof(why), ": %s is switched off", reach->items[i].interface);
    }
    return orb_fail_at(err, ORB_E_VETO, path, "next hop %s is not reachable%s; %s", hop->key, why,
                       known);
}

static int own_address(const struct reach *reach, const struct route_want *route,
                       const struct hop_want *hop, struct orb_err *err)
{
    char path[ORB_ERR_PATH];

    for (unsigned i = 0; i < reach->count; i++) {
        if (!address_equal(&reach->items[i].prefix.address, &hop->gateway))
            continue;
        route_path(route, hop, path, sizeof(path));
        return orb_fail_at(err, ORB_E_VETO, path,
                           "next hop %s is this machine itself (%s); expected another router",
                           hop->key, reach->items[i].interface);
    }
    return 0;
}

int reach_check(const struct reach *reach, const struct routes_want *routes, struct orb_err *err)
{
    for (unsigned i = 0; i < routes->count; i++) {
        const struct route_want *route = &routes->items[i];

        for (unsigned j = 0; j < route->hop_count; j++) {
            int r = own_address(reach, route, &route->hops[j], err);

            if (r < 0)
                return r;
            if (!reach_interface(reach, &route->hops[j]))
                return unreachable(reach, route, &route->hops[j], err);
        }
    }
    return 0;
}
