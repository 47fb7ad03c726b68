/* The policy model's memory, order and cross checks. What the checks refuse here would load in the
 * kernel but not mean what its author thinks. */
#include "dataplane/policy.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"

void policy_init(struct policy *policy)
{
    *policy =
        (struct policy){.forward = POLICY_DROP, .input = POLICY_ACCEPT, .output = POLICY_ACCEPT};
}

void policy_rule_fini(struct policy_rule *rule)
{
    free(rule->sources);
    free(rule->destinations);
    free(rule->source_ports);
    free(rule->destination_ports);
}

void policy_fini(struct policy *policy)
{
    for (unsigned i = 0; i < policy->rule_count; i++)
        policy_rule_fini(&policy->rules[i]);
    for (unsigned i = 0; i < policy->zone_count; i++)
        free(policy->zones[i].interfaces);
    for (unsigned i = 0; i < policy->nat_count; i++)
        free(policy->nat[i].matches);
    free(policy->rules);
    free(policy->zones);
    free(policy->ports);
    free(policy->nat);
    policy_init(policy);
}

/* NULL for nothing; false when there is no memory. */
static bool copy_array(void *ret_to, const void *from, size_t count, size_t size)
{
    void *to = NULL;

    if (count) {
        to = malloc(count * size);
        if (to)
            memcpy(to, from, count * size);
    }
    memcpy(ret_to, &to, sizeof(to));
    return to || !count;
}

#define COPY_LIST(to, from, list, count)                                                           \
    copy_array(&(to)->list, (from)->list, (from)->count, sizeof(*(from)->list))

static bool copy_rule(const struct policy_rule *from, struct policy_rule *to)
{
    *to = *from;
    to->sources = to->destinations = NULL;
    to->source_ports = to->destination_ports = NULL;
    return COPY_LIST(to, from, sources, source_count) &&
           COPY_LIST(to, from, destinations, destination_count) &&
           COPY_LIST(to, from, source_ports, source_port_count) &&
           COPY_LIST(to, from, destination_ports, destination_port_count);
}

int policy_copy(const struct policy *from, struct policy *to)
{
    struct policy copy;

    policy_init(&copy);
    copy.forward = from->forward;
    copy.input = from->input;
    copy.output = from->output;
    copy.rules = calloc(from->rule_count + 1, sizeof(*copy.rules));
    copy.zones = calloc(from->zone_count + 1, sizeof(*copy.zones));
    copy.nat = calloc(from->nat_count + 1, sizeof(*copy.nat));
    if (!copy.rules || !copy.zones || !copy.nat || !COPY_LIST(&copy, from, ports, port_count))
        goto no_memory;
    copy.port_count = from->port_count;
    for (; copy.rule_count < from->rule_count; copy.rule_count++)
        if (!copy_rule(&from->rules[copy.rule_count], &copy.rules[copy.rule_count])) {
            copy.rule_count++;
            goto no_memory;
        }
    for (; copy.zone_count < from->zone_count; copy.zone_count++) {
        const struct policy_zone *zone = &from->zones[copy.zone_count];

        copy.zones[copy.zone_count] = *zone;
        if (!COPY_LIST(&copy.zones[copy.zone_count], zone, interfaces, interface_count))
            goto no_memory;
    }
    for (; copy.nat_count < from->nat_count; copy.nat_count++) {
        const struct policy_nat *nat = &from->nat[copy.nat_count];

        copy.nat[copy.nat_count] = *nat;
        if (!COPY_LIST(&copy.nat[copy.nat_count], nat, matches, match_count))
            goto no_memory;
    }
    *to = copy;
    return 0;
no_memory:
    policy_fini(&copy);
    return ORB_E_NOMEM;
}

static unsigned range_families(const struct policy_range *ranges, unsigned count)
{
    unsigned families = 0;

    if (!count)
        return POLICY_IPV4 | POLICY_IPV6;
    for (unsigned i = 0; i < count; i++)
        families |= ranges[i].family == AF_INET ? POLICY_IPV4 : POLICY_IPV6;
    return families;
}

unsigned policy_rule_families(const struct policy_rule *rule)
{
    unsigned families = range_families(rule->sources, rule->source_count) &
                        range_families(rule->destinations, rule->destination_count);

    if (rule->protocol == IPPROTO_ICMP)
        families &= POLICY_IPV4;
    if (rule->protocol == IPPROTO_ICMPV6)
        families &= POLICY_IPV6;
    return families;
}

