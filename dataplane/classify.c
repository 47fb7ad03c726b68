/* Building the classifier's data for a policy. */
#include "dataplane/classify.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/classify_internal.h"

_Static_assert(CLASSIFY_MAX_RULES == POLICY_MAX_RULES, "one limit");
_Static_assert(CLASSIFY_ZONE_LOCAL == POLICY_ZONE_LOCAL, "one numbering");
_Static_assert(CLASSIFY_ACCEPT == (int)POLICY_ACCEPT && CLASSIFY_DROP == (int)POLICY_DROP &&
                   CLASSIFY_REJECT == (int)POLICY_REJECT && CLASSIFY_NOTRACK == (int)POLICY_NOTRACK,
               "actions are copied");

static int no_room(const struct classify_builder *builder, const struct policy *policy,
                   struct orb_err *err)
{
    return orb_fail(err, ORB_E_LIMIT,
                    "the fast path's data for %u rules do not fit into %zu MiB: too many different "
                    "addresses or ports overlap; use fewer or wider ones",
                    policy->rule_count, builder->size >> 20);
}

static bool zone_known(const struct policy *policy, const char *name)
{
    return !*name || policy_zone_number(policy, name) >= 0;
}

/* A rule for established connections has no effect on packets of the fast path if it matches on a
 * flag that only packets left to the kernel have. */
#define KERNELS_FLAGS 7 /* FIN, SYN, RST */

static bool decides_known(const struct policy_rule *rule)
{
    const struct policy_more *more = rule->more;

    return more && policy_rule_forwards(rule) && (more->states & POLICY_ESTABLISHED) &&
           !(more->tcp_mask & more->tcp_flags & KERNELS_FLAGS);
}

/* Whether some of them do more than to accept what is accepted anyway. */
static bool asks_known(const struct policy *policy)
{
    for (unsigned i = 0; i < policy->rule_count; i++)
        if (decides_known(&policy->rules[i]) &&
            (policy->rules[i].action != POLICY_ACCEPT || policy->rules[i].log))
            return true;
    return false;
}

/* The same about invalid ones, which are dropped. */
static bool asks_invalid(const struct policy *policy)
{
    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        if (rule->more && policy_rule_forwards(rule) && (rule->more->states & POLICY_INVALID) &&
            (rule->action != POLICY_DROP || rule->log))
            return true;
    }
    return false;
}

static bool takes_part(const struct policy *policy, unsigned list, const struct policy_rule *rule)
{
    if (!zone_known(policy, rule->from) || !zone_known(policy, rule->to))
        return false;
    return list == CLASSIFY_TRACK   ? true
           : list == CLASSIFY_KNOWN ? decides_known(rule)
                                    : policy_rule_forwards(rule) && policy_rule_decides_new(rule);
}

/* Rules of a list for one family, in order. chosen has room for all. */
static uint32_t choose_rules(const struct policy *policy, unsigned list, unsigned family,
                             const struct policy_rule **chosen)
{
    bool track = list == CLASSIFY_TRACK;
    unsigned all = track ? policy->notrack_count : policy->rule_count;
    uint32_t count = 0;

    if (list == CLASSIFY_KNOWN && !asks_known(policy))
        return 0;
    for (unsigned i = 0; i < all; i++) {
        const struct policy_rule *rule = track ? &policy->notracks[i] : &policy->rules[i];

        if (takes_part(policy, list, rule) && (policy_rule_families(rule) & family))
            chosen[count++] = rule;
    }
    return count;
}

static int build_family(struct classify_builder *builder, const struct policy *policy, int family,
                        const struct policy_rule *const *rules, struct classify_table *table,
                        struct orb_err *err)
{
    size_t contexts;
    bool fits = true;
    int r = 0;

    if (!table->rules)
        return 0;
    builder->words = (table->rules + 63) / 64;
    builder->summary_words = (builder->words + 63) / 64;
    builder->line_count = (builder->words + CLASSIFY_LINE_WORDS - 1) / CLASSIFY_LINE_WORDS;
    table->summary_bytes = builder->summary_words * 8;
    r = classify_dimensions_context(builder, policy, rules, table, &contexts);
    if (r == 0)
        fits = classify_dimensions(builder, family, rules, table);
    classify_rows_intern_fini(&builder->rows);
    if (r > 0)
        return orb_fail(err, ORB_E_LIMIT,
                        "the rules name %zu combinations of zones and protocols; the limit is %d",
                        contexts, CLASSIFY_MAX_CONTEXTS);
    return r < 0 || !fits ? no_room(builder, policy, err) : 0;
}

