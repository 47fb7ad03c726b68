/* One rule as nftables text: its conditions, then its statements. A verdict of several steps has a
 * chain of its own, named after the rule, so that a limit is evaluated once. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/nft_group.h"
#include "dataplane/nft_match.h"
#include "dataplane/nft_rule.h"

/* Where a rule is placed, and what writes it there. */
struct where {
    void (*add)(const struct policy_rule *rule, const struct where *where, int family,
                struct buf *b);
    const char *zones;                       /* its conditions about interfaces */
    unsigned states;                         /* of conntrack; 0: those that come there */
    bool known;                              /* before known connections pass */
    enum nft_group_part source, destination; /* of its groups, if its lists are such */
};

static const char *const per_names[] = {"second", "minute", "hour", "day"};

const char *nft_rule_unit(uint32_t seconds)
{
    return per_names[seconds == 60 ? 1 : seconds == 3600 ? 2 : seconds == 86400 ? 3 : 0];
}

void nft_rule_limit(const struct policy_limit *limit, struct buf *b)
{
    if (limit->rate)
        buf_addf(b, "limit rate %" PRIu32 "/%s burst %" PRIu32 " packets ", limit->rate,
                 nft_rule_unit(limit->per_s), limit->burst);
}

/* Rarely used conditions. */
static void add_more(const struct policy_more *more, const struct where *where, struct buf *b)
{
    static const char *const states[] = {"new", "established", "related", "invalid", "untracked"};
    const char *separator = "ct state ";

    for (unsigned i = 0; i < ARRAY_LEN(states); i++)
        if (where->states & 1u << i) {
            buf_addf(b, "%s%s", separator, states[i]);
            separator = ",";
        }
    if (where->states)
        buf_addc(b, ' ');
    if (more->mac_count)
        buf_adds(b, more->macs_not ? "ether saddr != { " : "ether saddr { ");
    for (unsigned i = 0; i < more->mac_count; i++) {
        const uint8_t *m = more->macs[i];

        buf_addf(b, "%s%02x:%02x:%02x:%02x:%02x:%02x", i ? ", " : "", m[0], m[1], m[2], m[3], m[4],
                 m[5]);
    }
    if (more->mac_count)
        buf_adds(b, " } ");
    if (more->tcp_mask)
        buf_addf(b, "tcp flags & 0x%x == 0x%x ", more->tcp_mask, more->tcp_flags);
}

/* The conditions of a rule for one family (0: both). */
static void add_matches(const struct policy_rule *rule, const struct where *where, int family,
                        struct buf *b)
{
    buf_adds(b, where->zones);
    if (family)
        buf_addf(b, "meta nfproto %s ", family == AF_INET ? "ipv4" : "ipv6");
    if (family && rule->source_group)
        nft_group_match("saddr", family, rule->source_group, where->source, b);
    else if (family)
        nft_match_addresses("saddr", family, rule->sources, rule->source_count, b);
    if (family && rule->destination_group)
        nft_group_match("daddr", family, rule->destination_group, where->destination, b);
    else if (family)
        nft_match_addresses("daddr", family, rule->destinations, rule->destination_count, b);
    nft_match_protocol(rule->protocol, b);
    nft_match_ports("sport", rule->protocol, rule->source_ports, rule->source_port_count, b);
    nft_match_ports("dport", rule->protocol, rule->destination_ports, rule->destination_port_count,
                    b);
    if (rule->more)
        add_more(rule->more, where, b);
    if (rule->icmp_type >= 0)
        buf_addf(b, "%s type %d ", rule->protocol == IPPROTO_ICMP ? "icmp" : "icmpv6",
                 rule->icmp_type);
    if (rule->icmp_code >= 0)
        buf_addf(b, "%s code %d ", rule->protocol == IPPROTO_ICMP ? "icmp" : "icmpv6",
                 rule->icmp_code);
}

/* A packet for the rule of this number. nftables prints constant keys so that it cannot read them
 * again (1.0.6), and a packet without connection has no ct mark; hence a constant in disguise. */
void nft_rule_count(uint32_t key, struct buf *b)
{
    buf_addf(b, "add @tally { meta mark & 0 ^ %" PRIu32 " } ", key);
}

/* The rule's own limit; one per source (IPv6: per /64 network) uses a set. */
static void add_limit(const struct policy_rule *rule, int family, struct buf *b)
{
    struct policy_limit limit = {rule->limit_rate, rule->limit_per_s, rule->limit_burst};

    if (!rule->limited)
        return;
    if (!rule->more || !rule->more->per_source) {
        buf_adds(b, "limit name \"");
        nft_text_limit(b, rule);
        buf_adds(b, "\" ");
        return;
    }
    buf_adds(b, "update @");
    nft_text_sources(b, rule, family);
    buf_adds(b, family == AF_INET ? " { ip saddr " : " { ip6 saddr & ffff:ffff:ffff:ffff:: ");
    nft_rule_limit(&limit, b);
    buf_adds(b, "} ");
}

