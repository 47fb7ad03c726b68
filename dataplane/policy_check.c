/* Cross checks of a policy. They refuse what the kernel would load with another meaning than
 * intended. */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "dataplane/policy.h"

static int check_zone(const struct policy *policy, const char *name, const char *path,
                      const char *what, struct orb_err *err)
{
    const char *names[POLICY_MAX_ZONES + 1] = {"local"};
    const char *near;

    if (!*name || policy_zone_number(policy, name) >= 0)
        return 0;
    for (unsigned i = 0; i < policy->zone_count && i < POLICY_MAX_ZONES; i++)
        names[i + 1] = policy->zones[i].name;
    near = suggest_nearest(name, names, policy->zone_count + 1);
    return orb_fail_at(err, ORB_E_SCHEMA, path, "%s: there is no zone \"%s\"%s%s%s", what, name,
                       SUGGEST_ARGS(near));
}

/* A rule or notrack entry. map: its map; kind: its name in texts. */
struct subject {
    const struct policy *policy;
    const struct policy_rule *rule;
    const char *map, *kind;
};

static int refuse(const struct subject *it, const char *leaf, const char *why, struct orb_err *err)
{
    char path[64];

    snprintf(path, sizeof(path), "/%s/%" PRIu32 "%s", it->map, it->rule->id, leaf);
    return orb_fail_at(err, ORB_E_SCHEMA, path, "%s %" PRIu32 " never matches: %s", it->kind,
                       it->rule->id, why);
}

static int check_end(const struct subject *it, const char *leaf, const char *zone,
                     struct orb_err *err)
{
    char path[64], what[48];

    snprintf(what, sizeof(what), "%s %" PRIu32, it->kind, it->rule->id);
    snprintf(path, sizeof(path), "/%s/%" PRIu32 "%s", it->map, it->rule->id, leaf);
    return check_zone(it->policy, zone, path, what, err);
}

/* The list is the group's as it was when the rule was put. */
static int check_group(const struct subject *it, const char *leaf, const struct policy_group *group,
                       struct orb_err *err)
{
    char path[64];

    if (!group || policy_group_find(&it->policy->groups, group->name) == group)
        return 0;
    snprintf(path, sizeof(path), "/%s/%" PRIu32 "%s", it->map, it->rule->id, leaf);
    return orb_fail_at(err, ORB_E_SCHEMA, path,
                       "%s %" PRIu32 " names group \"%s\", which was changed or deleted after it; "
                       "put the rule again",
                       it->kind, it->rule->id, group->name);
}

static int check_rule(const struct subject *it, struct orb_err *err)
{
    const struct policy_rule *rule = it->rule;
    int r = check_end(it, "/from", rule->from, err);

    if (r == 0)
        r = check_end(it, "/to", rule->to, err);
    if (r < 0)
        return r;
    if (!strcmp(rule->from, "local") && !rule->from_not && !strcmp(rule->to, "local") &&
        !rule->to_not)
        return refuse(it, "/to",
                      "traffic of the appliance with itself always passes; one of from and to must "
                      "be another zone",
                      err);
    r = check_group(it, "/source", rule->source_group, err);
    if (r == 0)
        r = check_group(it, "/destination", rule->destination_group, err);
    if (r < 0)
        return r;
    return policy_rule_families(rule)
               ? 0
               : refuse(it, "",
                        "no address family is common to its sources, destinations and protocol",
                        err);
}

static int check_zones(const struct policy *policy, struct orb_err *err)
{
    if (policy->zone_count > POLICY_MAX_ZONES)
        return orb_fail_at(err, ORB_E_LIMIT, "/zones", "%u zones; the limit is %d",
                           policy->zone_count, POLICY_MAX_ZONES);
    for (unsigned i = 0; i < policy->zone_count; i++) {
        const struct policy_zone *zone = &policy->zones[i];

        for (unsigned k = 0; k < zone->interface_count; k++) {
            int first = policy_interface_zone(policy, zone->interfaces[k]);
            char path[96];

            if (first == (int)i + 1)
                continue;
            snprintf(path, sizeof(path), "/zones/%s/interfaces/%u", zone->name, k);
            return orb_fail_at(err, ORB_E_SCHEMA, path,
                               "interface %s is in the zones %s and %s; it can be in one only",
                               zone->interfaces[k], policy->zones[first - 1].name, zone->name);
        }
    }
    return 0;
}

static int check_groups(const struct policy *policy, struct orb_err *err)
{
    size_t ranges = 0;

    for (unsigned i = 0; i < policy->groups.count; i++)
        ranges += policy->groups.items[i]->range_count;
    if (policy->groups.count > POLICY_MAX_GROUPS)
        return orb_fail_at(err, ORB_E_LIMIT, "/groups", "%u groups; the limit is %d",
                           policy->groups.count, POLICY_MAX_GROUPS);
    if (ranges > POLICY_MAX_GROUPED)
        return orb_fail_at(err, ORB_E_LIMIT, "/groups",
                           "%zu addresses and ranges in all groups; the limit is %d", ranges,
                           POLICY_MAX_GROUPED);
    return 0;
}

