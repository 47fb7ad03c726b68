/* What of the configuration is not in the kernel, as problems of the service: one for each next
 * hop, source, route, rule or unreadable entry, under its path. */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/routing/lookup.h"
#include "plugins/routing/place.h"
#include "plugins/routing/plugin.h"
#include "plugins/routing/policy.h"

struct report {
    struct orb_ctx *ctx;
    uint64_t digest;
    unsigned count;
    char path[ORB_ERR_PATH], what[ORB_ERR_TEXT]; /* of the first */
};

static void mix(uint64_t *digest, const char *text)
{
    for (; *text; text++)
        *digest = (*digest ^ (uint8_t)*text) * 0x100000001b3u;
    *digest = (*digest ^ 0xff) * 0x100000001b3u;
}

static void tell_as(struct report *report, const char *key, const char *path, const char *what,
                    const char *todo)
{
    struct orb_problem problem = {
        .level = ORB_PROBLEM_DEGRADED, .what = what, .path = path, .todo = todo};

    orb_problem_set(report->ctx, key, &problem);
    if (!report->count++) {
        snprintf(report->path, sizeof(report->path), "%s", path);
        snprintf(report->what, sizeof(report->what), "%s", what);
        report->digest = 0xcbf29ce484222325u;
    }
    mix(&report->digest, path);
    mix(&report->digest, what);
}

static void tell(struct report *report, const char *path, const char *what, const char *todo)
{
    tell_as(report, path, path, what, todo);
}

static void tell_route(struct report *report, const struct route_want *route)
{
    char path[ORB_ERR_PATH], what[ORB_ERR_TEXT], text[64];

    for (unsigned i = 0; i < route->hop_count; i++) {
        const struct hop_want *hop = &route->hops[i];

        if (hop->why) {
            place_route(route, hop, path, sizeof(path));
            snprintf(what, sizeof(what), "route %s does not use %s%s: %s", route->key,
                     *hop->key ? "next hop " : "", place_hop_text(hop, text, sizeof(text)),
                     hop->why);
            tell(report, path, what, hop->todo);
        }
        if (hop->no_source) {
            place_source(route, hop, path, sizeof(path));
            snprintf(what, sizeof(what), "route %s is used without its preferred source: %s",
                     route->key, hop->no_source);
            tell(report, path, what, "see orbctl show interfaces, or take the source away");
        }
    }
    if (!route->why)
        return;
    place_route(route, NULL, path, sizeof(path));
    snprintf(what, sizeof(what), "route %s cannot be made: %s", route->key, route->why);
    tell(report, path, what, "see orbctl show routes, or take the route away");
}

static void tell_rule(struct report *report, const struct rule_want *rule)
{
    char path[ORB_ERR_PATH], what[ORB_ERR_TEXT];

    if (!rule->why)
        return;
    policy_rule_path(rule, path, sizeof(path));
    snprintf(what, sizeof(what), "policy rule %u: %s", rule->number, rule->why);
    tell(report, path, what, "see ip rule, or give the rule another number");
}

static bool has_address(const cJSON *interface, uint8_t family)
{
    const cJSON *address;

    cJSON_ArrayForEach (address, cJSON_GetObjectItemCaseSensitive(interface, "addresses")) {
        const char *text = cJSON_GetStringValue(address);

        if (text && (strchr(text, ':') ? AF_INET6 : AF_INET) == family)
            return true;
    }
    return false;
}

/* A family without configured address and route misses nothing. */
static bool is_used(const struct routing *self, uint8_t family)
{
    const cJSON *interface;

    cJSON_ArrayForEach (interface, self->now->interfaces) {
        if (has_address(interface, family))
            return true;
    }
    for (unsigned i = 0; i < self->now->routes.count; i++) {
        if (self->now->routes.sorted[i]->destination.address.family == family)
            return true;
    }
    return false;
}

/* The kernel's rules as they lead to its tables. */
static void tell_lookup(struct report *report, const struct routing *self)
{
    static const uint8_t families[] = {AF_INET, AF_INET6};
    static const uint32_t tables[] = {RT_TABLE_LOCAL, RT_TABLE_MAIN};
    struct rtnl_rules rules = {0};
    struct orb_err err = {0};

    if (rtnl_rule_list(self->follow.requests, &rules, &err) < 0)
        tell_as(report, "/routing/rules", "/routing", err.text, "it is tried again");
    for (unsigned i = 0; rules.items && i < 4; i++) {
        char what[ORB_ERR_TEXT], key[40];

        if (!is_used(self, families[i / 2]) ||
            !lookup_is_broken(&rules, families[i / 2], tables[i % 2], what, sizeof(what)))
            continue;
        snprintf(key, sizeof(key), "/routing/rules/%u/%u", families[i / 2], tables[i % 2]);
        tell_as(report, key, "/routing", what, "put the kernel's rules right");
    }
    free(rules.items);
}

unsigned report_misfits(struct orb_ctx *ctx, struct routing *self)
{
    const struct routes_want *routes = &self->now->routes;
    struct report report = {.ctx = ctx};

    orb_problem_clear(ctx, "/routing/*");
    for (unsigned i = 0; i < routes->misfit_count; i++)
        tell(&report, routes->misfits[i].path, routes->misfits[i].text, "correct it");
    for (unsigned i = 0; i < routes->count; i++)
        tell_route(&report, routes->sorted[i]);
    for (unsigned i = 0; i < routes->rule_count; i++)
        tell_rule(&report, &routes->rules[i]);
    tell_lookup(&report, self);
    if (report.count && report.digest != self->missing)
        orb_log(ctx, ORB_WARNING, "routing.missing", KV("path", report.path),
                KV("reason", report.what), KV("count", report.count));
    if (!report.count && self->missing)
        orb_log(ctx, ORB_NOTICE, "routing.complete");
    self->missing = report.digest;
    return report.count;
}