static void add_log(const struct policy_rule *rule, struct buf *b)
{
    const char *prefix = rule->more ? rule->more->log_prefix : "";

    if (rule->log)
        buf_addf(b, "log prefix \"orbital rule %" PRIu32 ": %s%s\" ", rule->id, prefix,
                 *prefix ? ": " : "");
}

/* Whether the verdict is a chain of its own. */
static bool has_chain(const struct policy_rule *rule, bool known)
{
    return rule->more && (rule->more->log_limit.rate ||
                          (known && rule->action == POLICY_ACCEPT && (rule->log || rule->limited)));
}

static void add_chain_name(const struct policy_rule *rule, bool known, struct buf *b)
{
    buf_addf(b, "%s_%" PRIu32, known ? "known" : "then", rule->id);
}

/* Counter, log and verdict, after limits. Known connections count for the rule that accepted them,
 * whatever rule accepts them now. */
static void add_verdict(const struct policy_rule *rule, bool known, const char *verdict,
                        struct buf *b)
{
    if (rule->action == POLICY_ACCEPT && !known)
        buf_addf(b, "ct mark set %" PRIu32 " ", rule->id);
    if (rule->action != POLICY_ACCEPT || !known)
        nft_rule_count(rule->id, b);
    if (!has_chain(rule, known))
        add_log(rule, b);
    buf_addf(b, "%s\n", verdict);
}

static const char *reject_text(const struct policy_rule *rule, bool tcp)
{
    static const char *const texts[] = {
        [POLICY_REJECT_TCP_RESET] = "reject with tcp reset",
        [POLICY_REJECT_PORT] = "reject with icmpx type port-unreachable",
        [POLICY_REJECT_HOST] = "reject with icmpx type host-unreachable",
        [POLICY_REJECT_NET] = "reject with icmpx type no-route",
        [POLICY_REJECT_ADMIN] = "reject with icmpx type admin-prohibited"};

    return texts[rule->reject != POLICY_REJECT_AUTO ? rule->reject
                 : tcp                              ? POLICY_REJECT_TCP_RESET
                                                    : POLICY_REJECT_ADMIN];
}

/* A line each for what is answered differently: begin writes its conditions, or nothing. */
struct lines {
    const struct policy_rule *rule;
    const struct where *where; /* NULL: in the chain of the verdict */
    int family;
    struct buf *b;
};

static void begin(const struct lines *lines)
{
    if (!lines->where)
        return;
    add_matches(lines->rule, lines->where, lines->family, lines->b);
}

static void end(const struct lines *lines, bool known, const char *verdict)
{
    if (lines->where)
        add_limit(lines->rule, lines->family, lines->b);
    add_verdict(lines->rule, known, verdict, lines->b);
}

/* A TCP peer understands a reset, all others an ICMP error. */
static bool answers_both(const struct policy_rule *rule)
{
    return rule->reject == POLICY_REJECT_AUTO &&
           (rule->protocol < 0 || rule->protocol == POLICY_TCP_UDP);
}

static void add_decision(const struct lines *lines, bool known)
{
    const struct policy_rule *rule = lines->rule;
    bool both = answers_both(rule);

    if (rule->action == POLICY_ACCEPT && known) {
        begin(lines);
        end(lines, known, "ct mark @tally accept");
    }
    if (rule->action != POLICY_REJECT) {
        begin(lines);
        end(lines, known, rule->action == POLICY_ACCEPT ? "accept" : "drop");
        return;
    }
    if (both) {
        begin(lines);
        buf_adds(lines->b, "meta l4proto tcp ");
        end(lines, known, reject_text(rule, true));
    }
    begin(lines);
    if (both)
        buf_adds(lines->b, "meta l4proto != tcp ");
    end(lines, known, reject_text(rule, !both && rule->protocol == IPPROTO_TCP));
}

/* The rule at that place for one family. */
static void add_lines(const struct policy_rule *rule, const struct where *where, int family,
                      struct buf *b)
{
    struct lines lines = {rule, where, family, b};

    if (!has_chain(rule, where->known)) {
        add_decision(&lines, where->known);
        return;
    }
    add_matches(rule, where, family, b);
    add_limit(rule, family, b);
    buf_adds(b, "goto ");
    add_chain_name(rule, where->known, b);
    buf_addc(b, '\n');
}

