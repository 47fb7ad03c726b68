/* NAT of a policy for one connection: the chains of nft_nat.c, read instead of run. conntrack keeps
 * the translation it began with, so a commit has to find out which connections would get another
 * one today. */
#include "dataplane/flow_nat.h"

#include <netinet/in.h>
#include <string.h>

static bool in_zone(const struct policy *policy, const char *zone, const char *interface)
{
    if (!*zone || !strcmp(zone, "local"))
        return true;
    return *interface &&
           policy_interface_zone(policy, interface) == policy_zone_number(policy, zone);
}

/* Compares source and destination as seen by the chain. */
static bool matches(const struct policy *policy, const struct policy_nat *nat,
                    const struct flow *flow, const struct flow_way *way,
                    const struct flow_end *destination)
{
    unsigned family = flow->family == AF_INET ? POLICY_IPV4 : POLICY_IPV6;
    const struct flow_end *source = &flow->original[0];

    if (!policy_protocol_is(nat->protocol, flow->protocol) ||
        (!nat->source && !nat->destination_count && !way->own))
        return false;
    /* Cheap and selective checks first: there may be a thousand entries. */
    return policy_set_in_ports(nat->destination_ports, nat->destination_port_count,
                               destination->port) &&
           policy_set_in_ports(nat->source_ports, nat->source_port_count, source->port) &&
           policy_set_in_ranges(nat->sources, nat->source_count, flow->family, source->address) &&
           policy_set_in_ranges(nat->destinations, nat->destination_count, flow->family,
                                destination->address) &&
           in_zone(policy, nat->zone, nat->source ? way->out : way->in) &&
           (policy_nat_families(nat) & family);
}

static uint16_t target_port(const struct policy_nat *nat, uint16_t port)
{
    if (!nat->to_ports.lo || nat->to_ports.lo == nat->to_ports.hi)
        return nat->to_ports.lo;
    return nat->destination_port_count
               ? (uint16_t)(nat->to_ports.lo + (port - nat->destination_ports[0].lo))
               : 0;
}

struct flow_nat flow_nat_of(const struct policy *policy, bool source, const struct flow *flow,
                            const struct flow_way *way)
{
    const struct flow_end *destination = source ? &flow->reply[0] : &flow->original[1];
    struct flow_nat answer = {.kind = FLOW_NAT_NONE};

    if (source && way->hook == FLOW_HOOK_INPUT)
        return answer; /* the chain does not apply to it */
    for (unsigned i = 0; i < policy->nat_count; i++) {
        const struct policy_nat *nat = &policy->nat[i];

        if (nat->source != source ||
            (!source && policy_nat_own(nat) != (way->hook == FLOW_HOOK_OUTPUT)) ||
            !matches(policy, nat, flow, way, destination))
            continue;
        answer.id = nat->id;
        if (nat->action == POLICY_NAT_MASQUERADE)
            answer.kind = FLOW_NAT_MASQUERADE;
        if (nat->action != POLICY_NAT_TRANSLATE)
            break;
        answer.kind = FLOW_NAT_TO;
        memcpy(answer.address, nat->to_address.lo, sizeof(answer.address));
        answer.port = source ? 0 : target_port(nat, destination->port);
        break;
    }
    return answer;
}

bool flow_nat_same(const struct flow_nat *a, const struct flow_nat *b)
{
    return a->kind == b->kind && a->port == b->port &&
           !memcmp(a->address, b->address, sizeof(a->address));
}

/* The kernel chooses another source port where two connections would become one; the rule names
 * none, so any will do. */
bool flow_nat_holds(const struct flow_nat *nat, bool source, const struct flow *flow,
                    const struct flow_way *way)
{
    const struct flow_end *was = &flow->original[source ? 0 : 1];
    const struct flow_end *is = &flow->reply[source ? 1 : 0];
    const uint8_t *address = nat->kind == FLOW_NAT_TO ? nat->address : was->address;

    if (nat->kind == FLOW_NAT_MASQUERADE)
        return way->hidden;
    return !memcmp(is->address, address, sizeof(is->address)) &&
           (source || is->port == (nat->port ? nat->port : was->port));
}

static bool same_bytes(const void *a, unsigned count_a, const void *b, unsigned count_b,
                       size_t size)
{
    return count_a == count_b && (!count_a || !memcmp(a, b, count_a * size));
}

#define SAME_LIST(a, b, list, count)                                                               \
    same_bytes((a)->list, (a)->count, (b)->list, (b)->count, sizeof(*(a)->list))

static bool same_entry(const struct policy_nat *a, const struct policy_nat *b)
{
    return a->source == b->source && !strcmp(a->zone, b->zone) && a->protocol == b->protocol &&
           a->action == b->action && a->to_address.family == b->to_address.family &&
           !memcmp(a->to_address.lo, b->to_address.lo, sizeof(a->to_address.lo)) &&
           a->to_ports.lo == b->to_ports.lo && a->to_ports.hi == b->to_ports.hi &&
           SAME_LIST(a, b, sources, source_count) &&
           SAME_LIST(a, b, destinations, destination_count) &&
           SAME_LIST(a, b, source_ports, source_port_count) &&
           SAME_LIST(a, b, destination_ports, destination_port_count);
}

bool flow_nat_zone_alike(const struct policy *a, const struct policy *b, const char *name)
{
    int in_a, in_b;

    if (!*name || !strcmp(name, "local"))
        return true;
    in_a = policy_zone_number(a, name);
    in_b = policy_zone_number(b, name);
    if (in_a < 0 || in_b < 0)
        return in_a == in_b;
    return SAME_LIST(&a->zones[in_a - 1], &b->zones[in_b - 1], interfaces, interface_count);
}

bool flow_nat_alike(const struct policy *a, const struct policy *b)
{
    if (a->nat_count != b->nat_count)
        return false;
    for (unsigned i = 0; i < a->nat_count; i++)
        if (!same_entry(&a->nat[i], &b->nat[i]) || !flow_nat_zone_alike(a, b, a->nat[i].zone))
            return false;
    return true;
}
