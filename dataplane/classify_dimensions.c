/* What each dimension takes from the rules: addresses, ports and the context, which is zone pair
 * and protocol in one (both are few, and one row less to read is a fifth of the work). */
#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/classify_internal.h"

static inline void own_edges(struct classify_edges *edges)
{
    classify_sweep_edges_fini(edges);
}

static void address_value(int family, const uint8_t address[16], uint64_t ret_value[2])
{
    if (family == AF_INET) {
        uint32_t four;

        memcpy(&four, address, 4);
        ret_value[0] = 0;
        ret_value[1] = ntohl(four);
        return;
    }
    memcpy(ret_value, address, 16);
    ret_value[0] = be64toh(ret_value[0]);
    ret_value[1] = be64toh(ret_value[1]);
}

static void add_ranges(struct classify_edges *edges, uint32_t slot, int family,
                       const struct policy_range *ranges, unsigned count)
{
    const uint64_t last[2] = {family == AF_INET ? 0 : UINT64_MAX,
                              family == AF_INET ? UINT32_MAX : UINT64_MAX};

    for (unsigned i = 0; i < count; i++) {
        uint64_t lo[2], hi[2];

        if (ranges[i].family != family)
            continue;
        address_value(family, ranges[i].lo, lo);
        address_value(family, ranges[i].hi, hi);
        classify_sweep_edges_add(edges, slot, lo, hi, last);
    }
}

/* Edges of one rule's list; false: the rule matches every address. Merging first: two ranges of one
 * rule that overlap would switch its bit off inside the other. */
static bool add_addresses(struct classify_edges *edges, uint32_t slot, int family,
                          const struct policy_range *ranges, unsigned count)
{
    AUTO_FREE struct policy_range *merged = NULL;

    if (!count)
        return false;
    merged = xcalloc(count, sizeof(*merged));
    memcpy(merged, ranges, count * sizeof(*merged));
    count = policy_set_merge_ranges(merged, count);
    add_ranges(edges, slot, family, merged, count);
    return true;
}

/* The same where the list is a group. */
static bool add_group(struct classify_edges *edges, uint32_t slot, int family,
                      const struct policy_group *group)
{
    bool new;
    uint32_t index = classify_sweep_edges_share(edges, group, slot, &new);

    if (new)
        add_ranges(edges, CLASSIFY_SHARED | index, family, group->ranges, group->range_count);
    return true;
}

static void add_ports(struct classify_edges *edges, uint32_t slot, uint16_t lo, uint16_t hi)
{
    const uint64_t from[2] = {0, lo}, to[2] = {0, hi}, last[2] = {0, 65535};

    classify_sweep_edges_add(edges, slot, from, to, last);
}

static bool add_port_list(struct classify_edges *edges, uint32_t slot,
                          const struct policy_ports *ports, unsigned count)
{
    AUTO_FREE struct policy_ports *merged = NULL;

    if (!count)
        return false;
    merged = xcalloc(count, sizeof(*merged));
    memcpy(merged, ports, count * sizeof(*merged));
    count = policy_set_merge_ports(merged, count);
    for (unsigned i = 0; i < count; i++)
        add_ports(edges, slot, merged[i].lo, merged[i].hi);
    return true;
}

enum dimension { SOURCE, DESTINATION, SOURCE_PORT, DESTINATION_PORT };

static bool add_rule(const struct classify_builder *builder, struct classify_edges *edges,
                     enum dimension dimension, uint32_t slot, int family,
                     const struct policy_rule *rule)
{
    switch (dimension) {
    case SOURCE:
        if (rule->source_group)
            return !builder->coarse && add_group(edges, slot, family, rule->source_group);
        return add_addresses(edges, slot, family, rule->sources, rule->source_count);
    case DESTINATION:
        if (rule->destination_group)
            return !builder->coarse && add_group(edges, slot, family, rule->destination_group);
        return add_addresses(edges, slot, family, rule->destinations, rule->destination_count);
    case SOURCE_PORT:
        return add_port_list(edges, slot, rule->source_ports, rule->source_port_count);
    case DESTINATION_PORT:
        break;
    }
    if (rule->icmp_type >= 0) {
        int code = rule->icmp_code;

        add_ports(edges, slot, (uint16_t)(rule->icmp_type << 8 | (code < 0 ? 0 : code)),
                  (uint16_t)(rule->icmp_type << 8 | (code < 0 ? 255 : code)));
        return true;
    }
    return add_port_list(edges, slot, rule->destination_ports, rule->destination_port_count);
}