/* Once for each part of its groups: a packet is in one of them. */
static void add_family(const struct policy_rule *rule, const struct where *place, int family,
                       struct buf *b)
{
    for (enum nft_group_part i = NFT_GROUP_HOSTS; i < NFT_GROUP_PARTS; i++)
        for (enum nft_group_part k = NFT_GROUP_HOSTS; k < NFT_GROUP_PARTS; k++) {
            struct where where = *place;

            where.source = i;
            where.destination = k;
            if (nft_group_has(rule->source_group, family, i) &&
                nft_group_has(rule->destination_group, family, k))
                place->add(rule, &where, family, b);
        }
}

void nft_rule(const struct policy_rule *rule, const char *zones, unsigned states, bool known,
              struct buf *b)
{
    unsigned families = policy_rule_families(rule);
    struct where where = {.zones = zones, .states = states, .known = known, .add = add_lines};

    if (families == (POLICY_IPV4 | POLICY_IPV6) && !rule->source_count &&
        !rule->destination_count && !(rule->more && rule->more->per_source)) {
        add_family(rule, &where, 0, b);
        return;
    }
    if (families & POLICY_IPV4)
        add_family(rule, &where, AF_INET, b);
    if (families & POLICY_IPV6)
        add_family(rule, &where, AF_INET6, b);
}

static void add_notrack(const struct policy_rule *rule, const struct where *where, int family,
                        struct buf *b)
{
    add_matches(rule, where, family, b);
    buf_adds(b, rule->action == POLICY_ACCEPT ? "accept\n" : "notrack accept\n");
}

void nft_rule_notrack(const struct policy_rule *rule, const char *zones, struct buf *b)
{
    unsigned families = policy_rule_families(rule);
    struct where where = {.zones = zones, .add = add_notrack};

    if (families == (POLICY_IPV4 | POLICY_IPV6) && !rule->source_count &&
        !rule->destination_count) {
        add_notrack(rule, &where, 0, b);
        return;
    }
    for (int i = 0; i < 2; i++)
        if (families & (i ? POLICY_IPV6 : POLICY_IPV4))
            add_family(rule, &where, i ? AF_INET6 : AF_INET, b);
}

static void add_chain(const struct policy_rule *rule, bool known, struct nft_text *text)
{
    struct nft_chain *chain = nft_text_chain(text, known ? "known" : "then", rule->id);
    struct lines lines = {.rule = rule, .b = &chain->body};

    if (rule->log) {
        nft_rule_limit(&rule->more->log_limit, &chain->body);
        add_log(rule, &chain->body);
        buf_addc(&chain->body, '\n');
    }
    add_decision(&lines, known);
}

void nft_rule_chains(const struct policy *policy, struct nft_text *text)
{
    for (unsigned i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];

        if (has_chain(rule, false))
            add_chain(rule, false, text);
        if (has_chain(rule, true) && rule->more->states)
            add_chain(rule, true, text);
    }
}

unsigned nft_rule_reject_kind(const struct policy_rule *rule)
{
    if (answers_both(rule))
        return POLICY_REJECT_AUTO;
    if (rule->reject != POLICY_REJECT_AUTO)
        return rule->reject;
    return rule->protocol == IPPROTO_TCP ? POLICY_REJECT_TCP_RESET : POLICY_REJECT_ADMIN;
}

const char *nft_rule_reject_name(const struct policy_rule *rule)
{
    static const char *const names[] = {
        [POLICY_REJECT_AUTO] = "reject",           [POLICY_REJECT_TCP_RESET] = "tcp-reset",
        [POLICY_REJECT_PORT] = "port-unreachable", [POLICY_REJECT_HOST] = "host-unreachable",
        [POLICY_REJECT_NET] = "net-unreachable",   [POLICY_REJECT_ADMIN] = "admin-prohibited"};

    return names[nft_rule_reject_kind(rule)];
}

void nft_rule_reject(const struct policy_rule *rule, const char *count, struct buf *b)
{
    bool both = answers_both(rule);

    if (both)
        buf_addf(b, "meta l4proto tcp %s%s\nmeta l4proto != tcp ", count, reject_text(rule, true));
    buf_addf(b, "%s%s\n", count, reject_text(rule, !both && rule->protocol == IPPROTO_TCP));
}

void nft_rule_hint_name(const struct policy_rule *rule, struct buf *b)
{
    buf_addf(b, "%s_%" PRIu32, has_chain(rule, false) ? "then" : "hint", rule->id);
}

void nft_rule_hint(const struct policy_rule *rule, struct nft_text *text)
{
    struct lines lines = {.rule = rule};

    if (has_chain(rule, false))
        return;
    lines.b = &nft_text_chain(text, "hint", rule->id)->body;
    add_decision(&lines, false);
}