static int check_counts(const struct policy *policy, struct orb_err *err)
{
    unsigned forward[2] = {0};
    size_t ranges = 0;

    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        unsigned families = policy_rule_forwards(rule) ? policy_rule_families(rule) : 0;

        forward[0] += families & POLICY_IPV4 ? 1 : 0;
        forward[1] += families & POLICY_IPV6 ? 1 : 0;
        ranges += rule->source_group ? 0 : rule->source_count;
        ranges += rule->destination_group ? 0 : rule->destination_count;
    }
    for (unsigned i = 0; i < policy->notrack_count; i++)
        ranges +=
            (policy->notracks[i].source_group ? 0 : policy->notracks[i].source_count) +
            (policy->notracks[i].destination_group ? 0 : policy->notracks[i].destination_count);
    if (policy->notrack_count > POLICY_MAX_NOTRACK)
        return orb_fail_at(err, ORB_E_LIMIT, "/notrack", "%u notrack rules; the limit is %d",
                           policy->notrack_count, POLICY_MAX_NOTRACK);
    for (unsigned i = 0; i < 2; i++)
        if (forward[i] > POLICY_MAX_RULES)
            return orb_fail_at(err, ORB_E_LIMIT, "/rules",
                               "%u rules forward IPv%d; the limit is %d (use groups: one rule with "
                               "many addresses counts once)",
                               forward[i], i ? 6 : 4, POLICY_MAX_RULES);
    if (policy->rule_count > 2 * POLICY_MAX_RULES)
        return orb_fail_at(err, ORB_E_LIMIT, "/rules", "%u rules; the limit is %d",
                           policy->rule_count, 2 * POLICY_MAX_RULES);
    if (ranges > POLICY_MAX_RANGES)
        return orb_fail_at(err, ORB_E_LIMIT, "/rules",
                           "%zu addresses and ranges in all rules; the limit is %d", ranges,
                           POLICY_MAX_RANGES);
    if (policy->port_count > POLICY_MAX_PORTS)
        return orb_fail_at(err, ORB_E_LIMIT, "/ports", "%u ports; the limit is %d",
                           policy->port_count, POLICY_MAX_PORTS);
    if (policy->nat_count > 2 * POLICY_MAX_NAT)
        return orb_fail_at(err, ORB_E_LIMIT, "", "%u NAT rules; the limit is %d", policy->nat_count,
                           2 * POLICY_MAX_NAT);
    return 0;
}

static int check_nat(const struct policy *policy, const struct policy_nat *nat, struct orb_err *err)
{
    const char *kind = nat->source ? "source" : "destination";
    char path[64], what[48];
    int r;

    snprintf(path, sizeof(path), "/%s-nat/%" PRIu32 "/%s", kind, nat->id,
             nat->source ? "to" : "from");
    snprintf(what, sizeof(what), "%s NAT rule %" PRIu32, kind, nat->id);
    if (nat->source && !strcmp(nat->zone, "local"))
        return orb_fail_at(err, ORB_E_SCHEMA, path, "%s: \"local\" has no interface; name a zone",
                           what);
    r = check_zone(policy, nat->zone, path, what, err);
    if (r < 0 || policy_nat_families(nat))
        return r;
    snprintf(path, sizeof(path), "/%s-nat/%" PRIu32, kind, nat->id);
    return orb_fail_at(err, ORB_E_SCHEMA, path,
                       "%s never matches: no address family is common to its sources, "
                       "destinations, protocol and target",
                       what);
}

/* Each such port is an entry of a map in the kernel. */
static int check_shifted(const struct policy *policy, struct orb_err *err)
{
    size_t ports = 0;

    for (unsigned i = 0; i < policy->nat_count; i++)
        if (policy->nat[i].to_ports.lo != policy->nat[i].to_ports.hi)
            ports += (size_t)policy->nat[i].to_ports.hi - policy->nat[i].to_ports.lo + 1;
    if (ports <= POLICY_MAX_SHIFTED)
        return 0;
    return orb_fail_at(err, ORB_E_LIMIT, "/destination-nat",
                       "%zu ports go to other ports by ranges; the limit is %d in all", ports,
                       POLICY_MAX_SHIFTED);
}

int policy_check(const struct policy *policy, struct orb_err *err)
{
    int r = check_groups(policy, err);

    if (r == 0)
        r = check_counts(policy, err);
    if (r < 0)
        return r;
    r = check_zones(policy, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < policy->rule_count; i++) {
        r = check_rule(&(struct subject){policy, &policy->rules[i], "rules", "rule"}, err);
        if (r < 0)
            return r;
    }
    for (unsigned i = 0; i < policy->nat_count; i++) {
        r = check_nat(policy, &policy->nat[i], err);
        if (r < 0)
            return r;
    }
    for (unsigned i = 0; i < policy->notrack_count; i++) {
        r = check_rule(&(struct subject){policy, &policy->notracks[i], "notrack", "notrack rule"},
                       err);
        if (r < 0)
            return r;
    }
    return check_shifted(policy, err);
}
