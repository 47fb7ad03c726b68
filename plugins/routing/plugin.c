/* The routing service: static routes of /routing/static. It also reads /interfaces, because a
 * change there may make a next hop unreachable (refused) and because the kernel silently drops
 * routes when a link is set down or loses its address: after events they are restored within 50 ms
 * of the last one. What cannot be applied at present does not affect others: it is a problem of the
 * service, and is tried again after the kernel's events and at growing intervals. */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/routing/apply.h"
#include "plugins/routing/compare.h"
#include "plugins/routing/foreign.h"
#include "plugins/routing/lookup.h"
#include "plugins/routing/plugin.h"
#include "plugins/routing/reach.h"
#include "plugins/routing/rules.h"
#include "plugins/routing/set.h"

#define RETAKE_MAX 10 /* routes restored after another program replaced them … */
#define RETAKE_MS 60000

static void own_reach(struct reach *reach)
{
    reach_fini(reach);
}

static void own_kernel(struct kernel *kernel)
{
    reach_fini_kernel(kernel);
}

static const struct rule_want *find_rule(const struct routes_want *routes, unsigned number)
{
    for (unsigned i = 0; i < routes->rule_count; i++) {
        if (routes->rules[i].number == number)
            return &routes->rules[i];
    }
    return NULL;
}

static void plan_rules(struct orb_ctx *ctx, const struct routes_want *old,
                       const struct routes_want *new)
{
    char text[60];

    for (unsigned i = 0; i < new->rule_count; i++) {
        const struct rule_want *rule = &new->rules[i];

        if (!rule->changed)
            continue;
        snprintf(text, sizeof(text), "%s policy rule %u",
                 find_rule(old, rule->number) ? "replace" : "add", rule->number);
        orb_plan_step(ctx, "live", text);
    }
    for (unsigned i = 0; i < old->rule_count; i++) {
        if (find_rule(new, old->rules[i].number))
            continue;
        snprintf(text, sizeof(text), "remove policy rule %u", old->rules[i].number);
        orb_plan_step(ctx, "live", text);
    }
}

/* "route 10.0.0.0/8", "route 10.0.0.0/8 of table guests". */
static void plan_route(struct orb_ctx *ctx, const char *word, const struct route_want *route)
{
    char text[160];

    snprintf(text, sizeof(text), "%s route %s%s%s", word, route->key,
             *route->table->name ? " of table " : "", route->table->name);
    orb_plan_step(ctx, "live", text);
}

static void plan(struct orb_ctx *ctx, const struct routes_want *old, const struct routes_want *new)
{
    for (unsigned i = 0; i < new->count; i++) {
        const struct route_want *route = new->sorted[i];

        if (route->changed)
            plan_route(ctx,
                       set_find(old, route->table->id, &route->destination) ? "replace" : "add",
                       route);
    }
    for (unsigned i = 0; i < old->count; i++) {
        const struct route_want *route = old->sorted[i];

        if (!set_find(new, route->table->id, &route->destination))
            plan_route(ctx, "remove", route);
    }
    plan_rules(ctx, old, new);
}

/* Only what the change itself brings or breaks is refused. */
static int check(struct routing *self, const struct routing_config *config, struct orb_err *err)
{
    const struct routes_want *routes = &config->routes;
    __attribute__((cleanup(own_kernel))) struct kernel kernel = {0};
    __attribute__((cleanup(own_reach))) struct reach reach = {0}, before = {0};
    int r = compare_misfits(routes, &self->now->routes, err);

    if (r == 0)
        r = reach_read_kernel(self->follow.requests, &kernel, err);
    if (r == 0)
        r = reach_make(&kernel, config->interfaces, routes, &reach, err);
    if (r == 0)
        r = reach_make(&kernel, self->now->interfaces, &self->now->routes, &before, err);
    if (r == 0)
        r = check_reach(&reach, &before, routes, err);
    if (r == 0)
        r = rules_check_foreign(self->follow.requests, routes, err);
    return r == 0 ? foreign_check(self->follow.requests, routes, err) : r;
}

