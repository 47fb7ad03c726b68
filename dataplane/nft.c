/* The policy as nftables text: the slow path that alone would enforce everything. One table in
 * family inet, rules in numeric order in up to three chains, so that a rule without from or to also
 * decides about the appliance's own traffic.
 *
 * Surprise: nothing here has a name except the set of counters and the limits. Other sets and
 * sub-chains are anonymous and go with the rules, so a flush leaves no remains; counters keep their
 * values across it, because redefining an existing one changes nothing. That holds for limits too,
 * therefore their name says the rate. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "bpf/abi.h"
#include "core/base/own.h"
#include "dataplane/nft.h"

static const char *const action_names[] = {"accept", "drop", "reject"};

static void limit_name(struct buf *b, const struct policy_rule *rule)
{
    buf_addf(b, "limit_%" PRIu32 "_%" PRIu32 "_%" PRIu32 "_%" PRIu32, rule->id, rule->limit_rate,
             rule->limit_per_s, rule->limit_burst);
}

static const char *per_name(uint32_t seconds)
{
    return seconds == 60      ? "minute"
           : seconds == 3600  ? "hour"
           : seconds == 86400 ? "day"
                              : "second";
}

static const struct policy_zone *find_zone(const struct policy *policy, const char *name)
{
    int number = policy_zone_number(policy, name);

    return number > 0 && number != POLICY_ZONE_LOCAL ? &policy->zones[number - 1] : NULL;
}

bool nft_interfaces(const struct policy *policy, const char *match, const char *name, struct buf *b)
{
    const struct policy_zone *zone = find_zone(policy, name);

    if (!*name || !strcmp(name, "local"))
        return true;
    if (!zone || !zone->interface_count)
        return false;
    if (zone->interface_count == 1) {
        buf_addf(b, "%s \"%s\" ", match, zone->interfaces[0]);
        return true;
    }
    buf_addf(b, "%s { ", match);
    for (unsigned i = 0; i < zone->interface_count; i++)
        buf_addf(b, "%s\"%s\"", i ? ", " : "", zone->interfaces[i]);
    buf_adds(b, " } ");
    return true;
}

/* Every address of its family. nft wants no interval set of one that covers all. */
static bool covers_all(const struct policy_range *range)
{
    unsigned bytes = range->family == AF_INET ? 4 : 16;

    for (unsigned i = 0; i < bytes; i++)
        if (range->lo[i] != 0 || range->hi[i] != 255)
            return false;
    return true;
}

void nft_addresses(const char *match, int family, const struct policy_range *ranges, unsigned count,
                   struct buf *b)
{
    const struct policy_range *only = NULL;
    unsigned here = 0;
    const char *separator = "";

    for (unsigned i = 0; i < count; i++)
        if (ranges[i].family == family) {
            only = &ranges[i];
            here++;
        }
    if (!here || (here == 1 && covers_all(only)))
        return;
    buf_addf(b, "%s %s ", family == AF_INET ? "ip" : "ip6", match);
    if (here == 1) {
        policy_print_range(b, only);
        buf_addc(b, ' ');
        return;
    }
    buf_adds(b, "{ ");
    for (unsigned i = 0; i < count; i++) {
        if (ranges[i].family != family)
            continue;
        buf_adds(b, separator);
        policy_print_range(b, &ranges[i]);
        separator = ", ";
    }
    buf_adds(b, " } ");
}

static void add_port(struct buf *b, const struct policy_ports *ports)
{
    buf_addf(b, ports->lo == ports->hi ? "%u" : "%u-%u", ports->lo, ports->hi);
}

void nft_ports(const char *match, int protocol, const struct policy_ports *ports, unsigned count,
               struct buf *b)
{
    if (!count || (count == 1 && ports[0].lo == 0 && ports[0].hi == 65535))
        return;
    buf_addf(b, "%s %s ", protocol == IPPROTO_TCP ? "tcp" : "udp", match);
    if (count > 1)
        buf_adds(b, "{ ");
    for (unsigned i = 0; i < count; i++) {
        if (i)
            buf_adds(b, ", ");
        add_port(b, &ports[i]);
    }
    buf_adds(b, count > 1 ? " } " : " ");
}

