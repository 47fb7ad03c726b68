/* Connected networks: see reach.h. An address with Orbital's protocol number is in the kernel
 * because of the present configuration, so only the configuration specifies whether it stays. */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/routing/reach.h"

int reach_read_kernel(struct nl_sock *socket, struct kernel *ret_kernel, struct orb_err *err)
{
    struct kernel kernel = {0};
    int r = rtnl_link_list(socket, &kernel.links, err);

    if (r == 0)
        r = rtnl_addr_list(socket, &kernel.addrs, err);
    if (r < 0)
        reach_fini_kernel(&kernel);
    else
        *ret_kernel = kernel;
    return r;
}

void reach_fini_kernel(struct kernel *kernel)
{
    free(kernel->links.items);
    free(kernel->addrs.items);
    *kernel = (struct kernel){0};
}

static int add(struct reach *reach, unsigned *size, const struct connected *connected,
               struct orb_err *err)
{
    if (reach->count == *size) {
        unsigned more = *size ? *size * 2 : 32;
        void *items = realloc(reach->items, more * sizeof(*reach->items));

        if (!items)
            return orb_fail(err, ORB_E_NOMEM, "no memory for the connected networks");
        reach->items = items;
        *size = more;
    }
    reach->items[reach->count++] = *connected;
    return 0;
}

static const cJSON *configured(const struct reach *reach, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(reach->interfaces, name);
}

static bool is_enabled(const cJSON *interface)
{
    return !cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(interface, "enabled"));
}

static int add_configured(struct reach *reach, unsigned *size, struct orb_err *err)
{
    const cJSON *interface, *item;
    int r = 0;

    cJSON_ArrayForEach (interface, reach->interfaces) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(interface, "addresses");
        struct connected c = {.enabled = is_enabled(interface)};

        snprintf(c.interface, sizeof(c.interface), "%s", interface->string);
        cJSON_ArrayForEach (item, list) {
            const char *text = cJSON_GetStringValue(item);

            /* What does not parse is for the interfaces service to refuse. */
            if (r < 0 || !text || prefix_parse(text, &c.prefix))
                continue;
            c.network = c.prefix;
            r = add(reach, size, &c, err);
        }
    }
    return r;
}

/* A foreign address may be configured as well. */
static bool is_configured(const struct reach *reach, const struct connected *c)
{
    for (unsigned i = 0; i < reach->count; i++) {
        if (!strcmp(reach->items[i].interface, c->interface) &&
            prefix_equal(&reach->items[i].prefix, &c->prefix) &&
            prefix_equal(&reach->items[i].network, &c->network))
            return true;
    }
    return false;
}

static int add_kernel(struct reach *reach, unsigned *size, struct orb_err *err)
{
    const struct rtnl_addrs *addrs = &reach->kernel->addrs;
    int r = 0;

    for (unsigned i = 0; r == 0 && i < addrs->count; i++) {
        const struct rtnl_addr *a = &addrs->items[i];
        const struct rtnl_link *link = rtnl_link_of(&reach->kernel->links, a->index);
        struct connected c = {.prefix = a->prefix, .network = a->network};
        const cJSON *item;

        if (!link || a->protocol == NETLINK_OURS || (link->flags & IFF_LOOPBACK))
            continue;
        item = configured(reach, link->name);
        snprintf(c.interface, sizeof(c.interface), "%s", link->name);
        if (is_configured(reach, &c))
            continue;
        c.enabled = item ? is_enabled(item) : (link->flags & IFF_UP) != 0;
        r = add(reach, size, &c, err);
    }
    return r;
}

/* Routes by interface make their destinations neighbours. */
static int add_routed(struct reach *reach, unsigned *size, const struct routes_want *routes,
                      struct orb_err *err)
{
    int r = 0;

    for (unsigned i = 0; i < routes->count; i++) {
        const struct route_want *route = routes->sorted[i];

        for (unsigned j = 0; r == 0 && j < route->hop_count; j++) {
            struct connected c = {.prefix = route->destination,
                                  .network = route->destination,
                                  .by_route = true,
                                  .table = route->table->id};
            const cJSON *item;

            if (*route->hops[j].key)
                continue;
            memcpy(c.interface, route->hops[j].interface, sizeof(c.interface));
            item = configured(reach, c.interface);
            c.enabled = !item || is_enabled(item);
            r = add(reach, size, &c, err);
        }
    }
    return r;
}

