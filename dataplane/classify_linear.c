/* The policy evaluated rule by rule: the reference with which the built data is compared before
 * use. Shares nothing with the builder but the policy. */
#include <arpa/inet.h>
#include <string.h>

#include "dataplane/classify.h"

static bool in_ranges(const struct policy_range *ranges, unsigned count, uint8_t family,
                      const uint8_t address[16])
{
    size_t bytes = family == AF_INET ? 4 : 16;

    if (!count)
        return true;
    if (count >= POLICY_GROUP_SHARED)
        return policy_set_in_ranges(ranges, count, family, address);
    for (unsigned i = 0; i < count; i++)
        if (ranges[i].family == family && memcmp(ranges[i].lo, address, bytes) <= 0 &&
            memcmp(address, ranges[i].hi, bytes) <= 0)
            return true;
    return false;
}

static bool in_ports(const struct policy_ports *ports, unsigned count, uint16_t port)
{
    if (!count)
        return true;
    for (unsigned i = 0; i < count; i++)
        if (ports[i].lo <= port && port <= ports[i].hi)
            return true;
    return false;
}

static bool in_zone(const struct policy *policy, const char *name, bool out, uint8_t zone)
{
    return !*name || (policy_zone_number(policy, name) == zone) != out;
}

static bool matches(const struct policy *policy, const struct policy_rule *rule,
                    const struct classify_header *header)
{
    if (!policy_protocol_is(rule->protocol, header->protocol))
        return false;
    if (rule->protocol == IPPROTO_ICMP && header->family != AF_INET)
        return false;
    if (rule->protocol == IPPROTO_ICMPV6 && header->family != AF_INET6)
        return false;
    if (rule->icmp_type >= 0 && rule->icmp_type != header->destination_port >> 8)
        return false;
    if (rule->icmp_code >= 0 && rule->icmp_code != (header->destination_port & 255))
        return false;
    return in_ports(rule->source_ports, rule->source_port_count, header->source_port) &&
           in_ports(rule->destination_ports, rule->destination_port_count,
                    header->destination_port) &&
           in_ranges(rule->sources, rule->source_count, header->family, header->source) &&
           in_ranges(rule->destinations, rule->destination_count, header->family,
                     header->destination) &&
           in_zone(policy, rule->from, rule->from_not, header->zone_from) &&
           in_zone(policy, rule->to, rule->to_not, header->zone_to);
}

bool classify_linear_matches(const struct policy *policy, const struct policy_rule *rule,
                             const struct classify_header *header)
{
    return matches(policy, rule, header) && policy_rule_forwards(rule) &&
           policy_rule_decides_new(rule);
}

int classify_linear_known(const struct policy *policy, const struct classify_header *header)
{
    const unsigned never = 7; /* FIN, SYN and RST are no packets of the fast path */

    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_more *more = policy->rules[i].more;

        if (more && (more->states & POLICY_ESTABLISHED) &&
            !(more->tcp_mask & more->tcp_flags & never) &&
            matches(policy, &policy->rules[i], header) && policy_rule_forwards(&policy->rules[i]))
            return (int)i;
    }
    return -1;
}

int classify_linear_track(const struct policy *policy, const struct classify_header *header)
{
    for (unsigned i = 0; i < policy->notrack_count; i++)
        if (matches(policy, &policy->notracks[i], header))
            return (int)i;
    return -1;
}

int classify_linear(const struct policy *policy, const struct classify_header *header)
{
    for (unsigned i = 0; i < policy->rule_count; i++)
        if (classify_linear_matches(policy, &policy->rules[i], header))
            return (int)i;
    return -1;
}
