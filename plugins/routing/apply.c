/* Applies static routes: see apply.h. A changed route is replaced in one request (NLM_F_REPLACE),
 * so there is no moment without it; a new one is made with NLM_F_EXCL, because IPv4 would also
 * replace another program's route of the same destination and metric. A next hop whose link is
 * missing, down or without carrier is left out rather than left to the kernel: it would keep
 * sending there (without carrier) or drop the whole route (when one of several is missing). */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/routing/apply.h"
#include "plugins/routing/place.h"
#include "plugins/routing/reach.h"
#include "plugins/routing/rules.h"
#include "plugins/routing/set.h"
#include "plugins/routing/why.h"

#define CONFLICT "the kernel has a route of this destination and metric that is not ours"
#define BEHIND "a route of this destination and metric that is not ours precedes it"
#define JOINED "something else keeps adding next hops to it"

struct pass {
    struct nl_sock *socket;
    struct routes_want *routes;
    const struct reach *reach;
    struct rtnl_routes have; /* Orbital's, by key */
    bool *kept;
    bool strict, retake;
    struct routes_applied applied;
};

/* Kernel routes of one configured route and one metric. */
struct group {
    struct route_want *route;
    struct rtnl_route kernel;
    struct hop_want *hops[RTNL_MAX_HOPS]; /* of kernel.hops */
    const struct rtnl_route *have;
    bool held;
    bool behind; /* another program's route precedes ours */
};

static int by_key(const void *a, const void *b)
{
    const struct rtnl_route *p = a, *q = b;
    int r = (p->table > q->table) - (p->table < q->table);

    if (!r)
        r = memcmp(&p->destination, &q->destination, sizeof(p->destination));
    return r ? r : (p->metric > q->metric) - (p->metric < q->metric);
}

/* whole: with weight and onlink. */
static bool has_hop(const struct rtnl_route *route, const struct rtnl_hop *hop, bool whole)
{
    for (unsigned i = 0; i < route->hop_count; i++) {
        const struct rtnl_hop *h = &route->hops[i];

        if (h->index == hop->index && h->has_gateway == hop->has_gateway &&
            (!h->has_gateway || address_equal(&h->gateway, &hop->gateway)) &&
            (!whole || (h->weight == hop->weight && h->onlink == hop->onlink)))
            return true;
    }
    return false;
}

static bool is_there(const struct rtnl_route *have, const struct rtnl_route *want)
{
    if (!have || have->type != want->type || have->extra)
        return false;
    /* An IPv6 blackhole is reported with the loopback as its hop. */
    if (want->type != RTN_UNICAST)
        return true;
    if (have->hop_count != want->hop_count || have->source.family != want->source.family ||
        (want->source.family && !address_equal(&have->source, &want->source)))
        return false;
    for (unsigned j = 0; j < want->hop_count; j++) {
        if (!has_hop(have, &want->hops[j], true))
            return false;
    }
    return true;
}

/* There are several when another program had put one first: then the right one. */
static const struct rtnl_route *find(struct pass *pass, const struct rtnl_route *like)
{
    const struct rtnl_route *end = pass->have.items + pass->have.count, *any, *r;

    if (!pass->have.count)
        return NULL;
    any = bsearch(like, pass->have.items, pass->have.count, sizeof(*like), by_key);
    for (r = any; r && r > pass->have.items && !by_key(r - 1, like); r--)
        ;
    for (; r && r < end && !by_key(r, like); r++) {
        if (is_there(r, like))
            return r;
    }
    return any;
}

static void keep(struct pass *pass, const struct group *group)
{
    if (group->have)
        pass->kept[group->have - pass->have.items] = true;
}

/* Whether another program added next hops to our route: IPv6 merges routes of one metric. */
static bool is_joined(const struct group *group)
{
    for (unsigned i = 0; group->held && !group->route->changed && group->have &&
                         group->have->type == RTN_UNICAST && i < group->have->hop_count;
         i++) {
        if (!has_hop(&group->kernel, &group->have->hops[i], false))
            return true;
    }
    return false;
}

static int put(struct pass *pass, const struct group *group, const struct rtnl_route *route,
               struct orb_err *err)
{
    bool strange = group->behind || is_joined(group);
    int r;