void nft_protocol(int protocol, struct buf *b)
{
    if (protocol >= 0)
        buf_addf(b, "meta l4proto %d ", protocol);
}

/* The conditions of a rule for one family (0: both); zones: those about interfaces. */
static void add_matches(const struct policy_rule *rule, const char *zones, int family,
                        struct buf *b)
{
    buf_adds(b, zones);
    if (family)
        buf_addf(b, "meta nfproto %s ", family == AF_INET ? "ipv4" : "ipv6");
    if (family) {
        nft_addresses("saddr", family, rule->sources, rule->source_count, b);
        nft_addresses("daddr", family, rule->destinations, rule->destination_count, b);
    }
    nft_protocol(rule->protocol, b);
    nft_ports("sport", rule->protocol, rule->source_ports, rule->source_port_count, b);
    nft_ports("dport", rule->protocol, rule->destination_ports, rule->destination_port_count, b);
    if (rule->icmp_type >= 0)
        buf_addf(b, "%s type %d ", rule->protocol == IPPROTO_ICMP ? "icmp" : "icmpv6",
                 rule->icmp_type);
    if (rule->icmp_code >= 0)
        buf_addf(b, "%s code %d ", rule->protocol == IPPROTO_ICMP ? "icmp" : "icmpv6",
                 rule->icmp_code);
}

/* A packet for the rule of this number. nftables prints constant keys so that it cannot read them
 * again (1.0.6), and a packet without connection has no ct mark; hence a constant in disguise. */
static void add_count(uint32_t key, struct buf *b)
{
    buf_addf(b, "add @tally { meta mark & 0 ^ %" PRIu32 " } ", key);
}

/* What happens to a packet that matched: limit first, so that only what is within it counts. */
static void add_verdict(const struct policy_rule *rule, const char *verdict, struct buf *b)
{
    if (rule->limited) {
        buf_adds(b, "limit name \"");
        limit_name(b, rule);
        buf_adds(b, "\" ");
    }
    if (rule->action == POLICY_ACCEPT)
        buf_addf(b, "ct mark set %" PRIu32 " ", rule->id);
    add_count(rule->id, b);
    if (rule->log)
        buf_addf(b, "log prefix \"orbital rule %" PRIu32 ": \" ", rule->id);
    buf_addf(b, "%s\n", verdict);
}

static void add_family(const struct policy_rule *rule, const char *zones, int family, struct buf *b)
{
    bool any = rule->protocol < 0;

    if (rule->action != POLICY_REJECT) {
        add_matches(rule, zones, family, b);
        add_verdict(rule, action_names[rule->action], b);
        return;
    }
    /* A TCP peer understands a reset, everybody else an ICMP error. */
    if (any || rule->protocol == IPPROTO_TCP) {
        add_matches(rule, zones, family, b);
        if (any)
            buf_adds(b, "meta l4proto tcp ");
        add_verdict(rule, "reject with tcp reset", b);
    }
    if (rule->protocol != IPPROTO_TCP) {
        add_matches(rule, zones, family, b);
        if (any)
            buf_adds(b, "meta l4proto != tcp ");
        add_verdict(rule, "reject with icmpx type admin-prohibited", b);
    }
}

static void add_rule(const struct policy_rule *rule, const char *zones, struct buf *b)
{
    unsigned families = policy_rule_families(rule);

    if (families == (POLICY_IPV4 | POLICY_IPV6) && !rule->source_count &&
        !rule->destination_count) {
        add_family(rule, zones, 0, b);
        return;
    }
    if (families & POLICY_IPV4)
        add_family(rule, zones, AF_INET, b);
    if (families & POLICY_IPV6)
        add_family(rule, zones, AF_INET6, b);
}

/* The three chains. hook_from, hook_to: whether packets there come from or go to the appliance. */
static bool in_chain(const struct policy_rule *rule, bool hook_from, bool hook_to)
{
    bool from = !strcmp(rule->from, "local"), to = !strcmp(rule->to, "local");

    return (from ? hook_from : !hook_from || !*rule->from) &&
           (to ? hook_to : !hook_to || !*rule->to);
}

