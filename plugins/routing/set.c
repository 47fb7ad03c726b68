/* The configured routes together. Two keys that write one network differently (10.0.0.0/8 and
 * 10.0.0.0/08 cannot, 2001:DB8::/32 and 2001:db8::/32 can) would be one kernel route: the second is
 * a misfit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/routing/model.h"

static void route_fini(struct route_want *route)
{
    for (unsigned i = 0; i < route->hop_count; i++)
        free(route->hops[i].why);
    free(route->hops);
    free(route->why);
    memset(route, 0, sizeof(*route));
}

static int note_misfit(struct routes_want *routes, const struct orb_err *why, struct orb_err *err)
{
    void *more = realloc(routes->misfits, (routes->misfit_count + 1) * sizeof(*routes->misfits));
    struct route_misfit *misfit;

    if (!more)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    routes->misfits = more;
    misfit = &routes->misfits[routes->misfit_count++];
    memcpy(misfit->path, why->path, sizeof(misfit->path));
    memcpy(misfit->text, why->text, sizeof(misfit->text));
    return 0;
}

static int order(const struct prefix *p, const struct prefix *q)
{
    if (p->address.family != q->address.family)
        return p->address.family < q->address.family ? -1 : 1;
    if (p->len != q->len)
        return p->len < q->len ? -1 : 1;
    return memcmp(p->address.bytes, q->address.bytes, sizeof(p->address.bytes));
}

/* Of two equal destinations the one configured first stands first. */
static int by_destination(const void *a, const void *b)
{
    const struct route_want *p = *(struct route_want *const *)a;
    const struct route_want *q = *(struct route_want *const *)b;
    int r = order(&p->destination, &q->destination);

    return r ? r : (p > q) - (p < q);
}

/* Sorts, and takes out what writes one network a second time. */
static int sort_out(struct routes_want *routes, struct orb_err *err)
{
    int r = 0;

    routes->sorted = calloc(routes->item_count + 1, sizeof(struct route_want *));
    if (!routes->sorted)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    for (unsigned i = 0; i < routes->item_count; i++)
        routes->sorted[i] = &routes->items[i];
    qsort(routes->sorted, routes->item_count, sizeof(struct route_want *), by_destination);
    for (unsigned i = 0; r == 0 && i < routes->item_count; i++) {
        struct route_want *route = routes->sorted[i];
        struct orb_err why = {0};
        char text[160];

        if (!routes->count ||
            order(&routes->sorted[routes->count - 1]->destination, &route->destination)) {
            routes->sorted[routes->count++] = route;
            continue;
        }
        snprintf(text, sizeof(text), "%s is the same network as %s", route->key,
                 routes->sorted[routes->count - 1]->key);
        route_refuse(&why, route, NULL, text);
        r = note_misfit(routes, &why, err);
    }
    return r;
}

int routes_read(const cJSON *routing, struct routes_want *ret_routes, struct orb_err *err)
{
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(routing, "static"), *item;
    struct routes_want routes = {0};
    int r = 0;

    routes.items = calloc((size_t)cJSON_GetArraySize(all) + 1, sizeof(*routes.items));
    if (!routes.items)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    cJSON_ArrayForEach (item, all) {
        struct route_want *route = &routes.items[routes.item_count];
        struct orb_err why = {0};

        if (r == 0 && route_read(item, route, &why) == 0) {
            routes.item_count++;
            continue;
        }
        route_fini(route);
        if (r == 0)
            r = why.code == ORB_E_NOMEM ? orb_fail(err, ORB_E_NOMEM, "%s", why.text)
                                        : note_misfit(&routes, &why, err);
    }
    if (r == 0)
        r = sort_out(&routes, err);
    if (r < 0)
        routes_fini(&routes);
    else
        *ret_routes = routes;
    return r;
}

void routes_fini(struct routes_want *routes)
{
    for (unsigned i = 0; i < routes->item_count; i++)
        route_fini(&routes->items[i]);
    free(routes->items);
    free(routes->sorted);
    free(routes->misfits);
    *routes = (struct routes_want){0};
}

static int by_key(const void *key, const void *item)
{
    return order(key, &(*(struct route_want *const *)item)->destination);
}

struct route_want *routes_find(const struct routes_want *routes, const struct prefix *destination)
{
    struct route_want **found = NULL;

    if (routes->count)
        found = bsearch(destination, routes->sorted, routes->count, sizeof(struct route_want *),
                        by_key);
    return found ? *found : NULL;
}

uint32_t route_last_metric(const struct route_want *route)
{
    return route->hop_count ? LAST_METRIC : route->metric;
}

bool route_has_metric(const struct route_want *route, uint32_t metric)
{
    if (route->last && route_last_metric(route) == metric)
        return true;
    for (unsigned i = 0; i < route->hop_count; i++) {
        if (route->hops[i].metric == metric)
            return true;
    }
    return false;
}

static bool same_hop(const struct hop_want *x, const struct hop_want *y)
{
    return !strcmp(x->key, y->key) && !strcmp(x->interface, y->interface) &&
           x->weight == y->weight && x->metric == y->metric && x->onlink == y->onlink;
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

void routes_compare(struct routes_want *new, const struct routes_want *old)
{
    for (unsigned i = 0; i < new->count; i++) {
        struct route_want *route = new->sorted[i];
        const struct route_want *was = routes_find(old, &route->destination);

        route->changed = !was || !same_route(was, route);
        if (route->changed)
            continue;
        route->last_held = was->last_held;
        for (unsigned j = 0; j < route->hop_count; j++)
            route->hops[j].held = was->hops[j].held;
    }
}

int routes_check_misfits(const struct routes_want *new, const struct routes_want *old,
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
