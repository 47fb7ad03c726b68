/* The policy model's memory and order, and what follows from single entries. */
#include "dataplane/policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"

void policy_init(struct policy *policy)
{
    *policy = (struct policy){
        .defaults = {.forward = POLICY_DROP, .input = POLICY_ACCEPT, .output = POLICY_ACCEPT}};
}

void policy_rule_fini(struct policy_rule *rule)
{
    bool own_sources = !rule->source_group, own_destinations = !rule->destination_group;

    policy_group_drop(rule->source_group);
    policy_group_drop(rule->destination_group);
    if (rule->in_block)
        return;
    if (own_sources)
        free(rule->sources);
    if (own_destinations)
        free(rule->destinations);
    free(rule->source_ports);
    free(rule->destination_ports);
    if (rule->more)
        free(rule->more->macs);
    free(rule->more);
}

void policy_nat_fini(struct policy_nat *nat)
{
    free(nat->sources);
    free(nat->destinations);
    free(nat->source_ports);
    free(nat->destination_ports);
}

void policy_fini(struct policy *policy)
{
    for (unsigned i = 0; i < policy->rule_count; i++)
        policy_rule_fini(&policy->rules[i]);
    for (unsigned i = 0; i < policy->zone_count; i++)
        free(policy->zones[i].interfaces);
    for (unsigned i = 0; i < policy->nat_count; i++)
        policy_nat_fini(&policy->nat[i]);
    for (unsigned i = 0; i < policy->notrack_count; i++)
        policy_rule_fini(&policy->notracks[i]);
    free(policy->rules);
    free(policy->zones);
    free(policy->ports);
    free(policy->nat);
    free(policy->notracks);
    free(policy->block);
    policy_group_fini(&policy->groups);
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

/* Thousands of small pieces would take most of the time of a copy. */
#define BLOCK_ALIGN(size) (((size) + 7) & ~(size_t)7)

/* Lists of groups are not copied. */
static size_t range_bytes(const struct policy_group *group, unsigned count)
{
    return group ? 0 : BLOCK_ALIGN(count * sizeof(struct policy_range));
}

static size_t rule_bytes(const struct policy_rule *rule)
{
    size_t bytes = range_bytes(rule->source_group, rule->source_count) +
                   range_bytes(rule->destination_group, rule->destination_count) +
                   BLOCK_ALIGN(rule->source_port_count * sizeof(*rule->source_ports)) +
                   BLOCK_ALIGN(rule->destination_port_count * sizeof(*rule->destination_ports));

    if (rule->more)
        bytes += BLOCK_ALIGN(sizeof(*rule->more)) +
                 BLOCK_ALIGN(rule->more->mac_count * sizeof(*rule->more->macs));
    return bytes;
}

static size_t rules_bytes(const struct policy_rule *rules, unsigned count)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < count; i++)
        bytes += rule_bytes(&rules[i]);
    return bytes;
}

/* The next piece of the block; NULL for nothing. */
static void *take(char **at, const void *from, size_t bytes)
{
    void *to = bytes ? *at : NULL;

    if (bytes)
        memcpy(to, from, bytes);
    *at += BLOCK_ALIGN(bytes);
    return to;
}

#define TAKE_LIST(at, from, list, count)                                                           \
    take(at, (from)->list, (from)->count * sizeof(*(from)->list))

static void copy_rule(const struct policy_rule *from, struct policy_rule *to, char **at)
{
    *to = *from;
    to->in_block = true;
    policy_group_use(to->source_group);
    policy_group_use(to->destination_group);
    if (!to->source_group)
        to->sources = TAKE_LIST(at, from, sources, source_count);
    if (!to->destination_group)
        to->destinations = TAKE_LIST(at, from, destinations, destination_count);
    to->source_ports = TAKE_LIST(at, from, source_ports, source_port_count);
    to->destination_ports = TAKE_LIST(at, from, destination_ports, destination_port_count);
    if (!from->more)
        return;
    to->more = take(at, from->more, sizeof(*from->more));
    to->more->macs = TAKE_LIST(at, from->more, macs, mac_count);
}

/* false when there is no memory. */
static bool copy_rules(const struct policy *from, struct policy *to)
{
    char *at = malloc(rules_bytes(from->rules, from->rule_count) +
                      rules_bytes(from->notracks, from->notrack_count) + 1);

    to->block = at;
    if (!at)
        return false;
    for (; to->rule_count < from->rule_count; to->rule_count++)
        copy_rule(&from->rules[to->rule_count], &to->rules[to->rule_count], &at);
    for (; to->notrack_count < from->notrack_count; to->notrack_count++)
        copy_rule(&from->notracks[to->notrack_count], &to->notracks[to->notrack_count], &at);
    return true;
}