static bool same_zones(const struct policy_rule *a, const struct policy_rule *b)
{
    return !strcmp(a->from, b->from) && !strcmp(a->to, b->to);
}

/* Consecutive rules of one zone pair share the comparison of the interfaces: in a chain of its own,
 * where they are many enough. The kernel takes about a millisecond to make a chain. */
#define CHAIN_MIN 64

static void add_rules(const struct policy *policy, bool hook_from, bool hook_to, struct buf *b)
{
    AUTO(buf) struct buf zones = {0};

    for (unsigned i = 0; i < policy->rule_count;) {
        const struct policy_rule *first = &policy->rules[i];
        unsigned end = i;
        bool grouped, known;

        buf_clear(&zones);
        known = (hook_from || nft_interfaces(policy, "iifname", first->from, &zones)) &&
                (hook_to || nft_interfaces(policy, "oifname", first->to, &zones));
        while (end < policy->rule_count && same_zones(first, &policy->rules[end]))
            end++;
        grouped = zones.len && end - i >= CHAIN_MIN;
        if (!known || !in_chain(first, hook_from, hook_to)) {
            i = end; /* a zone without interfaces matches nothing */
            continue;
        }
        if (grouped)
            buf_addf(b, "%sjump {\n", buf_str(&zones));
        for (; i < end; i++)
            add_rule(&policy->rules[i], grouped ? "" : buf_str(&zones), b);
        if (grouped)
            buf_adds(b, "}\n");
    }
}

/* The default as a last rule, so that it counts; the policy of the chain says the same. */
static void add_default(enum policy_action action, uint32_t key, struct buf *b)
{
    if (action == POLICY_ACCEPT)
        buf_addf(b, "ct mark set %" PRIu32 " ", key);
    if (action == POLICY_REJECT) {
        buf_adds(b, "meta l4proto tcp ");
        add_count(key, b);
        buf_adds(b, "reject with tcp reset\n");
    }
    add_count(key, b);
    buf_addf(b, "%s\n",
             action == POLICY_REJECT ? "reject with icmpx type admin-prohibited"
                                     : action_names[action]);
}

static void open_chain(const char *chain, enum policy_action action, struct buf *b)
{
    buf_addf(b, "chain %s {\ntype filter hook %s priority filter; policy %s;\n", chain, chain,
             action == POLICY_ACCEPT ? "accept" : "drop");
}

/* Without neighbour discovery IPv6 does not work at all, so no rule decides about it (RFC 4861: hop
 * limit 255 says it was not forwarded; RFC 3810 for the listener messages). */
static const char neighbours[] =
    "ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, "
    "nd-neighbor-advert } accept\n"
    "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, "
    "mld2-listener-report } accept\n";

/* Later packets of a connection, both ways, count for the rule its mark names. One whose rule is
 * gone is not in the set, one without mark is older than the rules: both go on, uncounted. */
static const char known[] = "ct state established,related ct mark @tally accept\n";

static void add_filter(const struct policy *policy, struct buf *b)
{
    open_chain("forward", policy->forward, b);
    buf_adds(b, known);
    buf_adds(b, "ct state vmap { established : accept, related : accept, invalid : drop }\n");
    add_rules(policy, false, false, b);
    add_default(policy->forward, ABI_MARK_FORWARD, b);
    buf_adds(b, "}\n");

    open_chain("input", policy->input, b);
    buf_addf(b, "iifname \"lo\" accept\n%sct state established,related accept\n", known);
    buf_adds(b, neighbours);
    add_rules(policy, false, true, b);
    add_default(policy->input, ABI_MARK_INPUT, b);
    buf_adds(b, "}\n");

    open_chain("output", policy->output, b);
    buf_addf(b, "oifname \"lo\" accept\n%sct state established,related accept\n", known);
    buf_adds(b, neighbours);
    add_rules(policy, true, false, b);
    add_default(policy->output, ABI_MARK_OUTPUT, b);
    buf_adds(b, "}\n");
}

