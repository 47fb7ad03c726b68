/* Addresses of links: part of applying, see run.h. */
#include <errno.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/interfaces/addresses.h"
#include "plugins/interfaces/model.h"
#include "plugins/interfaces/run.h"

static const struct rtnl_addr *find(const struct run *run, int index, const struct prefix *p)
{
    for (unsigned i = 0; i < run->addrs.count; i++) {
        const struct rtnl_addr *a = &run->addrs.items[i];

        if (a->index == index && prefix_equal(&a->prefix, p))
            return a;
    }
    return NULL;
}

int addresses_remove(struct run *run, struct orb_err *err)
{
    for (unsigned i = 0; i < run->addrs.count; i++) {
        const struct rtnl_addr *a = &run->addrs.items[i];
        const struct rtnl_link *link = rtnl_link_of(&run->links, a->index);
        struct failure t = {.kind = "remove", .leaf = "addresses", .place = -1};
        char text[ADDRESS_TEXT], doing[96];
        struct orb_err why = {0};
        bool was;
        int r;

        if (!link || model_has(model_find(run->new, link->name), &a->prefix))
            continue;
        was = model_has(model_find(run->old, link->name), &a->prefix);
        if (a->protocol != NETLINK_OURS && !was)
            continue;
        r = rtnl_addr_delete(run->socket, a->index, &a->prefix, &why);
        run->applied->removed += r == 0;
        /* Gone already: a secondary address removed with its primary, or a link that vanished. */
        if (r == 0 || r == -EADDRNOTAVAIL || r == -ENODEV)
            continue;
        snprintf(doing, sizeof(doing), "cannot remove address %s", prefix_text(&a->prefix, text));
        t.name = link->name;
        t.thing = text;
        t.doing = doing;
        t.todo = "see the kernel's reason; it is retried automatically";
        r = run_failure(run, was, &t, &why, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* An IPv6 address exists only once per link: adding one with another prefix length, set by another
 * program, would only change that one, and keep its length. */
static void make_way(struct run *run, int index, const struct prefix *p)
{
    for (unsigned i = 0; i < run->addrs.count; i++) {
        const struct rtnl_addr *a = &run->addrs.items[i];

        if (a->index == index && a->prefix.len != p->len &&
            address_equal(&a->prefix.address, &p->address))
            rtnl_addr_delete(run->socket, index, &a->prefix, NULL);
    }
}

/* Adds it; known errors are explained. */
static int add_to_link(struct run *run, const struct rtnl_link *link, const struct prefix *p,
                       const char **todo, struct orb_err *why)
{
    if (p->address.family != AF_INET6)
        return rtnl_addr_add(run->socket, link->index, p, why);
    if (link->inet6_disabled) {
        *todo = "switch IPv6 on (sysctl net.ipv6.conf.*.disable_ipv6), or take the address out of "
                "the configuration";
        return orb_fail(why, ORB_E_KERNEL, "IPv6 is switched off there (disable_ipv6)");
    }
    if (!link->has_inet6 && link->mtu < WANT_MTU_IPV6) {
        *todo = "give the interface a larger MTU, or take the address out of the configuration";
        return orb_fail(why, ORB_E_KERNEL, "IPv6 needs an MTU of %d, and it is %u", WANT_MTU_IPV6,
                        link->mtu);
    }
    make_way(run, link->index, p);
    return rtnl_addr_add(run->socket, link->index, p, why);
}

/* Adds address at of desired, which the kernel does not have. */
static int add(struct run *run, const struct desired *desired, unsigned at,
               const struct rtnl_link *link, bool held, struct orb_err *err)
{
    const struct prefix *p = &desired->addrs[at];
    char text[ADDRESS_TEXT], doing[96];
    struct failure t = {.kind = "address",
                        .name = desired->name,
                        .leaf = "addresses",
                        .place = (int)desired->places[at],
                        .thing = prefix_text(p, text)};
    struct orb_err why = {0};
    int r = held ? 0 : model_check_foreign(run->new, desired, at, &run->links, &run->addrs, &why);

    if (r == 0) {
        snprintf(doing, sizeof(doing), "cannot add address %s", text);
        t.doing = doing;
        t.todo = "see the kernel's reason; it is retried automatically";
        r = add_to_link(run, link, p, &t.todo, &why);
    } else {
        t.todo = "take it away there, or out of the configuration";
    }
    if (r == 0) {
        run->applied->added++;
        return 0;
    }
    return run_failure(run, !model_has(model_find(run->old, desired->name), p), &t, &why, err);
}

/* IPv4 in the order of the configuration. IPv6 in the opposite one: there the kernel lists, and
 * among equals prefers, what was added last. */
static int add_family(struct run *run, const struct desired *desired, const struct rtnl_link *link,
                      int family, struct orb_err *err)
{
    bool will_be_down = !desired->enabled || (run->mode == APPLY_REPAIR && !(link->flags & IFF_UP));

    for (unsigned n = 0; n < desired->addr_count; n++) {
        unsigned at = family == AF_INET ? n : desired->addr_count - 1 - n;
        const struct prefix *p = &desired->addrs[at];
        const struct rtnl_addr *have;
        int r;

        if (p->address.family != family)
            continue;
        have = find(run, link->index, p);
        /* In repair any owner will do: claiming again makes an event, and an event a repair. One
         * whose lifetime was limited from outside is claimed: it would expire, deprecated before.
         */
        if (have && (have->flags & IFA_F_PERMANENT) &&
            (run->mode == APPLY_REPAIR || have->protocol == NETLINK_OURS))
            continue;
        /* The kernel removes IPv6 addresses of a link that is down; they are added when it is up.
         */
        if (will_be_down && family == AF_INET6)
            continue;
        r = add(run, desired, at, link, have, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int addresses_add(struct run *run, struct orb_err *err)
{
    for (unsigned i = 0; i < run->new->count; i++) {
        const struct desired *desired = &run->new->items[i];
        const struct rtnl_link *link = rtnl_link_find(&run->links, desired->name);
        int r;

        if (!link)
            continue;
        r = add_family(run, desired, link, AF_INET, err);
        if (r == 0)
            r = add_family(run, desired, link, AF_INET6, err);
        if (r < 0)
            return r;
    }
    return 0;
}
