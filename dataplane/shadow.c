/* Finds shadowed rules. Comparing all rules with all would take seconds for sixteen thousand. If
 * few rules changed, only these are compared with the others. If many did, the classifier is asked
 * for one packet of each rule: where it finds that rule, no other covers it, and most rules are
 * found so. */
#include "dataplane/shadow.h"

#include <netinet/in.h>
#include <string.h>

#include "bpf/classify.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/classify.h"
#include "dataplane/nft_match.h"

#define FEW 64              /* changed rules that are compared with all others */
#define COMPARISONS 4000000 /* at most, when many changed: some ten milliseconds */
#define NO_PROTOCOL 253     /* RFC 3692: for experiments, so no rule for a protocol has it */

/* ---- one rule and another ---- */

static bool covers_side(const char *a, bool a_not, const char *b, bool b_not)
{
    bool local = !strcmp(b, "local") && !b_not;

    if (!*a)
        return true;
    if (!strcmp(a, b) && a_not == b_not && *b)
        return true;
    if (!a_not || !*b || local)
        return false;
    if (!strcmp(a, "local")) /* any interface */
        return true;
    return !b_not && strcmp(a, b); /* another zone */
}

static bool covers_protocol(const struct policy_rule *a, const struct policy_rule *b)
{
    if (a->icmp_type >= 0 && a->icmp_type != b->icmp_type)
        return false;
    if (a->icmp_code >= 0 && a->icmp_code != b->icmp_code)
        return false;
    return a->protocol < 0 || a->protocol == b->protocol ||
           (b->protocol >= 0 && policy_protocol_is(a->protocol, b->protocol));
}

/* Lists are sorted, without overlap, neighbours joined. */
static bool covers_ranges(const struct policy_range *a, unsigned a_count,
                          const struct policy_range *b, unsigned b_count)
{
    if (!a_count || (a == b && b_count))
        return true;
    for (unsigned i = 0; i < b_count; i++) {
        unsigned low = 0, high = a_count; /* the last one that begins at or before it */

        while (low < high) {
            unsigned middle = low + (high - low) / 2;

            if (a[middle].family < b[i].family ||
                (a[middle].family == b[i].family && memcmp(a[middle].lo, b[i].lo, 16) <= 0))
                low = middle + 1;
            else
                high = middle;
        }
        if (!low || a[low - 1].family != b[i].family || memcmp(b[i].hi, a[low - 1].hi, 16) > 0)
            return false;
    }
    return b_count > 0;
}

static bool covers_ports(const struct policy_ports *a, unsigned a_count,
                         const struct policy_ports *b, unsigned b_count)
{
    if (!a_count)
        return true;
    for (unsigned i = 0; i < b_count; i++) {
        unsigned k = 0;

        while (k < a_count && (a[k].lo > b[i].lo || b[i].hi > a[k].hi))
            k++;
        if (k == a_count)
            return false;
    }
    return b_count > 0;
}

static unsigned states_of(const struct policy_rule *rule)
{
    return rule->more ? rule->more->states : 0;
}

static bool covers_states(const struct policy_rule *a, const struct policy_rule *b)
{
    unsigned first = POLICY_NEW | POLICY_UNTRACKED;

    return states_of(a) == states_of(b) ||
           (!states_of(a) && !(states_of(b) & ~first)); /* what reaches the rules */
}

/* Rules that apply to what the appliance sends or gets exist at these hooks only. */
static bool covers_hooks(const struct policy_rule *a, const struct policy_rule *b)
{
    for (int hook = 0; hook < 3; hook++)
        if (nft_match_hook(b, hook == 1, hook == 2) && !nft_match_hook(a, hook == 1, hook == 2))
            return false;
    return true;
}

/* Whether a, which comes first, decides about every packet that b matches. */
static bool covers(const struct policy_rule *a, const struct policy_rule *b)
{
    return !policy_rule_is_blind(a) && covers_side(a->from, a->from_not, b->from, b->from_not) &&
           covers_side(a->to, a->to_not, b->to, b->to_not) && covers_protocol(a, b) &&
           covers_ports(a->destination_ports, a->destination_port_count, b->destination_ports,
                        b->destination_port_count) &&
           covers_ports(a->source_ports, a->source_port_count, b->source_ports,
                        b->source_port_count) &&
           covers_ranges(a->destinations, a->destination_count, b->destinations,
                         b->destination_count) &&
           covers_ranges(a->sources, a->source_count, b->sources, b->source_count) &&
           !(policy_rule_families(b) & ~policy_rule_families(a)) && covers_states(a, b) &&
           covers_hooks(a, b);
}