static bool same_limit(const struct policy_rule *a, const struct policy_rule *b)
{
    return a->limited && b->limited && a->limit_rate == b->limit_rate &&
           a->limit_per_s == b->limit_per_s && a->limit_burst == b->limit_burst;
}

/* Limits and counters of rules that are gone. To add before deleting makes it hold whether or not
 * somebody else took the counter away. */
static void drop_stale(const struct policy *policy, const struct policy *previous,
                       const char *table, struct buf *b)
{
    AUTO(buf) struct buf gone = {0};

    for (unsigned i = 0; i < previous->rule_count; i++) {
        const struct policy_rule *old = &previous->rules[i],
                                 *now = policy_find_rule(policy, old->id);

        if (!now)
            buf_addf(&gone, "%s%" PRIu32, gone.len ? ", " : "", old->id);
        if (old->limited && (!now || !same_limit(old, now))) {
            buf_addf(b, "delete limit inet %s ", table);
            limit_name(b, old);
            buf_addc(b, '\n');
        }
    }
    if (gone.len)
        buf_addf(b, "add element inet %s tally { %s }\ndelete element inet %s tally { %s }\n",
                 table, buf_str(&gone), table, buf_str(&gone));
}

static void add_element(uint32_t key, const struct tally_list *carried, const char **separator,
                        struct buf *b)
{
    const struct tally *old = carried ? tally_find(carried, key) : NULL;

    buf_addf(b, "%s%" PRIu32, *separator, key);
    if (old)
        buf_addf(b, " counter packets %" PRIu64 " bytes %" PRIu64, old->packets, old->bytes);
    *separator = ", ";
}

/* The counters: one set that no flush touches, because a thousand of its elements are made in the
 * time of ten named counters. All are made here, so that no packet ever has to. */
static void add_tally(const struct policy *policy, const struct nft_options *options, struct buf *b)
{
    const char *separator = "elements = { ";

    buf_adds(b, "set tally {\ntype mark; size 65536; flags dynamic; counter;\n");
    if (!options->previous)
        for (uint32_t key = ABI_MARK_FORWARD; key <= ABI_MARK_OUTPUT; key++)
            add_element(key, options->carried, &separator, b);
    for (unsigned i = 0; i < policy->rule_count; i++)
        if (!policy_find_rule(options->previous, policy->rules[i].id))
            add_element(policy->rules[i].id, options->carried, &separator, b);
    buf_adds(b, *separator == ',' ? " }\n}\n" : "}\n");
}

static void add_limits(const struct policy *policy, struct buf *b)
{
    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        if (!rule->limited)
            continue;
        buf_adds(b, "limit ");
        limit_name(b, rule);
        buf_addf(b, " { rate %" PRIu32 "/%s burst %" PRIu32 " packets; }\n", rule->limit_rate,
                 per_name(rule->limit_per_s), rule->limit_burst);
    }
}

void nft_ruleset(const struct policy *policy, const struct nft_options *options,
                 struct buf *ret_text)
{
    const char *table = options->table;
    struct buf *b = ret_text;

    buf_addf(b, "add table inet %s\n", table);
    if (options->previous) {
        buf_addf(b, "flush table inet %s\n", table);
        drop_stale(policy, options->previous, table, b);
    } else {
        buf_addf(b, "delete table inet %s\n", table);
    }
    buf_addf(b, "table inet %s {\n", table);
    add_tally(policy, options, b);
    add_limits(policy, b);
    buf_addf(b, "chain about {\ncounter comment \"generation %" PRIu32 "\"\n}\n",
             options->generation);
    nft_add_nat(policy, b);
    add_filter(policy, b);
    buf_adds(b, "}\n");
}

void policy_nft(const struct policy *policy, const struct policy *previous, uint32_t generation,
                struct buf *ret_text)
{
    const struct nft_options options = {
        .table = "orbital", .previous = previous, .generation = generation};

    nft_ruleset(policy, &options, ret_text);
}
