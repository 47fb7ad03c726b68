/* Order of addresses by the configuration: part of applying, see run.h. Those that move are removed
 * and added again, while the machine stays reachable by them. */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "plugins/interfaces/order.h"
#include "plugins/interfaces/reorder.h"
#include "plugins/interfaces/run.h"

#define ORDER_EVERY_MS 10000 /* when another program has another order in mind */
#define ORDER_TIMES 3
#define SETTLE_TRIES                                                                               \
    20 /* a millisecond each: the kernel completes an IPv6 address asynchronously */
#define SPARE_METRIC 0x3fff /* of the substitute route for that of an address; worse than any */

/* Where an IPv6 address is kept in between: the loopback, 0 when there is none. */
static int loopback(const struct run *run)
{
    for (unsigned i = 0; i < run->links.count; i++) {
        const struct rtnl_link *link = &run->links.items[i];

        if ((link->flags & (IFF_LOOPBACK | IFF_UP)) == (IFF_LOOPBACK | IFF_UP) && link->has_inet6 &&
            !link->inet6_disabled)
            return link->index;
    }
    return 0;
}

/* Waits until no address that is not looked for on the network is tentative on link index. */
static void settle(struct run *run, int index)
{
    for (unsigned try = 0; try < SETTLE_TRIES; try++) {
        struct rtnl_addrs addrs = {0};
        bool ready = true;

        if (rtnl_addr_list(run->socket, &addrs, NULL) < 0)
            return;
        for (unsigned i = 0; i < addrs.count; i++) {
            const struct rtnl_addr *a = &addrs.items[i];

            ready &=
                a->index != index || !(a->flags & IFA_F_TENTATIVE) || !(a->flags & IFA_F_NODAD);
        }
        free(addrs.items);
        if (ready)
            return;
        poll(NULL, 0, 1);
    }
}

/* Those in use: an address is not in use while duplicate detection is still running. */
static bool is_used(const struct run *run, int index, const struct prefix *prefix)
{
    for (unsigned i = 0; i < run->addrs.count; i++) {
        const struct rtnl_addr *a = &run->addrs.items[i];

        if (a->index == index && prefix_equal(&a->prefix, prefix))
            return !(a->flags & IFA_F_TENTATIVE);
    }
    return false;
}

/* Removing an address removes the route to its network: adds a substitute in between. */
static void spare_route(struct run *run, int index, const struct prefix *prefix, bool put)
{
    struct rtnl_route route = {.table = RT_TABLE_MAIN,
                               .destination = prefix_network(prefix),
                               .metric = SPARE_METRIC,
                               .protocol = NETLINK_OURS,
                               .type = RTN_UNICAST,
                               .hop_count = 1,
                               .hops = {{.index = index, .weight = 1}}};

    if (put)
        rtnl_put_route(run->socket, &route, false, NULL);
    else
        rtnl_put_deletion(run->socket, &route, NULL);
}

/* Keeps those that move on the loopback, or removes them from there. */
static void hold(struct run *run, int index, int lo, const struct desired *desired,
                 const unsigned *moves, unsigned count, bool on)
{
    for (unsigned i = 0; lo && i < count; i++) {
        struct prefix held = desired->addrs[moves[i]];

        if (!is_used(run, index, &held))
            continue;
        spare_route(run, index, &held, on);
        held.len = 128;
        if (on)
            rtnl_addr_add_as(run->socket, lo, &held, NETLINK_OURS,
                             IFA_F_NOPREFIXROUTE | IFA_F_NODAD, NULL);
        else
            rtnl_addr_delete(run->socket, lo, &held, NULL);
    }
    if (lo && on)
        settle(run, lo);
}

/* Skips duplicate address detection for an address in use until now; it is done when the link comes
 * up again. */