/* Slots of all tables, one after the other. */
static bool build_rules(struct classify_builder *builder, const struct policy *policy,
                        const struct policy_rule **const chosen[CLASSIFY_TABLES])
{
    struct classify_head *head = classify_at(builder, 0);
    struct classify_rule *out;

    for (unsigned i = 0; i < CLASSIFY_TABLES; i++) {
        head->table[i].first_slot = head->rules;
        head->rules += head->table[i].rules;
    }
    if (!head->rules)
        return true;
    head->rule_table = classify_rows_alloc(builder, head->rules * sizeof(*out), 64);
    if (!head->rule_table)
        return false;
    out = classify_at(builder, head->rule_table);
    for (unsigned table = 0; table < CLASSIFY_TABLES; table++)
        for (uint32_t i = 0; i < head->table[table].rules; i++, out++) {
            const struct policy_rule *rule = chosen[table][i];
            bool group = rule->source_group || rule->destination_group;
            bool unsure =
                (group && builder->coarse) ||
                (table < CLASSIFY_KNOWN ? policy_rule_unsure(rule) : policy_rule_is_blind(rule));

            out->id = rule->id;
            out->action = (__u8)rule->action;
            out->flags = (unsure ? CLASSIFY_UNSURE : 0) | (rule->log ? CLASSIFY_LOG : 0);
            out->index =
                (uint32_t)(rule - (table < CLASSIFY_TRACK ? policy->rules : policy->notracks));
        }
    return true;
}

/* Ports of one destination NAT rule for one protocol. */
static void mark_ports(const struct policy_nat *nat, uint64_t *bits)
{
    static const struct policy_ports any = {0, 65535};
    unsigned count = nat->destination_port_count ? nat->destination_port_count : 1;
    const struct policy_ports *ports = nat->destination_port_count ? nat->destination_ports : &any;

    for (unsigned i = 0; i < count; i++)
        for (uint32_t port = ports[i].lo; port <= ports[i].hi; port++)
            bits[port / 64] |= 1ull << (port & 63);
}

/* An exception translates nothing; that what it holds for may pass one of the others is safe. */
static bool build_dnat(struct classify_builder *builder, const struct policy *policy)
{
    struct classify_head *head = classify_at(builder, 0);

    for (unsigned i = 0; i < policy->nat_count; i++) {
        const struct policy_nat *nat = &policy->nat[i];
        unsigned family = nat->to_address.family == AF_INET ? 0 : 1;

        if (nat->source || nat->action == POLICY_NAT_NONE || policy_nat_own(nat))
            continue;
        if (!policy_has_ports(nat->protocol)) {
            head->dnat_flags[family] |= CLASSIFY_DNAT_ANY;
            continue;
        }
        if (!head->dnat_ports[family])
            head->dnat_ports[family] = classify_rows_alloc(builder, 2 * 8192, 64);
        if (!head->dnat_ports[family])
            return false;
        for (unsigned udp = 0; udp < 2; udp++)
            if (policy_protocol_is(nat->protocol, udp ? IPPROTO_UDP : IPPROTO_TCP))
                mark_ports(nat, classify_at(builder, head->dnat_ports[family] + udp * 8192));
    }
    return true;
}

static void build_head(const struct policy *policy, struct classify_head *head)
{
    memset(head, 0, sizeof(*head));
    head->magic = CLASSIFY_MAGIC;
    head->default_forward =
        policy->defaults.log & POLICY_LOG_FORWARD && policy->defaults.forward == POLICY_DROP
            ? CLASSIFY_UNDECIDED
            : policy->defaults.forward;
    head->asks_invalid = asks_invalid(policy);
}

/* Table number i, of CLASSIFY_NEW … and the family. */
static int build_table(struct classify_builder *builder, const struct policy *policy, unsigned i,
                       const struct policy_rule **chosen, struct orb_err *err)
{
    struct classify_head *head = classify_at(builder, 0);
    bool six = i & 1;
    uint32_t count = choose_rules(policy, i & ~1u, six ? POLICY_IPV6 : POLICY_IPV4, chosen);

    if (count > CLASSIFY_MAX_RULES)
        return orb_fail(err, ORB_E_LIMIT, "%u rules forward IPv%d; the limit is %d", count,
                        six ? 6 : 4, CLASSIFY_MAX_RULES);
    head->table[i].rules = count;
    return build_family(builder, policy, six ? AF_INET6 : AF_INET, chosen, &head->table[i], err);
}

static unsigned rules_most(const struct policy *policy)
{
    return policy->rule_count > policy->notrack_count ? policy->rule_count : policy->notrack_count;
}

static int build(struct classify_builder *builder, const struct policy *policy, struct orb_err *err)
{
    unsigned most = rules_most(policy);
    AUTO_FREE const struct policy_rule **all =
        xcalloc((size_t)CLASSIFY_TABLES * (most + 1), sizeof(*all));
    const struct policy_rule **chosen[CLASSIFY_TABLES];
    struct classify_head *head = classify_at(builder, 0);
    int r = 0;

    build_head(policy, head);
    head->coarse = builder->coarse;
    builder->used = sizeof(*head);
    for (unsigned i = 0; i < CLASSIFY_TABLES && r == 0; i++) {
        chosen[i] = &all[(size_t)i * (most + 1)];
        r = build_table(builder, policy, i, chosen[i], err);
    }
    classify_rows_intern_fini(&builder->lines);
    if (r < 0)
        return r;
    if (!build_rules(builder, policy, chosen) || !build_dnat(builder, policy))
        return no_room(builder, policy, err);
    head->bytes = (__u32)builder->used;
    return 0;
}