static size_t sweep(struct classify_builder *builder, enum dimension dimension, int family,
                    const struct policy_rule *const *rules, uint32_t count,
                    struct classify_interval **ret_intervals)
{
    AUTO(edges) struct classify_edges edges = {0};
    struct classify_cursor cursor;

    classify_rows_cursor_init(&cursor);
    for (uint32_t slot = 0; slot < count; slot++)
        if (!add_rule(builder, &edges, dimension, slot, family, rules[slot]))
            classify_rows_cursor_flip(&cursor, slot, true);
    return classify_sweep(builder, &cursor, &edges, ret_intervals);
}

static uint32_t port_table(struct classify_builder *builder,
                           const struct classify_interval *intervals, size_t count)
{
    uint32_t offset = classify_rows_alloc(builder, 65536 * 4, 64);
    size_t at = 0;

    for (uint32_t port = 0; offset && port < 65536; port++) {
        if (at + 1 < count && intervals[at + 1].lo <= port)
            at++;
        ((uint32_t *)classify_at(builder, offset))[port] = intervals[at].row;
    }
    return offset;
}

bool classify_dimensions(struct classify_builder *builder, int family,
                         const struct policy_rule *const *rules, struct classify_table *table)
{
    uint32_t *const port_tables[] = {&table->source_ports, &table->destination_ports};
    uint32_t *const tries[] = {&table->source4, &table->destination4};
    struct classify_search *const searches[] = {&table->source6, &table->destination6};

    for (int i = 0; i < 4; i++) {
        static const enum dimension order[] = {SOURCE_PORT, DESTINATION_PORT, SOURCE, DESTINATION};
        AUTO_FREE struct classify_interval *intervals = NULL;
        size_t count = sweep(builder, order[i], family, rules, table->rules, &intervals);

        if (!count)
            return false;
        if (i < 2) {
            *port_tables[i] = port_table(builder, intervals, count);
            if (!*port_tables[i])
                return false;
        } else if (family == AF_INET) {
            *tries[i - 2] = classify_sweep_trie4(builder, intervals, count);
            if (!*tries[i - 2])
                return false;
        } else if (!classify_sweep_search6(builder, intervals, count, searches[i - 2])) {
            return false;
        }
    }
    return true;
}

/* Values of one small dimension that some rule names get a class each, the others share class 0. */
struct classes {
    uint16_t of[256];
    int value[257]; /* of a class; class 0: -1 */
    size_t count;
};

static void add_class(struct classes *classes, int value)
{
    if (value < 0 || classes->of[value])
        return;
    classes->value[classes->count] = value;
    classes->of[value] = (uint16_t)classes->count++;
}

static void add_protocol_class(struct classes *classes, int protocol)
{
    if (protocol != POLICY_TCP_UDP) {
        add_class(classes, protocol);
        return;
    }
    add_class(classes, IPPROTO_TCP);
    add_class(classes, IPPROTO_UDP);
}

/* A protocol or zone a rule is for: -1 any, below that EXCEPT. */
#define EXCEPT(value) (-2 - (value))

static bool is_wanted(int wanted, int value)
{
    return wanted < -1 ? value != EXCEPT(wanted) : policy_protocol_is(wanted, value);
}

/* The rules that match each class: words of bits, class by class. */
static uint64_t *class_bits(const struct classes *classes, const int *wanted, uint32_t count,
                            unsigned words)
{
    uint64_t *bits = xcalloc(classes->count * words, sizeof(*bits));

    for (size_t class = 0; class < classes->count; class ++)
        for (uint32_t slot = 0; slot < count; slot++)
            if (is_wanted(wanted[slot], classes->value[class]))
                bits[class * words + slot / 64] |= 1ull << (slot & 63);
    return bits;
}

