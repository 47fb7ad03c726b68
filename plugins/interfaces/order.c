/* Planning the order of addresses: see order.h. The kernel's list is played through, so that each
 * step is planned for what is there after the steps before it. */
#include <linux/if_addr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/interfaces/order.h"

/* One address of the link as the kernel lists it. */
struct entry {
    struct prefix prefix;
    bool secondary;
};

struct play {
    struct entry *list;
    unsigned count;
    struct order_step *steps;
    unsigned step_count, step_size;
};

static bool same_network(const struct prefix *a, const struct prefix *b)
{
    struct prefix x = prefix_network(a), y = prefix_network(b);

    return prefix_equal(&x, &y);
}

static int find(const struct play *play, const struct prefix *prefix)
{
    for (unsigned i = 0; i < play->count; i++) {
        if (prefix_equal(&play->list[i].prefix, prefix))
            return (int)i;
    }
    return -1;
}

static void insert(struct play *play, unsigned at, struct entry entry)
{
    memmove(&play->list[at + 1], &play->list[at], (play->count - at) * sizeof(entry));
    play->list[at] = entry;
    play->count++;
}

static struct entry take(struct play *play, unsigned at)
{
    struct entry entry = play->list[at];

    play->count--;
    memmove(&play->list[at], &play->list[at + 1], (play->count - at) * sizeof(entry));
    return entry;
}

/* After the last primary address. */
static unsigned end_of_primaries(const struct play *play)
{
    unsigned end = 0;

    for (unsigned i = 0; i < play->count; i++) {
        if (!play->list[i].secondary)
            end = i + 1;
    }
    return end;
}

static void note(struct play *play, bool remove, const struct prefix *prefix)
{
    if (play->step_count < play->step_size)
        play->steps[play->step_count] = (struct order_step){remove, *prefix};
    play->step_count++;
}

/* A removed primary address is replaced by the first secondary one of the network. */
static void play_remove(struct play *play, const struct prefix *prefix)
{
    int at = find(play, prefix);
    struct entry gone;

    note(play, true, prefix);
    if (at < 0)
        return;
    gone = take(play, (unsigned)at);
    for (unsigned i = 0; !gone.secondary && i < play->count; i++) {
        if (!play->list[i].secondary || !same_network(&play->list[i].prefix, prefix))
            continue;
        gone = take(play, i);
        gone.secondary = false;
        insert(play, end_of_primaries(play), gone);
        return;
    }
}

static void play_add(struct play *play, const struct prefix *prefix)
{
    struct entry entry = {.prefix = *prefix};

    note(play, false, prefix);
    for (unsigned i = 0; i < play->count; i++)
        entry.secondary |= same_network(&play->list[i].prefix, prefix);
    insert(play, entry.secondary ? play->count : end_of_primaries(play), entry);
}

/* Removes those of items[from…] in the order opposite to the kernel's list, so that none is
 * promoted only to be removed next, and adds them again in their order. */
static void move_to_end(struct play *play, const struct prefix *items, unsigned from,
                        unsigned count)
{
    for (unsigned i = play->count; i-- > 0;) {
        const struct prefix prefix = play->list[i].prefix;

        for (unsigned k = from; k < count; k++) {
            if (!prefix_equal(&items[k], &prefix))
                continue;
            play_remove(play, &prefix);
            if (i > play->count)
                i = play->count;
            break;
        }
    }
    for (unsigned k = from; k < count; k++)
        play_add(play, &items[k]);
}

static bool is_primary(const struct play *play, const struct prefix *prefix)
{
    int at = find(play, prefix);

    return at >= 0 && !play->list[at].secondary;
}

/* How many of items the kernel lists in this order. */
static unsigned in_order(const struct play *play, const struct prefix *items, unsigned count)
{
    unsigned k = 0;

    for (unsigned i = 0; i < play->count && k < count; i++)
        k += prefix_equal(&play->list[i].prefix, &items[k]);
    return k;
}

/* Sorts desired into networks: to[] gets all addresses, network by network, starts[] where each
 * begins. Those that the kernel does not have are left out, and link-local ones are a list of their
 * own for the kernel. Returns the number of networks. */