    if (strange && !pass->retake)
        return orb_fail(err, -EEXIST, "%s", group->behind ? BEHIND : JOINED);
    /* Ours is after the other and has no effect; replacing affects the first. */
    if (group->behind && group->have)
        rtnl_put_deletion(pass->socket, group->have, NULL);
    r = rtnl_put_route(pass->socket, route, group->have || group->behind, err);
    if (r == -EEXIST) {
        if (group->held && pass->retake) {
            strange = true;
            r = rtnl_put_route(pass->socket, route, true, err);
        } else {
            orb_fail(err, -EEXIST, CONFLICT);
        }
    }
    pass->applied.retaken += r == 0 && strange;
    pass->applied.put += r == 0;
    return r;
}

/* The links are gone since they were read, or an address is missing yet: no error of the
 * configuration, and an event will follow. */
static bool will_pass(int code)
{
    return code == -ENETDOWN || code == -ENODEV || code == -ENXIO || code == -ENETUNREACH ||
           code == -EHOSTUNREACH;
}

static int refused(const struct pass *pass, const struct group *group, const struct hop_want *hop,
                   int code, struct orb_err *err)
{
    if (!pass->strict || !group->route->changed || will_pass(code))
        return 0;
    orb_wrap(err, "cannot make route %s", group->route->key);
    if (err) {
        err->code = ORB_E_KERNEL;
        place_route(group->route, hop, err->path, sizeof(err->path));
    }
    return ORB_E_KERNEL;
}

/* Nothing new could be added: whether what the kernel has from us is at least a part of the
 * configured route. */
static bool is_part(const struct group *group)
{
    for (unsigned i = 0; i < group->have->hop_count; i++) {
        if (!has_hop(&group->kernel, &group->have->hops[i], false))
            return false;
    }
    return group->have->type == RTN_UNICAST;
}

/* The kernel refuses some of the next hops: which? The others are put. */
static int put_singly(struct pass *pass, struct group *group, struct orb_err *err)
{
    struct rtnl_route some = group->kernel;
    unsigned made = 0;

    for (unsigned i = 0; i < group->kernel.hop_count; i++) {
        struct hop_want *hop = group->hops[i];
        struct group now = *group;
        int r;

        /* What was put a moment ago is replaced by more of it. */
        now.have = made ? &some : group->have;
        some.hops[made] = group->kernel.hops[i];
        some.hop_count = made + 1;
        r = put(pass, &now, &some, err);
        if (r == 0) {
            made++;
            hop->held = true;
            continue;
        }
        why_set(&hop->why, err->text);
        hop->todo = "correct the next hop, or take it away";
        r = refused(pass, group, hop, r, err);
        if (r < 0)
            return r;
    }
    if (!made && group->have && !is_part(group))
        pass->kept[group->have - pass->have.items] = false;
    return 0;
}

/* One that the machine does not have now costs no route: what is forwarded needs it not. */
static void choose_source(struct pass *pass, struct group *group, struct hop_want *hop)
{
    char why[200];

    if (!hop->source.family || reach_source_now(pass->reach, &hop->source, why, sizeof(why))) {
        why_set(&hop->no_source, NULL);
        group->kernel.source = hop->source;
    } else {
        why_set(&hop->no_source, why);
    }
}

/* The configured hops of one metric that can be used now, and why the others cannot. */
static void collect(struct pass *pass, struct group *group)
{
    for (unsigned i = 0; i < group->route->hop_count; i++) {
        struct hop_want *hop = &group->route->hops[i];
        char why[200];

        if (hop->metric != group->kernel.metric)
            continue;
        group->held |= hop->held;
        group->behind |= hop->behind;
        why_set(&hop->no_source, NULL);
        if (!reach_now(pass->reach, hop, &group->kernel.hops[group->kernel.hop_count], why,
                       sizeof(why), &hop->todo)) {
            why_set(&hop->why, why);
            continue;
        }
        why_set(&hop->why, NULL);
        group->hops[group->kernel.hop_count++] = hop;
        choose_source(pass, group, hop);
    }
}