static uint32_t context_row(struct classify_builder *builder, struct classify_cursor *cursor,
                            const uint64_t *from, const uint64_t *to, const uint64_t *protocol)
{
    for (unsigned word = 0; word < builder->words; word++) {
        uint64_t bits = from[word] & to[word] & protocol[word];

        if (bits == cursor->words[word])
            continue;
        cursor->words[word] = bits;
        cursor->dirty |= 1u << (word / CLASSIFY_LINE_WORDS);
    }
    return classify_rows_cursor_row(builder, cursor);
}

static int rule_zone(const struct policy *policy, const char *name, bool out)
{
    int number = *name ? policy_zone_number(policy, name) : -1;

    return number >= 0 && out ? EXCEPT(number) : number;
}

static bool context_tables(struct classify_builder *builder, const struct classes *from,
                           const struct classes *to, const struct classes *protocol,
                           struct classify_table *table)
{
    size_t count = from->count * to->count * protocol->count;
    uint32_t *zones;

    table->zones = classify_rows_alloc(builder, CLASSIFY_ZONES * CLASSIFY_ZONES * 4, 64);
    table->protocols = classify_rows_alloc(builder, 256 * 2, 64);
    table->context = classify_rows_alloc(builder, count * 4, 64);
    if (!table->zones || !table->protocols || !table->context)
        return false;
    zones = classify_at(builder, table->zones);
    for (unsigned a = 0; a < CLASSIFY_ZONES; a++)
        for (unsigned b = 0; b < CLASSIFY_ZONES; b++)
            zones[a << 6 | b] = (uint32_t)((from->of[a] * to->count + to->of[b]) * protocol->count);
    memcpy(classify_at(builder, table->protocols), protocol->of, sizeof(protocol->of));
    return true;
}

int classify_dimensions_context(struct classify_builder *builder, const struct policy *policy,
                                const struct policy_rule *const *rules,
                                struct classify_table *table, size_t *ret_count)
{
    struct classes classes[3] = {
        {.value = {-1}, .count = 1}, {.value = {-1}, .count = 1}, {.value = {-1}, .count = 1}};
    AUTO_FREE int *wanted = xcalloc((size_t)table->rules * 3, sizeof(*wanted));
    int *from = wanted, *to = from + table->rules, *protocol = to + table->rules;
    AUTO_FREE uint64_t *from_bits = NULL, *to_bits = NULL, *protocol_bits = NULL;
    unsigned words = builder->words;
    struct classify_cursor cursor;

    for (uint32_t slot = 0; slot < table->rules; slot++) {
        const struct policy_rule *rule = rules[slot];

        from[slot] = rule_zone(policy, rule->from, rule->from_not);
        to[slot] = rule_zone(policy, rule->to, rule->to_not);
        protocol[slot] = rule->protocol;
        add_class(&classes[0], from[slot] < -1 ? EXCEPT(from[slot]) : from[slot]);
        add_class(&classes[1], to[slot] < -1 ? EXCEPT(to[slot]) : to[slot]);
        add_protocol_class(&classes[2], protocol[slot]);
    }
    *ret_count = classes[0].count * classes[1].count * classes[2].count;
    if (*ret_count > CLASSIFY_MAX_CONTEXTS)
        return 1;
    if (!context_tables(builder, &classes[0], &classes[1], &classes[2], table))
        return -1;
    from_bits = class_bits(&classes[0], from, table->rules, words);
    to_bits = class_bits(&classes[1], to, table->rules, words);
    protocol_bits = class_bits(&classes[2], protocol, table->rules, words);
    classify_rows_cursor_init(&cursor);
    for (size_t i = 0; i < *ret_count; i++) {
        size_t pair = i / classes[2].count;
        uint32_t row = context_row(builder, &cursor, from_bits + pair / classes[1].count * words,
                                   to_bits + pair % classes[1].count * words,
                                   protocol_bits + i % classes[2].count * words);

        if (!row)
            return -1;
        ((uint32_t *)classify_at(builder, table->context))[i] = row;
    }
    return 0;
}