static int order6(struct run *run, const struct desired *desired, int index, const unsigned *moves,
                  unsigned count, struct orb_err *err)
{
    int lo = loopback(run), r = 0;

    hold(run, index, lo, desired, moves, count, true);
    for (unsigned i = 0; r == 0 && i < count; i++) {
        const struct prefix *p = &desired->addrs[moves[i]];

        r = rtnl_addr_delete(run->socket, index, p, err);
        if (r == 0)
            r = rtnl_addr_add_as(run->socket, index, p, NETLINK_OURS,
                                 is_used(run, index, p) ? IFA_F_NODAD : 0, err);
        run->applied->moved += r == 0;
    }
    settle(run, index);
    for (unsigned i = 0; i < count; i++) {
        if (is_used(run, index, &desired->addrs[moves[i]]))
            rtnl_addr_add(run->socket, index, &desired->addrs[moves[i]], NULL);
    }
    hold(run, index, lo, desired, moves, count, false);
    return r;
}

/* One step of ordering. While an address is away it is held with another length and without a route
 * of its own, so that the machine never stops being reachable by it. */
static int order_one(struct run *run, int index, const struct order_step *step, struct orb_err *err)
{
    struct prefix hold = step->prefix;
    int r;

    hold.len = step->prefix.len == 32 ? 31 : 32;
    if (step->remove) {
        rtnl_addr_add_as(run->socket, index, &hold, NETLINK_OURS, IFA_F_NOPREFIXROUTE, NULL);
        return rtnl_addr_delete(run->socket, index, &step->prefix, err);
    }
    r = rtnl_addr_add(run->socket, index, &step->prefix, err);
    rtnl_addr_delete(run->socket, index, &hold, NULL);
    run->applied->moved += r == 0;
    return r;
}

/* Is it too soon to order once more? Another program may have another order in mind. */
static bool is_contested(struct run *run, struct desired *desired)
{
    if (run->mode != APPLY_REPAIR)
        return false;
    if (run->now_ms - desired->ordered_ms > ORDER_EVERY_MS) {
        desired->ordered_ms = run->now_ms;
        desired->ordered = 0;
    }
    return ++desired->ordered > ORDER_TIMES;
}

static int order(struct run *run, struct desired *desired, const struct rtnl_link *link,
                 struct orb_err *err)
{
    struct failure t = {.kind = "order", .name = desired->name, .leaf = "addresses", .place = -1};
    struct order_step *steps;
    struct orb_err why = {0};
    /* Without promote_secondaries a primary IPv4 address takes the others with it. */
    bool fixed = link->has_inet && !link->promote_secondaries;
    unsigned *moves;
    int count = order_steps(desired->addrs, fixed ? 0 : desired->addr_count, link->index,
                            &run->addrs, &steps);
    int six = order_moves6(desired->addrs, desired->addr_count, link->index, &run->addrs, &moves);
    int r = 0;

    if (count < 0 || six < 0)
        r = orb_fail(&why, ORB_E_NOMEM, "no memory");
    else if ((count > 0 || six > 0) && is_contested(run, desired))
        r = orb_fail(&why, ORB_E_CONFLICT, "something else keeps changing it");
    for (int i = 0; i < count && r == 0; i++)
        r = order_one(run, link->index, &steps[i], &why);
    if (six > 0 && r == 0)
        r = order6(run, desired, link->index, moves, (unsigned)six, &why);
    free(moves);
    free(steps);
    if (r == 0)
        return 0;
    t.doing = "cannot keep the order of the addresses";
    t.todo = "see what else manages this interface; it is tried again by itself";
    return run_failure(run, false, &t, &why, err);
}

int reorder_run(struct run *run, struct orb_err *err)
{
    int r;

    if (run->applied->added || run->applied->removed) {
        r = run_look(run, err);
        if (r < 0)
            return r;
    }
    for (unsigned i = 0; i < run->new->count; i++) {
        struct desired *desired = &run->new->items[i];
        const struct rtnl_link *link = rtnl_link_find(&run->links, desired->name);

        if (!link || desired->addr_count < 2)
            continue;
        r = order(run, desired, link, err);
        if (r < 0)
            return r;
    }
    return 0;
}
