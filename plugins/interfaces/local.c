/* See local.h. Note: the kernel does not delete a local route made by another program with an IPv6
 * address; so the address is removed and added instead, as it is useless without its route. The
 * loopback link gets its routes back by going down and up. */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/interfaces/local.h"
#include "plugins/interfaces/model.h"

struct look {
    const struct rtnl_addrs *addrs;
    bool *has_local; /* by place in addrs */
};

static bool broadcast_of(const struct prefix *p, struct address *ret_address)
{
    struct prefix network = prefix_network(p);

    *ret_address = network.address;
    if (p->address.family != AF_INET || p->len >= 31)
        return false;
    for (unsigned bit = p->len; bit < 32; bit++)
        ret_address->bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    return true;
}

static bool is_host_route(const struct rtnl_route *route, int index, const struct address *to)
{
    return route->hop_count == 1 && route->hops[0].index == index &&
           route->destination.len == (to->family == AF_INET ? 32 : 128) &&
           address_equal(&route->destination.address, to);
}

static void on_route(void *arg, uint8_t family, const struct rtnl_route *route)
{
    struct look *look = arg;

    for (unsigned i = 0; i < look->addrs->count; i++) {
        const struct rtnl_addr *a = &look->addrs->items[i];

        if (a->prefix.address.family != family)
            continue;
        if (!route) /* the dump begins, perhaps again */
            look->has_local[i] = false;
        else if (route->type == RTN_LOCAL && is_host_route(route, a->index, &a->prefix.address))
            look->has_local[i] = true;
    }
}

/* The kernel gives routes of a secondary address the source of its primary one, and takes none away
 * with the address that has another. */
static const struct address *source_of(const struct rtnl_addrs *addrs, const struct rtnl_addr *a)
{
    struct prefix network = prefix_network(&a->network), other;

    for (unsigned i = 0; (a->flags & IFA_F_SECONDARY) && i < addrs->count; i++) {
        const struct rtnl_addr *b = &addrs->items[i];

        other = prefix_network(&b->network);
        if (b->index == a->index && !(b->flags & IFA_F_SECONDARY) && prefix_equal(&other, &network))
            return &b->prefix.address;
    }
    return &a->prefix.address;
}

static int put(struct nl_sock *socket, const struct rtnl_addrs *addrs, const struct rtnl_addr *a,
               uint8_t type, const struct address *to)
{
    struct rtnl_route route = {.table = RT_TABLE_LOCAL,
                               .protocol = RTPROT_KERNEL,
                               .type = type,
                               .source = *source_of(addrs, a),
                               .destination = {.address = *to, .len = 32},
                               .hop_count = 1,
                               .hops = {{.index = a->index, .weight = 1}}};

    return rtnl_put_route(socket, &route, false, NULL);
}

static bool is_link_local(const struct prefix *p)
{
    return p->address.family == AF_INET6 && p->address.bytes[0] == 0xfe &&
           (p->address.bytes[1] & 0xc0) == 0x80;
}

static void restore_address(struct nl_sock *socket, const struct rtnl_addrs *addrs,
                            const struct rtnl_addr *a, struct local_restored *restored)
{
    struct address broadcast;

    if (a->prefix.address.family == AF_INET6) {
        restored->addresses += rtnl_addr_delete(socket, a->index, &a->prefix, NULL) == 0;
        if (is_link_local(&a->prefix)) /* the kernel's own: no repair would add it */
            rtnl_addr_add_as(socket, a->index, &a->prefix, a->protocol, 0, NULL);
        return;
    }
    restored->routes += put(socket, addrs, a, RTN_LOCAL, &a->prefix.address) == 0;
    if (broadcast_of(&a->network, &broadcast))
        restored->routes += put(socket, addrs, a, RTN_BROADCAST, &broadcast) == 0;
}

/* Down and up: the kernel creates the routes of 127.0.0.1 and ::1 again. */
static void bounce(struct nl_sock *socket, const struct rtnl_link *lo,
                   struct local_restored *restored)
{
    if ((lo->flags & IFF_UP) && rtnl_link_set(socket, lo->index, 0, 0, NULL) < 0)
        return;
    restored->loopback |= rtnl_link_set(socket, lo->index, 0, 1, NULL) == 0;
}

static bool is_ours(const struct rtnl_addr *a, const struct rtnl_link *link,
                    const struct desired_list *desired_list)
{
    const uint32_t waits = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_OPTIMISTIC;

    return link && (link->flags & IFF_UP) && !(a->flags & waits) &&
           strcmp(link->member, "vrf") && /* its local routes are in the VRF's table */
           ((link->flags & IFF_LOOPBACK) ||
            model_has(model_find(desired_list, link->name), &a->prefix) ||
            (model_find(desired_list, link->name) && is_link_local(&a->prefix)));
}

static void restore_all(struct nl_sock *socket, const struct look *look,
                        const struct desired_list *desired_list, const struct rtnl_links *links,
                        struct local_restored *restored)
{
    bool bounced = false;

    for (unsigned i = 0; i < look->addrs->count; i++) {
        const struct rtnl_addr *a = &look->addrs->items[i];
        const struct rtnl_link *link = rtnl_link_of(links, a->index);

        if (look->has_local[i] || !is_ours(a, link, desired_list))
            continue;
        if (!(link->flags & IFF_LOOPBACK) ||
            model_has(model_find(desired_list, link->name), &a->prefix)) {
            restore_address(socket, look->addrs, a, restored);
        } else if (!bounced) {
            bounced = true;
            bounce(socket, link, restored);
        }
    }
}

static const struct rtnl_link *loopback(const struct rtnl_links *links)
{
    for (unsigned i = 0; i < links->count; i++) {
        if (links->items[i].flags & IFF_LOOPBACK)
            return &links->items[i];
    }
    return NULL;
}

int local_restore(struct nl_sock *socket, const struct desired_list *desired_list,
                  const struct rtnl_links *links, struct local_restored *ret_restored,
                  struct orb_err *err)
{
    const struct rtnl_link *lo = loopback(links);
    const struct desired *desired = lo ? model_find(desired_list, lo->name) : NULL;
    struct rtnl_addrs addrs = {0};
    struct look look = {.addrs = &addrs};
    int r;

    *ret_restored = (struct local_restored){0};
    if (lo && !(lo->flags & IFF_UP) && (!desired || desired->enabled))
        bounce(socket, lo, ret_restored);
    r = rtnl_addr_list(socket, &addrs, err);
    look.has_local = calloc((size_t)addrs.count + 1, sizeof(bool));
    if (r == 0 && !look.has_local)
        r = orb_fail(err, ORB_E_NOMEM, "no memory for the addresses");
    if (r == 0)
        r = rtnl_route_walk_of(socket, RTPROT_KERNEL, on_route, &look, err);
    if (r == 0)
        restore_all(socket, &look, desired_list, links, ret_restored);
    free(look.has_local);
    free(addrs.items);
    return r;
}