/* At start everything is taken that can be had: a missing link must not cost the other routes. */
static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    const cJSON *interfaces = orb_at(change->tree, "/interfaces");
    struct routing_config *config = calloc(1, sizeof(*config));
    struct routing *self = orb_user(ctx);
    int r;

    if (!config)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the routes");
    *change->prepared = config;
    if (interfaces && !(config->interfaces = cJSON_Duplicate(interfaces, true)))
        return orb_fail(err, ORB_E_NOMEM, "no memory for the interfaces");
    r = set_read(orb_at(change->tree, "/routing"), &config->routes, err);
    if (r < 0)
        return r;
    compare_routes(&config->routes, &self->now->routes);
    if (!change->initial)
        r = check(self, config, err);
    if (r == 0)
        plan(ctx, &self->now->routes, &config->routes);
    return r;
}

static void on_discard(struct orb_ctx *ctx, void *prepared)
{
    struct routing_config *config = prepared;

    set_fini(&config->routes);
    cJSON_Delete(config->interfaces);
    free(config);
}

/* Another program that insists is left alone after a while, and reported. */
static bool may_retake(struct routing *self)
{
    uint64_t now = orb_now_ms();

    if (now - self->retake_from_ms > RETAKE_MS) {
        self->retake_from_ms = now;
        self->retaken = 0;
    }
    return self->retaken < RETAKE_MAX;
}

/* Applies the routes in use. */
static int make(struct orb_ctx *ctx, struct routing *self, bool strict, const char *event,
                struct orb_err *err)
{
    struct routes_want *routes = &self->now->routes;
    __attribute__((cleanup(own_kernel))) struct kernel kernel = {0};
    __attribute__((cleanup(own_reach))) struct reach reach = {0};
    struct routes_applied applied = {0};
    unsigned connected = 0;
    int r = reach_read_kernel(self->follow.requests, &kernel, err);

    if (r == 0)
        r = reach_make(&kernel, self->now->interfaces, routes, &reach, err);
    if (r == 0 && self->cut_off)
        r = connected_restore(self->follow.requests, &reach, &connected, err);
    if (connected)
        orb_log(ctx, ORB_WARNING, "routing.networks-put-back", KV("count", connected));
    /* A full table takes long to read: only when there may be something to find. */
    if (r == 0 && self->foreign)
        r = foreign_look(self->follow.requests, routes, err);
    if (r == 0)
        r = apply_routes(self->follow.requests, routes, &reach, strict, may_retake(self), &applied,
                         err);
    self->retaken += applied.retaken;
    if (r == 0)
        self->foreign = foreign_present(routes);
    if (r == 0)
        self->cut_off = false;
    if (r == 0 && (applied.put || applied.removed || applied.rules))
        orb_log(ctx, strict ? ORB_INFO : ORB_NOTICE, event, KV("put", applied.put),
                KV("removed", applied.removed), KV("retaken", applied.retaken),
                KV("rules", applied.rules));
    return r;
}

/* The kernel could not be read: what is wanted stays wanted. */
static void report_unread(struct orb_ctx *ctx, struct routing *self, struct orb_err *err)
{
    struct orb_problem problem = {
        .level = ORB_PROBLEM_DEGRADED, .what = err->text, .todo = "it is tried again"};

    orb_log(ctx, ORB_WARNING, "routing.repair-failed", KV("reason", err->text));
    orb_wrap(err, "the routes cannot be compared with the kernel's");
    orb_problem_set(ctx, "repair", &problem);
    follow_outcome(&self->follow, false);
}

static void report_read(struct orb_ctx *ctx, struct routing *self)
{
    orb_problem_clear(ctx, "repair");
    follow_outcome(&self->follow, report_misfits(ctx, self) == 0);
}

static void repair(struct orb_ctx *ctx, struct routing *self, const char *event)
{
    struct orb_err err = {0};

    if (make(ctx, self, false, event, &err) < 0)
        report_unread(ctx, self, &err);
    else
        report_read(ctx, self);
}

/* Swaps in the slot's state. A failure, possible with strict only, is followed by abort. */
static int change_to(struct orb_ctx *ctx, const struct orb_change *change, bool strict,
                     const char *event, struct orb_err *err)
{
    struct routing *self = orb_user(ctx);
    struct routing_config *before = self->now;
    struct orb_err why = {0};
    int r;

    self->now = orb_swap(change, before);
    compare_routes(&self->now->routes, &before->routes);
    r = make(ctx, self, strict, event, &why);
    if (r < 0 && strict) {
        *err = why;
        return r;
    }
    if (r < 0)
        report_unread(ctx, self, &why);
    else
        report_read(ctx, self);
    return 0;
}