bool policy_rule_forwards(const struct policy_rule *rule)
{
    return strcmp(rule->from, "local") && strcmp(rule->to, "local");
}

int policy_zone_number(const struct policy *policy, const char *name)
{
    if (!strcmp(name, "local"))
        return POLICY_ZONE_LOCAL;
    for (unsigned i = 0; i < policy->zone_count; i++)
        if (!strcmp(policy->zones[i].name, name))
            return (int)i + 1;
    return -1;
}

int policy_interface_zone(const struct policy *policy, const char *interface)
{
    for (unsigned i = 0; i < policy->zone_count; i++)
        for (unsigned k = 0; k < policy->zones[i].interface_count; k++)
            if (!strcmp(policy->zones[i].interfaces[k], interface))
                return (int)i + 1;
    return POLICY_ZONE_NONE;
}

static int check_zone(const struct policy *policy, const char *name, const char *path,
                      const char *what, struct orb_err *err)
{
    const char *names[POLICY_MAX_ZONES + 1] = {"local"};
    const char *near;

    if (!*name || policy_zone_number(policy, name) >= 0)
        return 0;
    for (unsigned i = 0; i < policy->zone_count && i < POLICY_MAX_ZONES; i++)
        names[i + 1] = policy->zones[i].name;
    near = nearest_name(name, names, policy->zone_count + 1);
    return orb_fail_at(err, ORB_E_SCHEMA, path, "%s: there is no zone \"%s\"%s%s%s", what, name,
                       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int check_rule(const struct policy *policy, const struct policy_rule *rule,
                      struct orb_err *err)
{
    char path[64], what[32];
    int r;

    snprintf(what, sizeof(what), "rule %" PRIu32, rule->id);
    snprintf(path, sizeof(path), "/rules/%" PRIu32 "/from", rule->id);
    r = check_zone(policy, rule->from, path, what, err);
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "/rules/%" PRIu32 "/to", rule->id);
    r = check_zone(policy, rule->to, path, what, err);
    if (r < 0)
        return r;
    if (!strcmp(rule->from, "local") && !strcmp(rule->to, "local"))
        return orb_fail_at(err, ORB_E_SCHEMA, path,
                           "rule %" PRIu32 " never matches: traffic of the appliance with itself "
                           "always passes; one of from and to must be another zone",
                           rule->id);
    if (policy_rule_families(rule))
        return 0;
    snprintf(path, sizeof(path), "/rules/%" PRIu32, rule->id);
    return orb_fail_at(err, ORB_E_SCHEMA, path,
                       "rule %" PRIu32 " never matches: no address family is common to its "
                       "sources, destinations and protocol",
                       rule->id);
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

static int check_counts(const struct policy *policy, struct orb_err *err)
{
    unsigned forward[2] = {0};
    size_t ranges = 0;

    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        unsigned families = policy_rule_forwards(rule) ? policy_rule_families(rule) : 0;

        forward[0] += families & POLICY_IPV4 ? 1 : 0;
        forward[1] += families & POLICY_IPV6 ? 1 : 0;
        ranges += rule->source_count + rule->destination_count;
    }
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

int policy_check(const struct policy *policy, struct orb_err *err)
{
    int r = check_counts(policy, err);

    if (r < 0)
        return r;
    r = check_zones(policy, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < policy->rule_count; i++) {
        r = check_rule(policy, &policy->rules[i], err);
        if (r < 0)
            return r;
    }
    for (unsigned i = 0; i < policy->nat_count; i++) {
        const struct policy_nat *nat = &policy->nat[i];
        char path[64], what[48];

        snprintf(path, sizeof(path), "/%s-nat/%" PRIu32 "/%s",
                 nat->source ? "source" : "destination", nat->id, nat->source ? "to" : "from");
        snprintf(what, sizeof(what), "%s NAT rule %" PRIu32, nat->source ? "source" : "destination",
                 nat->id);
        if (!strcmp(nat->zone, "local"))
            return orb_fail_at(err, ORB_E_SCHEMA, path,
                               "%s: \"local\" has no interface; name a zone", what);
        r = check_zone(policy, nat->zone, path, what, err);
        if (r < 0)
            return r;
    }
    return 0;
}

const struct policy_rule *policy_find_rule(const struct policy *policy, uint32_t id)
{
    unsigned low = 0, high = policy ? policy->rule_count : 0;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (policy->rules[middle].id == id)
            return &policy->rules[middle];
        if (policy->rules[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
