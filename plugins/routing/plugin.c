/* The routing service: static routes of /routing/static. It also reads /interfaces, because a
 * change there may cut off a next hop (refused) and because the kernel silently drops routes when a
 * link goes down or loses its address: events bring them back within 50 ms of the last one. */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/routing/plugin.h"

static void own_routes(struct routes_want *routes)
{
    routes_fini(routes);
}

static void own_reach(struct reach *reach)
{
    reach_fini(reach);
}

static const cJSON *part(const struct orb_change *change, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(change->tree, name);
}

static const struct route_want *find(const struct routes_want *routes,
                                     const struct route_want *like)
{
    for (unsigned i = 0; i < routes->count; i++) {
        if (prefix_equal(&routes->items[i].destination, &like->destination))
            return &routes->items[i];
    }
    return NULL;
}

static bool same(const struct route_want *a, const struct route_want *b)
{
    if (a->metric != b->metric || a->blackhole != b->blackhole || a->hop_count != b->hop_count)
        return false;
    for (unsigned i = 0; i < a->hop_count; i++) {
        const struct hop_want *x = &a->hops[i], *y = &b->hops[i];

        if (strcmp(x->key, y->key) || strcmp(x->interface, y->interface) || x->weight != y->weight)
            return false;
    }
    return true;
}

static void plan(struct orb_ctx *ctx, const struct routes_want *old, const struct routes_want *new)
{
    char text[120];

    for (unsigned i = 0; i < new->count; i++) {
        const struct route_want *was = find(old, &new->items[i]);

        if (was && same(was, &new->items[i]))
            continue;
        snprintf(text, sizeof(text), "%s route %s", was ? "replace" : "add", new->items[i].key);
        orb_plan_step(ctx, "live", text);
    }
    for (unsigned i = 0; i < old->count; i++) {
        if (find(new, &old->items[i]))
            continue;
        snprintf(text, sizeof(text), "remove route %s", old->items[i].key);
        orb_plan_step(ctx, "live", text);
    }
}

/* At start everything is taken that can be had: a missing link must not cost the other routes. */
static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    __attribute__((cleanup(own_routes))) struct routes_want routes = {0};
    __attribute__((cleanup(own_reach))) struct reach reach = {0};
    struct routing *self = orb_user(ctx);
    int r;

    r = routes_read(part(change, "routing"), &routes, err);
    if (r == 0 && !change->initial) {
        r = reach_read(self->follow.requests, part(change, "interfaces"), &reach, err);
        if (r == 0)
            r = reach_check(&reach, &routes, err);
        if (r == 0)
            r = routes_check_foreign(self->follow.requests, &routes, err);
    }
    if (r == 0)
        plan(ctx, &self->current, &routes);
    return r;
}

static void note_missing(struct orb_ctx *ctx, struct routing *self,
                         const struct routes_applied *applied, const struct orb_err *why)
{
    if (applied->missing && strcmp(self->missing, applied->missing_key))
        orb_log(ctx, ORB_WARNING, "routing.missing", ORB_S("route", applied->missing_key),
                ORB_I("count", applied->missing), ORB_S("reason", why->text));
    memcpy(self->missing, applied->missing_key, sizeof(self->missing));
    follow_outcome(&self->follow, applied->missing == 0);
}

/* The kernel as routes say. */
static int make(struct orb_ctx *ctx, struct routing *self, const struct routes_want *routes,
                const cJSON *interfaces, bool tolerant, const char *event, struct orb_err *err)
{
    __attribute__((cleanup(own_reach))) struct reach reach = {0};
    struct routes_applied applied = {0};
    struct orb_err why = {0};
    int r;

    r = reach_read(self->follow.requests, interfaces, &reach, err);
    if (r == 0)
        r = routes_apply(self->follow.requests, routes, &reach, tolerant, &applied, &why);
    if (r < 0) {
        if (err && why.code)
            *err = why;
        return r;
    }
    note_missing(ctx, self, &applied, &why);
    if (applied.put || applied.removed)
        orb_log(ctx, tolerant ? ORB_NOTICE : ORB_INFO, event, ORB_I("put", applied.put),
                ORB_I("removed", applied.removed));
    return 0;
}

