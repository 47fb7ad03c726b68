/* The policy as nftables text: the slow path that alone would enforce everything. One table in
 * family inet, rules in numeric order in up to three chains, so that a rule without from or to also
 * decides about the appliance's own traffic.
 *
 * Surprise: nothing here has a name except counters and limits. Sets and sub-chains are anonymous
 * and go with the rules, so a flush leaves no remains; counters keep their values across it,
 * because redefining an existing one changes nothing. That holds for limits too, therefore their
 * name says the rate. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

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

/* What happens to a packet that matched: limit first, so that only what is within it counts. */
static void add_verdict(const struct policy_rule *rule, const char *verdict, struct buf *b)
{
    if (rule->limited) {
        buf_adds(b, "limit name \"");
        limit_name(b, rule);
        buf_adds(b, "\" ");
    }
    buf_addf(b, "counter name \"rule_%" PRIu32 "\" ", rule->id);
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
static void add_default(const char *chain, enum policy_action action, struct buf *b)
{
    if (action != POLICY_REJECT) {
        buf_addf(b, "counter name \"default_%s\" %s\n", chain, action_names[action]);
        return;
    }
    buf_addf(b, "meta l4proto tcp counter name \"default_%s\" reject with tcp reset\n", chain);
    buf_addf(b, "counter name \"default_%s\" reject with icmpx type admin-prohibited\n", chain);
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

static void add_filter(const struct policy *policy, struct buf *b)
{
    open_chain("forward", policy->forward, b);
    buf_adds(b, "ct state vmap { established : accept, related : accept, invalid : drop }\n");
    add_rules(policy, false, false, b);
    add_default("forward", policy->forward, b);
    buf_adds(b, "}\n");

    open_chain("input", policy->input, b);
    buf_adds(b, "iifname \"lo\" accept\nct state established,related accept\n");
    buf_adds(b, neighbours);
    add_rules(policy, false, true, b);
    add_default("input", policy->input, b);
    buf_adds(b, "}\n");

    open_chain("output", policy->output, b);
    buf_adds(b, "oifname \"lo\" accept\nct state established,related accept\n");
    buf_adds(b, neighbours);
    add_rules(policy, true, false, b);
    add_default("output", policy->output, b);
    buf_adds(b, "}\n");
}

static bool same_limit(const struct policy_rule *a, const struct policy_rule *b)
{
    return a->limited && b->limited && a->limit_rate == b->limit_rate &&
           a->limit_per_s == b->limit_per_s && a->limit_burst == b->limit_burst;
}

/* Named objects of rules that are gone; both lists are sorted by id. */
static void drop_stale(const struct policy *policy, const struct policy *previous, struct buf *b)
{
    unsigned k = 0;

    for (unsigned i = 0; i < previous->rule_count; i++) {
        const struct policy_rule *old = &previous->rules[i];
        const struct policy_rule *now = NULL;

        while (k < policy->rule_count && policy->rules[k].id < old->id)
            k++;
        if (k < policy->rule_count && policy->rules[k].id == old->id)
            now = &policy->rules[k];
        if (!now)
            buf_addf(b, "delete counter inet orbital rule_%" PRIu32 "\n", old->id);
        if (old->limited && (!now || !same_limit(old, now))) {
            buf_adds(b, "delete limit inet orbital ");
            limit_name(b, old);
            buf_addc(b, '\n');
        }
    }
}

static void add_objects(const struct policy *policy, struct buf *b)
{
    buf_adds(b, "counter default_forward { }\ncounter default_input { }\n"
                "counter default_output { }\n");
    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        buf_addf(b, "counter rule_%" PRIu32 " { }\n", rule->id);
        if (!rule->limited)
            continue;
        buf_adds(b, "limit ");
        limit_name(b, rule);
        buf_addf(b, " { rate %" PRIu32 "/%s burst %" PRIu32 " packets; }\n", rule->limit_rate,
                 per_name(rule->limit_per_s), rule->limit_burst);
    }
}

void policy_nft(const struct policy *policy, const struct policy *previous, uint32_t generation,
                struct buf *ret_text)
{
    struct buf *b = ret_text;

    buf_adds(b, "add table inet orbital\n");
    if (previous) {
        buf_adds(b, "flush table inet orbital\n");
        drop_stale(policy, previous, b);
    } else {
        buf_adds(b, "delete table inet orbital\n");
    }
    buf_adds(b, "table inet orbital {\n");
    add_objects(policy, b);
    buf_addf(b, "chain about {\ncounter comment \"generation %" PRIu32 "\"\n}\n", generation);
    nft_add_nat(policy, b);
    add_filter(policy, b);
    buf_adds(b, "}\n");
}
