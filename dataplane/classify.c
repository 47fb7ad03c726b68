/* Building the classifier's data for a policy, and looking it up in user space with the very text
 * the BPF programs compile. */
#include "dataplane/classify.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/classify.bpf.h"
#include "core/base/own.h"
#include "dataplane/classify_impl.h"

_Static_assert(CLASSIFY_MAX_RULES == POLICY_MAX_RULES, "one limit");
_Static_assert(CLASSIFY_ZONE_LOCAL == POLICY_ZONE_LOCAL, "one numbering");
_Static_assert(CLASSIFY_ACCEPT == (int)POLICY_ACCEPT && CLASSIFY_DROP == (int)POLICY_DROP &&
                   CLASSIFY_REJECT == (int)POLICY_REJECT,
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

/* Rules that take part in one family, in order. Returns how many there are, also above the limit.
 */
static uint32_t choose_rules(const struct policy *policy, unsigned family, uint32_t *slots)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        if (!policy_rule_forwards(rule) || !policy_rule_decides_new(rule) ||
            !(policy_rule_families(rule) & family) || !zone_known(policy, rule->from) ||
            !zone_known(policy, rule->to))
            continue;
        if (count < CLASSIFY_MAX_RULES)
            slots[count] = i;
        count++;
    }
    return count;
}

static int build_family(struct classify_builder *builder, const struct policy *policy, int family,
                        const uint32_t *slots, struct classify_table *table, struct orb_err *err)
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
    r = classify_context(builder, policy, slots, table, &contexts);
    if (r == 0)
        fits = classify_dimensions(builder, policy, family, slots, table);
    classify_intern_fini(&builder->rows);
    if (r > 0)
        return orb_fail(err, ORB_E_LIMIT,
                        "the rules name %zu combinations of zones and protocols; the limit is %d",
                        contexts, CLASSIFY_MAX_CONTEXTS);
    return r < 0 || !fits ? no_room(builder, policy, err) : 0;
}

/* Slots of both families. */
static bool build_rules(struct classify_builder *builder, const struct policy *policy,
                        uint32_t *const slots[2])
{
    struct classify_head *head = classify_at(builder, 0);
    struct classify_rule *out;

    head->rules = head->table[0].rules + head->table[1].rules;
    head->table[1].first_slot = head->table[0].rules;
    if (!head->rules)
        return true;
    head->rule_table = classify_alloc(builder, head->rules * sizeof(*out), 64);
    if (!head->rule_table)
        return false;
    out = classify_at(builder, head->rule_table);
    for (unsigned family = 0; family < 2; family++)
        for (uint32_t i = 0; i < head->table[family].rules; i++, out++) {
            const struct policy_rule *rule = &policy->rules[slots[family][i]];

            out->id = rule->id;
            out->action = (__u8)rule->action;
            out->flags =
                (policy_rule_unsure(rule) ? CLASSIFY_UNSURE : 0) | (rule->log ? CLASSIFY_LOG : 0);
            out->index = slots[family][i];
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

        if (nat->source || nat->action == POLICY_NAT_NONE)
            continue;
        if (!policy_has_ports(nat->protocol)) {
            head->dnat_flags[family] |= CLASSIFY_DNAT_ANY;
            continue;
        }
        if (!head->dnat_ports[family])
            head->dnat_ports[family] = classify_alloc(builder, 2 * 8192, 64);
        if (!head->dnat_ports[family])
            return false;
        for (unsigned udp = 0; udp < 2; udp++)
            if (policy_protocol_is(nat->protocol, udp ? IPPROTO_UDP : IPPROTO_TCP))
                mark_ports(nat, classify_at(builder, head->dnat_ports[family] + udp * 8192));
    }
    return true;
}

/* Whether a rule that names states could decide otherwise about a packet than the programs would.
 */
