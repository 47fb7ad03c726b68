/* What is as configured, or nearly, and does not work all the same: a link that another program
 * took down or up, addresses on a link whose packets belong to a bridge, a link that looks for no
 * neighbours, two links with one hardware address. Part of applying, see run.h. */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "plugins/interfaces/run.h"
#include "plugins/interfaces/usable.h"

/* Not set up again: taking a link down by hand is an emergency measure of an operator. */
static void look_at_state(struct run *run, const struct desired *desired,
                          const struct rtnl_link *link)
{
    struct failure t = {.kind = "state", .name = desired->name, .leaf = "enabled", .place = -1};
    bool up = link->flags & IFF_UP;
    struct orb_err why;

    if (desired->state_pending || up == desired->enabled)
        return;
    t.todo = desired->enabled ? "take it up (ip link set NAME up), or set enabled to false"
                              : "take it down (ip link set NAME down), or set enabled to true";
    orb_fail(&why, ORB_E_STATE,
             up ? "interface %s is disabled, but another program took it up"
                : "another program took interface %s down",
             desired->name);
    run_failure(run, false, &t, &why, NULL);
}

/* What takes every packet away from its members; a VRF leaves them theirs. */
static bool takes_packets(const char *kind)
{
    static const char *const kinds[] = {"bridge", "bond", "team", "openvswitch"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!strcmp(kind, kinds[i]))
            return true;
    }
    return false;
}

static void look_at_master(struct run *run, const struct desired *desired,
                           const struct rtnl_link *link)
{
    struct failure t = {.kind = "member",
                        .name = desired->name,
                        .leaf = "addresses",
                        .place = -1,
                        .todo = "give the addresses to that interface, or take this one out of it"};
    const struct rtnl_link *master = rtnl_link_of(&run->links, link->master);
    struct orb_err why;

    if (!desired->addr_count || !takes_packets(link->member))
        return;
    orb_fail(&why, ORB_E_STATE,
             "interface %s is a member of %s %s, which takes its packets: its addresses do not "
             "answer",
             desired->name, link->member, master ? master->name : "of another network namespace");
    run_failure(run, false, &t, &why, NULL);
}

/* A link of Ethernet that looks for its neighbours; a dummy or a VRF never does. */
static bool should_resolve(const struct rtnl_link *link)
{
    static const char *const kinds[] = {"",     "veth", "bridge",  "bond",
                                        "team", "vlan", "macvlan", "tun"};

    for (size_t i = 0; link->mac_len == 6 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!strcmp(link->kind, kinds[i]))
            return !(link->flags & IFF_LOOPBACK);
    }
    return false;
}

static void look_at_neighbours(struct run *run, const struct desired *desired,
                               const struct rtnl_link *link)
{
    struct failure t = {.kind = "arp",
                        .name = desired->name,
                        .place = -1,
                        .todo = "switch it on (ip link set NAME arp on)"};
    struct orb_err why;

    if (!desired->enabled || !(link->flags & IFF_NOARP) || !should_resolve(link))
        return;
    orb_fail(&why, ORB_E_STATE,
             "another program switched ARP off on interface %s (NOARP): it finds no neighbour, so "
             "nothing leaves there",
             desired->name);
    run_failure(run, false, &t, &why, NULL);
}

/* Whether its hardware address is its own; VLANs, bridges and such use that of a lower link. */
static bool is_card(const struct rtnl_link *link)
{
    return link->mac_len == 6 && !link->master && (!link->kind[0] || !strcmp(link->kind, "veth"));
}

static void look_for_twin(struct run *run, unsigned at, const struct rtnl_link *link)
{
    struct applied *applied = run->applied;

    for (unsigned i = 0; i < at && is_card(link) && !applied->twins[0][0]; i++) {
        const struct desired *desired = &run->new->items[i];
        const struct rtnl_link *other = rtnl_link_find(&run->links, desired->name);

        if (!other || !desired->addr_count || !is_card(other) ||
            memcmp(other->mac, link->mac, 6) != 0)
            continue;
        snprintf(applied->twins[0], sizeof(applied->twins[0]), "%s", other->name);
        snprintf(applied->twins[1], sizeof(applied->twins[1]), "%s", link->name);
    }
}

void usable_run(struct run *run)
{
    for (unsigned i = 0; i < run->new->count; i++) {
        const struct desired *desired = &run->new->items[i];
        const struct rtnl_link *link = rtnl_link_find(&run->links, desired->name);

        if (!link)
            continue;
        look_at_state(run, desired, link);
        look_at_master(run, desired, link);
        look_at_neighbours(run, desired, link);
        if (desired->addr_count)
            look_for_twin(run, i, link);
    }
}
