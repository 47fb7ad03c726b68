/* An answer may take another route than the request, and conntrack records neither. But the rule
 * that accepted the connection, and its translation, follow from the right route only. */
#include "dataplane/explain.h"

#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

#define TRIES 1000000 /* some seconds; then the first result of the route lookup is used */

/* Interfaces of the same zones are alike to policies, but for the addresses they have. */
static bool is_alike(const struct revalidate *revalidate, const char *a, const char *b)
{
    return policy_interface_zone(revalidate->now, a) == policy_interface_zone(revalidate->now, b) &&
           (!revalidate->before || policy_interface_zone(revalidate->before, a) ==
                                       policy_interface_zone(revalidate->before, b));
}

void explain_init(struct explain *explain, struct revalidate *revalidate, const struct ways *ways)
{
    const struct link_list *links = &ways->links;

    *explain = (struct explain){.revalidate = revalidate, .ways = ways, .tries = TRIES};
    explain->names = xcalloc(links->count + 1, sizeof(*explain->names));
    for (unsigned i = 0; i < links->count; i++) {
        const char *name = links->items[i].name;
        unsigned known = 0;

        while (known < explain->count && !is_alike(revalidate, explain->names[known], name))
            known++;
        if (known == explain->count)
            explain->names[explain->count++] = name;
    }
}

void explain_fini(struct explain *explain)
{
    free(explain->names);
}

struct search {
    struct explain *explain;
    const struct flow *flow;
    struct flow_way *best;
    int points;
};

/* false: it cannot be better, or nothing more is to be tried. */
static bool try_way(struct search *search, const struct flow_way *way)
{
    int points;

    if (search->points == REVALIDATE_EXPLAINED || !search->explain->tries)
        return false;
    search->explain->tries--;
    points = revalidate_explains(search->explain->revalidate, search->flow, way);
    if (points > search->points) {
        search->points = points;
        *search->best = *way;
    }
    return true;
}

static void try_in(struct search *search)
{
    struct flow_way way = *search->best;

    for (unsigned i = 0; i < search->explain->count; i++) {
        way.in = search->explain->names[i];
        if (!try_way(search, &way))
            return;
    }
}

/* By what has the address it leaves with, and by anything else. */
static void try_out(struct search *search)
{
    const struct ways *ways = search->explain->ways;
    const uint8_t *address = search->flow->reply[1].address;
    struct flow_way way = *search->best;

    for (unsigned i = 0; i < ways->links.count; i++) {
        way.out = ways->links.items[i].name;
        way.hidden = ways_has(ways, way.out, search->flow->family, address);
        if (way.hidden && !try_way(search, &way))
            return;
    }
    way.hidden = false;
    for (unsigned i = 0; i < search->explain->count; i++) {
        way.out = search->explain->names[i];
        if (!try_way(search, &way))
            return;
    }
}

void explain_way(struct explain *explain, const struct flow *flow, struct flow_way *way)
{
    struct search search = {explain, flow, way,
                            revalidate_explains(explain->revalidate, flow, way)};

    if (way->hook != FLOW_HOOK_OUTPUT)
        try_in(&search);
    if (way->hook != FLOW_HOOK_INPUT && search.points < REVALIDATE_EXPLAINED)
        try_out(&search);
}