int reach_make(const struct kernel *kernel, const cJSON *interfaces,
               const struct routes_want *routes, struct reach *ret_reach, struct orb_err *err)
{
    struct reach reach = {.kernel = kernel, .interfaces = interfaces};
    unsigned size = 0;
    int r = add_configured(&reach, &size, err);

    if (r == 0)
        r = add_kernel(&reach, &size, err);
    if (r == 0)
        r = add_routed(&reach, &size, routes, err);
    if (r < 0)
        reach_fini(&reach);
    else
        *ret_reach = reach;
    return r;
}

void reach_fini(struct reach *reach)
{
    free(reach->items);
    *reach = (struct reach){0};
}

static bool is_live(const struct rtnl_link *link)
{
    return link && (link->flags & IFF_UP) && link->carrier;
}

static bool leads_to(const struct connected *c, const struct hop_want *hop)
{
    /* The kernel looks for a gateway in the route's own table and in the main one. */
    if (c->table && c->table != hop->table && c->table != RT_TABLE_MAIN)
        return false;
    return (!*hop->interface || !strcmp(c->interface, hop->interface)) &&
           prefix_contains(&c->network, &hop->gateway) && c->network.len > 0;
}

/* The longest prefix wins; of two interfaces in one network the one that works. */
static const struct connected *best_of(const struct reach *reach, const struct hop_want *hop)
{
    const struct connected *best = NULL;

    for (unsigned i = 0; i < reach->count; i++) {
        const struct connected *c = &reach->items[i];
        const struct rtnl_links *links = &reach->kernel->links;

        if (!c->enabled || !leads_to(c, hop))
            continue;
        if (!best || c->network.len > best->network.len ||
            (c->network.len == best->network.len &&
             !is_live(rtnl_link_find(links, best->interface)) &&
             is_live(rtnl_link_find(links, c->interface))))
            best = c;
    }
    return best;
}

static bool is_broadcast(const struct connected *c, const struct address *address)
{
    struct address all = c->network.address;

    if (all.family != AF_INET || c->by_route || c->network.len >= 31)
        return false;
    for (unsigned bit = c->network.len; bit < 32; bit++)
        all.bytes[bit / 8] |= (uint8_t)(0x80 >> (bit % 8));
    return address_equal(&all, address);
}

/* With another length than a point-to-point one the network has an address that is no router's. */
static bool is_network(const struct connected *c, const struct address *address)
{
    bool four = c->network.address.family == AF_INET;
    struct prefix network = prefix_network(&c->network);

    return !c->by_route && c->network.len < (four ? 31 : 127) && !address_is_link_local(address) &&
           address_equal(&network.address, address);
}

/* Is the gateway an address that no router of this network can have? */
static enum fit unfit_gateway(const struct reach *reach, const struct hop_want *hop)
{
    for (unsigned i = 0; i < reach->count; i++) {
        const struct connected *c = &reach->items[i];

        if (!c->by_route && address_equal(&c->prefix.address, &hop->gateway))
            return FIT_SELF;
        if (is_broadcast(c, &hop->gateway))
            return FIT_BROADCAST;
        if (is_network(c, &hop->gateway) && leads_to(c, hop))
            return FIT_NETWORK;
    }
    return FIT_YES;
}

/* An interface without an address of this family may get one from elsewhere (DHCP, a tunnel) when
 * it works. */
static bool may_get_address(const struct reach *reach, const struct hop_want *hop)
{
    const cJSON *item = configured(reach, hop->interface);

    if (!item || is_live(rtnl_link_find(&reach->kernel->links, hop->interface)))
        return false;
    for (unsigned i = 0; i < reach->count; i++) {
        const struct connected *c = &reach->items[i];

        if (!c->by_route && c->prefix.address.family == hop->gateway.family &&
            !strcmp(c->interface, hop->interface))
            return false;
    }
    return true;
}

/* Without an address in a network with it: by the interface named alone. */
static bool is_neighbour(const struct hop_want *hop)
{
    return !hop->gateway.family || hop->onlink ||
           (hop->gateway.family == AF_INET6 && address_is_link_local(&hop->gateway));
}

bool reach_has_interface(const struct reach *reach, const char *name)
{
    return configured(reach, name) || rtnl_link_find(&reach->kernel->links, name);
}

enum fit reach_fit(const struct reach *reach, const struct hop_want *hop)
{
    enum fit unfit = hop->gateway.family ? unfit_gateway(reach, hop) : FIT_YES;
    const cJSON *item = configured(reach, hop->interface);

    if (unfit != FIT_YES)
        return unfit;
    if (*hop->interface && !reach_has_interface(reach, hop->interface))
        return FIT_NO_INTERFACE;
    if (item && !is_enabled(item))
        return FIT_OFF;
    if (is_neighbour(hop) || best_of(reach, hop))
        return FIT_YES;
    for (unsigned i = 0; i < reach->count; i++) {
        if (!reach->items[i].enabled && leads_to(&reach->items[i], hop))
            return FIT_OFF;
    }
    return *hop->interface && may_get_address(reach, hop) ? FIT_YES : FIT_NOWHERE;
}