/* ---- all of them ---- */

struct search {
    const struct policy *policy;
    const void *memory;
    const bool *changed;
    struct shadow_list *list;
    unsigned left; /* comparisons */
};

static void note(struct search *search, unsigned rule, unsigned by)
{
    struct shadow_list *list = search->list;

    if (list->count == SHADOW_MAX)
        list->more++;
    else
        list->items[list->count++] =
            (struct shadow){search->policy->rules[rule].id, search->policy->rules[by].id};
}

/* One packet that the rule matches. false: it is not forwarded, or none is known. */
static bool packet_of(const struct policy *policy, const struct policy_rule *rule,
                      struct classify_header *ret_header)
{
    int from = policy_zone_number(policy, rule->from), to = policy_zone_number(policy, rule->to);
    struct classify_header h = {.family = AF_INET, .protocol = NO_PROTOCOL};

    if (!policy_rule_forwards(rule) || !policy_rule_decides_new(rule))
        return false;
    if (!(policy_rule_families(rule) & POLICY_IPV4))
        h.family = AF_INET6;
    if (rule->protocol == POLICY_TCP_UDP)
        h.protocol = IPPROTO_TCP;
    else if (rule->protocol >= 0)
        h.protocol = (uint8_t)rule->protocol;
    h.zone_from = from > 0 && !rule->from_not ? (uint8_t)from : POLICY_ZONE_NONE;
    h.zone_to = to > 0 && !rule->to_not ? (uint8_t)to : POLICY_ZONE_NONE;
    for (unsigned i = 0; i < rule->source_count; i++)
        if (rule->sources[i].family == h.family)
            memcpy(h.source, rule->sources[i].hi, 16);
    for (unsigned i = 0; i < rule->destination_count; i++)
        if (rule->destinations[i].family == h.family)
            memcpy(h.destination, rule->destinations[i].hi, 16);
    if (rule->source_port_count)
        h.source_port = rule->source_ports[0].lo;
    if (rule->destination_port_count)
        h.destination_port = rule->destination_ports[0].lo;
    if (rule->icmp_type >= 0)
        h.destination_port =
            (uint16_t)(rule->icmp_type << 8 | (rule->icmp_code < 0 ? 0 : rule->icmp_code));
    *ret_header = h;
    return true;
}

/* The first rule before it that covers it. -1: none, or too many comparisons. */
static int cover_of(struct search *search, unsigned rule)
{
    const struct policy_rule *rules = search->policy->rules;
    struct classify_header header;

    if (search->memory && packet_of(search->policy, &rules[rule], &header)) {
        int found = classify_lookup(search->memory, CLASSIFY_BLOB_BYTES, &header);

        if (found < 0 || (unsigned)found >= rule)
            return -1;
        if (covers(&rules[found], &rules[rule]))
            return found;
    }
    for (unsigned by = 0; by < rule && search->left; by++, search->left--)
        if (covers(&rules[by], &rules[rule]))
            return (int)by;
    return -1;
}

static void find_many(struct search *search)
{
    for (unsigned i = 0; i < search->policy->rule_count; i++) {
        int by = cover_of(search, i);

        if (by >= 0 && (search->changed[i] || search->changed[by]))
            note(search, i, (unsigned)by);
    }
}

/* few: the changed ones, in their order. */
static void find_few(struct search *search, const unsigned few[FEW], unsigned count)
{
    const struct policy_rule *rules = search->policy->rules;

    for (unsigned i = 0; i < search->policy->rule_count; i++) {
        bool all = search->changed[i];
        unsigned most = all ? i : count;

        for (unsigned k = 0; k < most; k++) {
            unsigned by = all ? k : few[k];

            if (by < i && covers(&rules[by], &rules[i])) {
                note(search, i, by);
                break;
            }
        }
    }
}

void shadow_find(const struct policy *policy, const void *memory, const struct policy *before,
                 struct shadow_list *ret_list)
{
    AUTO_FREE bool *changed = xcalloc(policy->rule_count + 1, sizeof(*changed));
    struct search search = {policy, memory, changed, ret_list, COMPARISONS};
    unsigned few[FEW], count = 0;

    *ret_list = (struct shadow_list){0};
    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *was = policy_find_rule(before, policy->rules[i].id);

        changed[i] = !was || !policy_rule_matches_same(&policy->rules[i], was);
        if (changed[i] && count < FEW)
            few[count] = i;
        count += changed[i];
    }
    if (!count)
        return;
    if (count <= FEW)
        find_few(&search, few, count);
    else
        find_many(&search);
}