static int change_to(struct orb_ctx *ctx, const struct orb_change *change, bool tolerant,
                     struct orb_err *err)
{
    __attribute__((cleanup(own_routes))) struct routes_want routes = {0};
    const cJSON *interfaces = part(change, "interfaces");
    struct routing *self = orb_user(ctx);
    struct routes_want old;
    cJSON *copy = NULL;
    int r;

    r = routes_read(part(change, "routing"), &routes, err);
    if (r < 0)
        return r;
    if (interfaces && !(copy = cJSON_Duplicate(interfaces, true)))
        return orb_fail(err, ORB_E_NOMEM, "no memory for the interfaces");
    r = make(ctx, self, &routes, interfaces, tolerant, "routing.applied", err);
    if (r < 0) {
        make(ctx, self, &self->current, self->interfaces, true, "routing.undone", NULL);
        cJSON_Delete(copy);
        return r;
    }
    old = self->current;
    self->current = routes;
    routes = old;
    cJSON_Delete(self->interfaces);
    self->interfaces = copy;
    return 0;
}

static int on_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    return change_to(ctx, change, change->initial, err);
}

/* On the way back routing goes first, while the interfaces are still as they should not be: what
 * cannot be made now comes with their events. */
static int on_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err)
{
    return applied ? change_to(ctx, change, true, err) : 0;
}

static void on_repair(struct orb_ctx *ctx, void *arg)
{
    struct routing *self = arg;
    struct orb_err err = {0};

    if (make(ctx, self, &self->current, self->interfaces, true, "routing.repaired", &err) == 0)
        return;
    orb_log(ctx, ORB_WARNING, "routing.repair_failed", ORB_S("reason", err.text));
    follow_outcome(&self->follow, false);
}

static void on_event(void *arg, struct nlmsghdr *header)
{
    struct routing *self = arg;
    struct rtnl_route route;

    /* Foreign routes come and go by thousands (a routing daemon): no concern of ours. */
    if (rtnl_read_route(header, &route) && route.protocol != NETLINK_OURS &&
        route.protocol != RTPROT_KERNEL)
        return;
    follow_repair_soon(&self->follow);
}

static void on_readable(struct orb_ctx *ctx, void *arg, int fd, unsigned events)
{
    struct routing *self = arg;

    (void)fd;
    (void)events;
    if (netlink_drain(self->follow.events, on_event, self) > 0) {
        orb_log(ctx, ORB_WARNING, "routing.events_lost");
        follow_repair_soon(&self->follow);
    }
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    static const int groups[] = {RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                 RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  0};
    struct routing *self = calloc(1, sizeof(*self));

    if (!self)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the service");
    orb_set_user(ctx, self);
    return follow_open(ctx, &self->follow, groups, on_readable, on_repair, self, err);
}

static void on_stop(struct orb_ctx *ctx)
{
    struct routing *self = orb_user(ctx);

    /* Routes stay: a stopped service does not cut the network. */
    follow_close(&self->follow);
    routes_fini(&self->current);
    cJSON_Delete(self->interfaces);
    free(self);
}

static int on_health(struct orb_ctx *ctx, struct orb_err *err)
{
    struct routing *self = orb_user(ctx);

    if (!self->missing[0])
        return 0;
    return orb_fail(err, ORB_E_STATE, "route %s cannot be made now", self->missing);
}

static const struct orb_method methods[] = {{"list", on_list, 0}, {0}};
static const char *const paths[] = {"/routing", "/interfaces", NULL};
static const struct orb_config config = {
    .paths = paths, .prepare = on_prepare, .apply = on_apply, .abort = on_abort};

ORB_PLUGIN(.name = "routing", .methods = methods, .config = &config, .init = on_init,
           .stop = on_stop, .health = on_health);