static bool has_groups(const struct policy *policy)
{
    for (unsigned i = 0; i < policy->rule_count; i++)
        if (policy->rules[i].source_group || policy->rules[i].destination_group)
            return true;
    for (unsigned i = 0; i < policy->notrack_count; i++)
        if (policy->notracks[i].source_group || policy->notracks[i].destination_group)
            return true;
    return false;
}

int classify_build(const struct policy *policy, void *memory, size_t size,
                   struct classify_stats *ret_stats, struct orb_err *err)
{
    struct classify_builder builder = {
        .memory = memory, .size = size < CLASSIFY_BLOB_BYTES ? size : CLASSIFY_BLOB_BYTES};
    struct classify_head *head = memory;
    int r;

    if (size < sizeof(*head))
        return no_room(&builder, policy, err);
    r = build(&builder, policy, err);
    if (r == ORB_E_LIMIT && has_groups(policy)) {
        builder = (struct classify_builder){.memory = memory, .size = builder.size, .coarse = true};
        r = build(&builder, policy, err);
    }
    if (r < 0)
        return r;
    if (ret_stats)
        *ret_stats = (struct classify_stats){head->table[0].rules, head->table[1].rules,
                                             builder.classes, builder.used};
    return 0;
}

/* ---- from what was built for another policy ---- */

#define SAME_LIST(a, b, list, count)                                                               \
    ((a)->count == (b)->count && (!(a)->count || (a)->list == (b)->list ||                         \
                                  !memcmp((a)->list, (b)->list, (a)->count * sizeof(*(a)->list))))

/* Whether they match the same packets, whatever they do with them. */
static bool same_conditions(const struct policy_rule *a, const struct policy_rule *b)
{
    return !strcmp(a->from, b->from) && !strcmp(a->to, b->to) && a->from_not == b->from_not &&
           a->to_not == b->to_not && a->protocol == b->protocol && a->icmp_type == b->icmp_type &&
           a->icmp_code == b->icmp_code && SAME_LIST(a, b, sources, source_count) &&
           SAME_LIST(a, b, destinations, destination_count) &&
           SAME_LIST(a, b, source_ports, source_port_count) &&
           SAME_LIST(a, b, destination_ports, destination_port_count);
}

/* Zones go by their numbers, and by whether they have interfaces. */
static bool same_numbers(const struct policy *a, const struct policy *b)
{
    if (a->zone_count != b->zone_count)
        return false;
    for (unsigned i = 0; i < a->zone_count; i++)
        if (strcmp(a->zones[i].name, b->zones[i].name) ||
            !a->zones[i].interface_count != !b->zones[i].interface_count)
            return false;
    return true;
}

static bool same_table(const struct policy *policy, const struct policy *before, unsigned i,
                       const struct policy_rule **chosen, const struct policy_rule **old)
{
    unsigned family = i & 1 ? POLICY_IPV6 : POLICY_IPV4;
    uint32_t count = choose_rules(policy, i & ~1u, family, chosen);

    if (choose_rules(before, i & ~1u, family, old) != count)
        return false;
    for (uint32_t k = 0; k < count; k++)
        if (!same_conditions(chosen[k], old[k]))
            return false;
    return true;
}

bool classify_again(const struct policy *policy, void *memory, const struct policy *before,
                    const void *built, struct classify_stats *ret_stats)
{
    unsigned most = rules_most(policy);
    AUTO_FREE const struct policy_rule **all =
        xcalloc((size_t)CLASSIFY_TABLES * (most + 1), sizeof(*all));
    AUTO_FREE const struct policy_rule **old = xcalloc(rules_most(before) + 1, sizeof(*old));
    const struct policy_rule **chosen[CLASSIFY_TABLES];
    const struct classify_head *from = built;
    struct classify_head *head = memory;
    struct classify_builder builder = {.memory = memory, .size = CLASSIFY_BLOB_BYTES};

    if (!same_numbers(policy, before) || !from->rules)
        return false;
    for (unsigned i = 0; i < CLASSIFY_TABLES; i++) {
        chosen[i] = &all[(size_t)i * (most + 1)];
        if (!same_table(policy, before, i, chosen[i], old))
            return false;
    }
    memcpy(memory, built, from->rule_table); /* what follows is made anew */
    build_head(policy, head);
    memcpy(head->table, from->table, sizeof(head->table));
    head->coarse = from->coarse;
    builder.coarse = from->coarse;
    builder.used = from->rule_table;
    if (!build_rules(&builder, policy, chosen) || !build_dnat(&builder, policy))
        return false;
    head->bytes = (__u32)builder.used;
    ret_stats->bytes = builder.used;
    return true;
}