static bool asks_states(const struct policy *policy)
{
    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        unsigned states = rule->more && policy_rule_forwards(rule) ? rule->more->states : 0;

        if ((states & (POLICY_ESTABLISHED | POLICY_RELATED)) &&
            (rule->action != POLICY_ACCEPT || rule->log))
            return true;
        if ((states & POLICY_INVALID) && (rule->action != POLICY_DROP || rule->log))
            return true;
    }
    return false;
}

int classify_build(const struct policy *policy, void *memory, size_t size,
                   struct classify_stats *ret_stats, struct orb_err *err)
{
    AUTO_FREE uint32_t *slots4 = xcalloc(CLASSIFY_MAX_RULES, sizeof(*slots4));
    AUTO_FREE uint32_t *slots6 = xcalloc(CLASSIFY_MAX_RULES, sizeof(*slots6));
    uint32_t *const slots[2] = {slots4, slots6};
    struct classify_builder builder = {
        .memory = memory, .size = size < CLASSIFY_BLOB_BYTES ? size : CLASSIFY_BLOB_BYTES};
    struct classify_head *head = memory;
    int r = 0;

    if (size < sizeof(*head))
        return no_room(&builder, policy, err);
    memset(head, 0, sizeof(*head));
    builder.used = sizeof(*head);
    head->magic = CLASSIFY_MAGIC;
    head->default_forward =
        policy->log_defaults & POLICY_LOG_FORWARD && policy->forward == POLICY_DROP
            ? CLASSIFY_UNDECIDED
            : policy->forward;
    head->asks = asks_states(policy);
    for (unsigned i = 0; i < 2 && r == 0; i++) {
        uint32_t count = choose_rules(policy, i ? POLICY_IPV6 : POLICY_IPV4, slots[i]);

        if (count > CLASSIFY_MAX_RULES) {
            r = orb_fail(err, ORB_E_LIMIT, "%u rules forward IPv%d; the limit is %d", count,
                         i ? 6 : 4, CLASSIFY_MAX_RULES);
            break;
        }
        head->table[i].rules = count;
        r = build_family(&builder, policy, i ? AF_INET6 : AF_INET, slots[i], &head->table[i], err);
    }
    classify_intern_fini(&builder.lines);
    if (r < 0)
        return r;
    if (!build_rules(&builder, policy, slots) || !build_dnat(&builder, policy))
        return no_room(&builder, policy, err);
    head->bytes = (__u32)builder.used;
    if (ret_stats)
        *ret_stats = (struct classify_stats){head->table[0].rules, head->table[1].rules,
                                             builder.classes, builder.used};
    return 0;
}

int classify_lookup(const void *memory, size_t size, const struct classify_header *header)
{
    struct classify_rule rule;
    uint32_t slot;

    if (size < sizeof(struct classify_head))
        return -1;
    if (header->family == AF_INET) {
        struct classify_key4 key = {.source_port = header->source_port,
                                    .destination_port = header->destination_port,
                                    .protocol = header->protocol,
                                    .zone_from = header->zone_from,
                                    .zone_to = header->zone_to};

        memcpy(&key.source, header->source, 4);
        memcpy(&key.destination, header->destination, 4);
        key.source = ntohl(key.source);
        key.destination = ntohl(key.destination);
        slot = classify4(memory, &key);
    } else {
        struct classify_key6 key = {.source_port = header->source_port,
                                    .destination_port = header->destination_port,
                                    .protocol = header->protocol,
                                    .zone_from = header->zone_from,
                                    .zone_to = header->zone_to};
        uint64_t halves[4];

        memcpy(halves, header->source, 16);
        memcpy(halves + 2, header->destination, 16);
        key.source_hi = be64toh(halves[0]);
        key.source_lo = be64toh(halves[1]);
        key.destination_hi = be64toh(halves[2]);
        key.destination_lo = be64toh(halves[3]);
        slot = classify6(memory, &key);
    }
    return classify_rule(memory, slot, &rule) ? (int)rule.index : -1;
}