static int on_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    return change_to(ctx, change, !change->initial, "routing.applied", err);
}

/* On abort routing is first, while the interfaces are not yet restored: what cannot be added now
 * follows with their events. */
static int on_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err)
{
    struct routing *self = orb_user(ctx);

    if (!applied)
        return 0;
    self->foreign = true; /* what is known of the routes before is as old as they are */
    return change_to(ctx, change, false, "routing.undone", err);
}

static void on_repair(struct orb_ctx *ctx, void *arg)
{
    repair(ctx, arg, "routing.repaired");
}

/* Foreign routes change by thousands (a routing daemon): only one that conflicts with ours matters.
 * */
static bool route_concerns_us(struct routing *self, const struct rtnl_route *route)
{
    const struct route_want *want = set_find(&self->now->routes, route->table, &route->destination);

    if (!want || route->aside || !set_has_metric(want, route->metric))
        return route->protocol == NETLINK_OURS;
    if (route->protocol != NETLINK_OURS && route->destination.address.family == AF_INET)
        self->foreign = true;
    return true;
}

/* A connected network's route that was removed by a user or program; the kernel itself has no port.
 * */
static bool is_cut_off(struct routing *self, const struct nlmsghdr *header,
                       const struct rtnl_route *route)
{
    if (header->nlmsg_type != RTM_DELROUTE || route->protocol != RTPROT_KERNEL ||
        route->table != RT_TABLE_MAIN || route->type != RTN_UNICAST || !header->nlmsg_pid)
        return false;
    return self->cut_off = true;
}

static bool rule_concerns_us(const struct routing *self, const struct rtnl_rule *rule)
{
    return rule->protocol == NETLINK_OURS || lookup_is_plain(rule) ||
           find_rule(&self->now->routes, rule->priority);
}

static bool concerns_us(struct routing *self, struct nlmsghdr *header)
{
    struct rtnl_route route;
    struct rtnl_rule rule;

    if (header->nlmsg_pid == nl_socket_get_local_port(self->follow.requests))
        return false; /* this service's request */
    if (header->nlmsg_type == RTM_NEWROUTE || header->nlmsg_type == RTM_DELROUTE)
        return rtnl_route_read(header, &route) &&
               (route_concerns_us(self, &route) || is_cut_off(self, header, &route));
    if (header->nlmsg_type == RTM_NEWRULE || header->nlmsg_type == RTM_DELRULE)
        return rtnl_rule_read(header, &rule) && rule_concerns_us(self, &rule);
    return true;
}

static void on_event(void *arg, struct nlmsghdr *header)
{
    struct routing *self = arg;

    if (concerns_us(self, header))
        follow_repair_soon(&self->follow);
}

static void on_readable(struct orb_ctx *ctx, void *arg, int fd, unsigned events)
{
    struct routing *self = arg;

    if (netlink_drain(self->follow.events, on_event, self) > 0) {
        orb_log(ctx, ORB_WARNING, "routing.events-lost");
        self->foreign = self->cut_off = true;
        follow_repair_soon(&self->follow);
    }
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    static const int groups[] = {
        RTNLGRP_LINK,       RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
        RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,   0};
    struct routing *self = calloc(1, sizeof(*self));

    if (!self || !(self->now = calloc(1, sizeof(*self->now)))) {
        free(self);
        return orb_fail(err, ORB_E_NOMEM, "no memory for the service");
    }
    self->foreign = self->cut_off = true; /* what happened before is not known */
    orb_set_user(ctx, self);
    return follow_open(ctx, &self->follow, groups, on_readable, on_repair, self, err);
}

static void on_stop(struct orb_ctx *ctx)
{
    struct routing *self = orb_user(ctx);

    /* Routes stay: a stopped service does not cut the network. */
    follow_close(&self->follow);
    on_discard(ctx, self->now);
    free(self);
}

static const struct orb_method methods[] = {{"list", list_answer, 0}, {0}};
static const char *const paths[] = {"/routing", "/interfaces", NULL};
static const struct orb_config config = {.paths = paths,
                                         .prepare = on_prepare,
                                         .apply = on_apply,
                                         .abort = on_abort,
                                         .discard = on_discard};

ORB_PLUGIN(.name = "routing", .methods = methods, .config = &config, .init = on_init,
           .stop = on_stop);
