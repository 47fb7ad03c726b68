/* What a change makes different, and what stays known of the rest. */
#include <string.h>

#include "plugins/routing/compare.h"
#include "plugins/routing/model.h"
#include "plugins/routing/set.h"

static bool same_source(const struct address *x, const struct address *y)
{
    return x->family == y->family && (!x->family || address_equal(x, y));
}

static bool same_hop(const struct hop_want *x, const struct hop_want *y)
{
    return !strcmp(x->key, y->key) && !strcmp(x->interface, y->interface) &&
           x->weight == y->weight && x->metric == y->metric && x->onlink == y->onlink &&
           same_source(&x->source, &y->source);
}

static bool same_route(const struct route_want *a, const struct route_want *b)
{
    if (a->metric != b->metric || a->last != b->last || a->hop_count != b->hop_count)
        return false;
    for (unsigned i = 0; i < a->hop_count; i++) {
        if (!same_hop(&a->hops[i], &b->hops[i]))
            return false;
    }
    return true;
}

static bool same_network(const struct prefix *x, const struct prefix *y)
{
    return x->address.family == y->address.family && (!x->address.family || prefix_equal(x, y));
}

static bool same_rule(const struct rule_want *a, const struct rule_want *b)
{
    return a->number == b->number && same_network(&a->from, &b->from) &&
           same_network(&a->to, &b->to) && !strcmp(a->interface, b->interface) &&
           a->mark == b->mark && a->mask == b->mask && a->table == b->table &&
           a->ignore_default == b->ignore_default && a->last == b->last;
}

void compare_routes(struct routes_want *new, const struct routes_want *old)
{
    for (unsigned i = 0; i < new->count; i++) {
        struct route_want *route = new->sorted[i];
        const struct route_want *was = set_find(old, route->table->id, &route->destination);

        route->changed = !was || !same_route(was, route);
        route->last_held = !route->changed && was->last_held;
        for (unsigned j = 0; j < route->hop_count; j++)
            route->hops[j].held = !route->changed && was->hops[j].held;
    }
    for (unsigned i = 0; i < new->rule_count; i++) {
        struct rule_want *rule = &new->rules[i];

        rule->changed = true;
        for (unsigned j = 0; rule->changed && j < old->rule_count; j++)
            rule->changed = !same_rule(rule, &old->rules[j]);
    }
}

int compare_misfits(const struct routes_want *new, const struct routes_want *old,
                    struct orb_err *err)
{
    for (unsigned i = 0; i < new->misfit_count; i++) {
        const struct route_misfit *misfit = &new->misfits[i];
        bool known = false;

        for (unsigned j = 0; !known && j < old->misfit_count; j++)
            known = !strcmp(misfit->path, old->misfits[j].path) &&
                    !strcmp(misfit->text, old->misfits[j].text);
        if (!known)
            return orb_fail_at(err, ORB_E_VETO, misfit->path, "%s", misfit->text);
    }
    return 0;
}