static int put_group(struct pass *pass, struct route_want *route, uint32_t metric,
                     struct orb_err *err)
{
    struct group group = {.route = route,
                          .kernel = {.table = route->table->id,
                                     .destination = route->destination,
                                     .metric = metric,
                                     .protocol = NETLINK_OURS,
                                     .type = RTN_UNICAST}};
    struct orb_err why = {0};
    int r = 0;

    collect(pass, &group);
    group.have = find(pass, &group.kernel);
    if (!group.kernel.hop_count)
        return 0;
    keep(pass, &group);
    if (group.behind || !is_there(group.have, &group.kernel))
        r = put(pass, &group, &group.kernel, &why);
    if (r < 0) {
        r = put_singly(pass, &group, &why);
        if (r < 0 && err)
            *err = why;
        return r;
    }
    for (unsigned i = 0; i < group.kernel.hop_count; i++)
        group.hops[i]->held = true;
    return 0;
}

static int put_last(struct pass *pass, struct route_want *route, struct orb_err *err)
{
    struct group group = {.route = route,
                          .held = route->last_held,
                          .behind = route->last_behind,
                          .kernel = {.table = route->table->id,
                                     .destination = route->destination,
                                     .metric = set_last_metric(route),
                                     .protocol = NETLINK_OURS,
                                     .type = route->last}};
    struct orb_err why = {0};
    int r = 0;

    group.have = find(pass, &group.kernel);
    keep(pass, &group);
    if (group.behind || !is_there(group.have, &group.kernel))
        r = put(pass, &group, &group.kernel, &why);
    route->last_held |= r == 0;
    why_set(&route->why, r == 0 ? NULL : why.text);
    if (r < 0)
        r = refused(pass, &group, NULL, r, &why);
    if (r < 0 && err)
        *err = why;
    return r;
}

static int put_route(struct pass *pass, struct route_want *route, struct orb_err *err)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < route->hop_count; i++) {
        if (set_is_first(route, &route->hops[i]))
            r = put_group(pass, route, route->hops[i].metric, err);
    }
    return r == 0 && route->last ? put_last(pass, route, err) : r;
}

static int remove_stale(struct pass *pass, struct orb_err *err)
{
    for (unsigned i = 0; i < pass->have.count; i++) {
        const struct rtnl_route *route = &pass->have.items[i];
        char text[ADDRESS_TEXT];
        int r;

        if (pass->kept[i])
            continue;
        r = rtnl_put_deletion(pass->socket, route, err);
        pass->applied.removed += r == 0;
        if (r == 0 || r == -ESRCH || !pass->strict)
            continue;
        orb_wrap(err, "cannot remove route %s", prefix_text(&route->destination, text));
        if (err)
            err->code = ORB_E_KERNEL;
        return ORB_E_KERNEL;
    }
    return 0;
}

static int apply_all(struct pass *pass, struct orb_err *err)
{
    struct rtnl_rules rules = {0};
    int r = 0;

    for (unsigned i = 0; r == 0 && i < pass->routes->count; i++)
        r = put_route(pass, pass->routes->sorted[i], err);
    if (r == 0)
        r = rules_add(pass->socket, pass->routes, pass->strict, &rules, &pass->applied.rules, err);
    if (r < 0)
        return r;
    rules_remove(pass->socket, pass->routes, &rules, &pass->applied.rules);
    return remove_stale(pass, err);
}

int apply_routes(struct nl_sock *socket, struct routes_want *routes, const struct reach *reach,
                 bool strict, bool retake, struct routes_applied *ret_applied, struct orb_err *err)
{
    struct pass pass = {
        .socket = socket, .routes = routes, .reach = reach, .strict = strict, .retake = retake};
    int r = rtnl_route_list(socket, NETLINK_OURS, &pass.have, err);

    if (r < 0)
        return r;
    pass.kept = calloc(pass.have.count + 1, sizeof(*pass.kept));
    if (!pass.kept)
        r = orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    else if (pass.have.count)
        qsort(pass.have.items, pass.have.count, sizeof(*pass.have.items), by_key);
    if (r == 0)
        r = apply_all(&pass, err);
    free(pass.kept);
    free(pass.have.items);
    *ret_applied = pass.applied;
    return r;
}