static bool copy_nat(const struct policy_nat *from, struct policy_nat *to)
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
    copy.defaults = from->defaults;
    copy.groups = policy_group_share(&from->groups);
    copy.rules = calloc(from->rule_count + 1, sizeof(*copy.rules));
    copy.zones = calloc(from->zone_count + 1, sizeof(*copy.zones));
    copy.nat = calloc(from->nat_count + 1, sizeof(*copy.nat));
    copy.notracks = calloc(from->notrack_count + 1, sizeof(*copy.notracks));
    if (!copy.rules || !copy.zones || !copy.nat || !copy.notracks ||
        !COPY_LIST(&copy, from, ports, port_count))
        goto no_memory;
    copy.port_count = from->port_count;
    if (!copy_rules(from, &copy))
        goto no_memory;
    for (; copy.zone_count < from->zone_count; copy.zone_count++) {
        const struct policy_zone *zone = &from->zones[copy.zone_count];

        copy.zones[copy.zone_count] = *zone;
        if (!COPY_LIST(&copy.zones[copy.zone_count], zone, interfaces, interface_count))
            goto no_memory;
    }
    for (; copy.nat_count < from->nat_count; copy.nat_count++)
        if (!copy_nat(&from->nat[copy.nat_count], &copy.nat[copy.nat_count])) {
            copy.nat_count++;
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

static unsigned list_families(const struct policy_group *group, const struct policy_range *ranges,
                              unsigned count)
{
    return group ? group->families : range_families(ranges, count);
}

unsigned policy_rule_families(const struct policy_rule *rule)
{
    unsigned families =
        list_families(rule->source_group, rule->sources, rule->source_count) &
        list_families(rule->destination_group, rule->destinations, rule->destination_count);

    if (rule->protocol == IPPROTO_ICMP)
        families &= POLICY_IPV4;
    if (rule->protocol == IPPROTO_ICMPV6)
        families &= POLICY_IPV6;
    return families;
}

unsigned policy_nat_families(const struct policy_nat *nat)
{
    unsigned families = range_families(nat->sources, nat->source_count) &
                        range_families(nat->destinations, nat->destination_count);

    if (nat->protocol == IPPROTO_ICMP)
        families &= POLICY_IPV4;
    if (nat->protocol == IPPROTO_ICMPV6)
        families &= POLICY_IPV6;
    if (nat->action == POLICY_NAT_TRANSLATE)
        families &= nat->to_address.family == AF_INET ? POLICY_IPV4 : POLICY_IPV6;
    /* IPv6 is masqueraded only on request ("::/0"). */
    if (nat->action == POLICY_NAT_MASQUERADE && !nat->source_count && !nat->destination_count)
        families &= POLICY_IPV4;
    return families;
}

bool policy_nat_own(const struct policy_nat *nat)
{
    return !nat->source && !strcmp(nat->zone, "local");
}

bool policy_rule_forwards(const struct policy_rule *rule)
{
    return (rule->from_not || strcmp(rule->from, "local")) &&
           (rule->to_not || strcmp(rule->to, "local"));
}

bool policy_rule_decides_new(const struct policy_rule *rule)
{
    return !rule->more || !rule->more->states ||
           (rule->more->states & (POLICY_NEW | POLICY_UNTRACKED));
}

bool policy_rule_is_blind(const struct policy_rule *rule)
{
    return rule->limited || (rule->more && (rule->more->mac_count || rule->more->tcp_mask));
}

bool policy_rule_unsure(const struct policy_rule *rule)
{
    /* "new" is unknown to conntrack, unless other conditions exclude packets. */
    return policy_rule_is_blind(rule) ||
           (rule->more && rule->more->states && !(rule->more->states & POLICY_NEW));
}

static bool same_bytes(const void *a, unsigned count_a, const void *b, unsigned count_b,
                       size_t size)
{
    return count_a == count_b && (!count_a || a == b || !memcmp(a, b, count_a * size));
}

#define SAME_LIST(a, b, list, count)                                                               \
    same_bytes((a)->list, (a)->count, (b)->list, (b)->count, sizeof(*(a)->list))

static bool same_more(const struct policy_rule *a, const struct policy_rule *b)
{
    static const struct policy_more nothing;
    const struct policy_more *x = a->more ? a->more : &nothing, *y = b->more ? b->more : &nothing;

    return SAME_LIST(x, y, macs, mac_count) && x->macs_not == y->macs_not &&
           x->tcp_mask == y->tcp_mask && x->tcp_flags == y->tcp_flags && x->states == y->states;
}

bool policy_rule_matches_same(const struct policy_rule *a, const struct policy_rule *b)
{
    return !strcmp(a->from, b->from) && !strcmp(a->to, b->to) && a->from_not == b->from_not &&
           a->to_not == b->to_not && a->protocol == b->protocol && a->action == b->action &&
           a->icmp_type == b->icmp_type && a->icmp_code == b->icmp_code &&
           SAME_LIST(a, b, sources, source_count) &&
           SAME_LIST(a, b, destinations, destination_count) &&
           SAME_LIST(a, b, source_ports, source_port_count) &&
           SAME_LIST(a, b, destination_ports, destination_port_count) && same_more(a, b);
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