static unsigned group(const struct play *play, const struct prefix *desired, unsigned count,
                      struct prefix *to, unsigned *starts)
{
    unsigned groups = 0, n = 0;

    for (unsigned i = 0; i < count; i++) {
        bool known = desired[i].address.family != AF_INET || find(play, &desired[i]) < 0 ||
                     address_is_link_local(&desired[i].address);

        for (unsigned k = 0; k < n && !known; k++)
            known = same_network(&to[k], &desired[i]);
        if (known)
            continue;
        starts[groups++] = n;
        for (unsigned k = i; k < count; k++) {
            if (desired[k].address.family == AF_INET && same_network(&desired[k], &desired[i]) &&
                find(play, &desired[k]) >= 0)
                to[n++] = desired[k];
        }
    }
    starts[groups] = n;
    return groups;
}

static void plan(struct play *play, const struct prefix *items, const unsigned *starts,
                 unsigned groups, struct prefix *firsts)
{
    unsigned count = 0, kept;

    for (unsigned g = 0; g < groups; g++) {
        const struct prefix *of = items + starts[g];
        unsigned n = starts[g + 1] - starts[g];

        move_to_end(play, of, in_order(play, of, n), n);
    }
    /* After another program's primary address Orbital's has no place among the networks. */
    for (unsigned g = 0; g < groups; g++) {
        if (is_primary(play, &items[starts[g]]))
            firsts[count++] = items[starts[g]];
    }
    kept = in_order(play, firsts, count);
    for (unsigned g = 0; g < groups; g++) {
        for (unsigned k = kept; k < count; k++) {
            if (prefix_equal(&firsts[k], &items[starts[g]]))
                move_to_end(play, items + starts[g], 0, starts[g + 1] - starts[g]);
        }
    }
}

int order_steps(const struct prefix *desired, unsigned count, int index,
                const struct rtnl_addrs *have, struct order_step **ret_steps)
{
    struct play play = {.step_size = 4 * count + 4};
    struct prefix *items = calloc(2 * ((size_t)count + 1), sizeof(*items));
    unsigned *starts = calloc((size_t)count + 1, sizeof(*starts));
    int r = ORB_E_NOMEM;

    play.list = calloc((size_t)have->count + count + 1, sizeof(*play.list));
    play.steps = calloc(play.step_size, sizeof(*play.steps));
    if (items && starts && play.list && play.steps) {
        for (unsigned i = 0; i < have->count; i++) {
            const struct rtnl_addr *a = &have->items[i];

            if (a->index == index && a->prefix.address.family == AF_INET)
                play.list[play.count++] = (struct entry){a->prefix, a->flags & IFA_F_SECONDARY};
        }
        plan(&play, items, starts, group(&play, desired, count, items, starts), items + count + 1);
        r = (int)play.step_count;
    }
    free(items);
    free(starts);
    free(play.list);
    if (r <= 0) {
        free(play.steps);
        play.steps = NULL;
    }
    *ret_steps = play.steps;
    return r;
}

/* Where the kernel lists an IPv6 address; -1: nowhere that matters. */
static int place6(const struct prefix *prefix, int index, const struct rtnl_addrs *have)
{
    if (prefix->address.family != AF_INET6 || address_is_link_local(&prefix->address))
        return -1;
    for (unsigned i = 0; i < have->count; i++) {
        const struct rtnl_addr *a = &have->items[i];

        if (a->index == index && prefix_equal(&a->prefix, prefix))
            return a->flags & IFA_F_DADFAILED ? -1 : (int)i;
    }
    return -1;
}

int order_moves6(const struct prefix *desired, unsigned count, int index,
                 const struct rtnl_addrs *have, unsigned **ret_moves)
{
    unsigned *moves = calloc((size_t)count + 1, sizeof(*moves)), n = 0;
    int next = (int)have->count;
    bool moving = false;

    *ret_moves = NULL;
    if (!moves)
        return ORB_E_NOMEM;
    /* From the last one on: those that move precede all that stay. */
    for (unsigned i = count; i-- > 0;) {
        int at = place6(&desired[i], index, have);

        if (at < 0)
            continue;
        moving |= at > next;
        next = at;
        if (moving)
            moves[n++] = i;
    }
    if (n)
        *ret_moves = moves;
    else
        free(moves);
    return (int)n;
}