static const char *unfit_text(enum fit unfit)
{
    if (unfit == FIT_SELF)
        return "an address of this machine itself";
    return unfit == FIT_BROADCAST ? "the broadcast address of a connected network"
                                  : "a connected network itself";
}

static bool unusable(const char **ret_todo, const char *todo)
{
    *ret_todo = todo;
    return false;
}

bool reach_now(const struct reach *reach, const struct hop_want *hop, struct rtnl_hop *ret_hop,
               char *why, size_t size, const char **ret_todo)
{
    const struct connected *best = hop->gateway.family ? best_of(reach, hop) : NULL;
    const char *name = best ? best->interface : hop->interface;
    const struct rtnl_link *link = rtnl_link_find(&reach->kernel->links, name);
    enum fit unfit = hop->gateway.family ? unfit_gateway(reach, hop) : FIT_YES;
    const cJSON *item = configured(reach, name);

    if (unfit != FIT_YES) {
        snprintf(why, size, "%s is %s", hop->key, unfit_text(unfit));
        return unusable(ret_todo, "give the address of a router");
    }
    if (!*name) {
        snprintf(why, size, "%s is in no connected network", hop->key);
        return unusable(ret_todo, "give an interface an address in its network, or take the next "
                                  "hop away");
    }
    if (!link) {
        snprintf(why, size, "there is no interface \"%s\"", name);
        return unusable(ret_todo, "bring the interface back, or take the next hop away");
    }
    if (!(link->flags & IFF_UP) || (item && !is_enabled(item))) {
        snprintf(why, size, "interface %s is %s", name,
                 item && !is_enabled(item) ? "switched off" : "down");
        return unusable(ret_todo, "see orbctl show interfaces, or take the next hop away");
    }
    if (hop->family == AF_INET6 && (!link->has_inet6 || link->inet6_disabled)) {
        snprintf(why, size, "IPv6 is switched off on interface %s%s", name,
                 link->has_inet6    ? " (disable_ipv6)"
                 : link->mtu < 1280 ? " (its MTU is below 1280)"
                                    : "");
        return unusable(ret_todo, "switch IPv6 on there, or take the next hop away");
    }
    if (!link->carrier) {
        snprintf(why, size, "interface %s has no carrier", name);
        return unusable(ret_todo, "check the cable and the device at its other end");
    }
    *ret_hop = (struct rtnl_hop){.index = link->index,
                                 .has_gateway = hop->gateway.family != 0,
                                 .gateway = hop->gateway,
                                 .onlink = hop->onlink || (best && best->by_route),
                                 .weight = hop->weight};
    return true;
}

bool reach_has(const struct reach *reach, const struct address *source)
{
    for (unsigned i = 0; i < reach->count; i++) {
        const struct connected *c = &reach->items[i];

        if (!c->by_route && c->enabled && address_equal(&c->prefix.address, source))
            return true;
    }
    for (unsigned i = 0; i < reach->kernel->addrs.count; i++) {
        const struct rtnl_addr *a = &reach->kernel->addrs.items[i];
        const struct rtnl_link *link = rtnl_link_of(&reach->kernel->links, a->index);

        /* Those of the loopback connect to nothing, and may be the source of anything. */
        if (link && (link->flags & IFF_LOOPBACK) && a->protocol != NETLINK_OURS &&
            address_equal(&a->prefix.address, source))
            return true;
    }
    return false;
}

bool reach_source_now(const struct reach *reach, const struct address *source, char *why,
                      size_t size)
{
    char text[ADDRESS_TEXT];

    address_text(source, text);
    for (unsigned i = 0; i < reach->kernel->addrs.count; i++) {
        const struct rtnl_addr *a = &reach->kernel->addrs.items[i];
        const struct rtnl_link *link = rtnl_link_of(&reach->kernel->links, a->index);

        if (!link || !address_equal(&a->prefix.address, source))
            continue;
        if (a->flags & IFA_F_DADFAILED)
            snprintf(why, size, "another machine on %s has address %s, too", link->name, text);
        else if ((a->flags & IFA_F_TENTATIVE) && !(a->flags & IFA_F_OPTIMISTIC))
            snprintf(why, size, "%s is being looked for on other machines of %s", text, link->name);
        else if (!(link->flags & IFF_UP))
            snprintf(why, size, "interface %s, which has address %s, is down", link->name, text);
        else
            return true;
        return false;
    }
    snprintf(why, size, "this machine does not have address %s now", text);
    return false;
}
