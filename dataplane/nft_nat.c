/* NAT chains. Forward rules see translated destinations and untranslated sources: destination NAT
 * precedes them, source NAT follows. */
#include <arpa/inet.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/nft_match.h"
#include "dataplane/nft_nat.h"
#include "dataplane/nft_rule.h"

/* Verb, target address and, where it changes, port. A range moves as a whole by a map: nft's own
 * range of ports would choose one at random. */
static void add_target(const char *verb, const struct policy_nat *nat, struct buf *b)
{
    const struct policy_ports *to = &nat->to_ports;
    const struct policy_ports *from = nat->destination_ports;
    bool four = nat->to_address.family == AF_INET;
    bool range = to->lo != to->hi;

    buf_addf(b, "%s %s to ", verb, four ? "ip" : "ip6");
    if (range && from->lo == to->lo) { /* each port stays */
        policy_text_print_range(b, &nat->to_address);
        buf_addc(b, '\n');
        return;
    }
    if (!four && to->lo)
        buf_addc(b, '[');
    policy_text_print_range(b, &nat->to_address);
    if (!four && to->lo)
        buf_addc(b, ']');
    if (range) {
        buf_addf(b, ":%s dport map { ", nft_match_port_word(nat->protocol));
        for (unsigned i = 0; i <= (unsigned)to->hi - to->lo; i++)
            buf_addf(b, "%s%u : %u", i ? ", " : "", from->lo + i, to->lo + i);
        buf_adds(b, " }");
    } else if (to->lo) {
        buf_addf(b, ":%u", to->lo);
    }
    buf_addc(b, '\n');
}

static void add_action(const char *verb, const struct policy_nat *nat, struct buf *b)
{
    if (nat->action == POLICY_NAT_TRANSLATE)
        add_target(verb, nat, b);
    else /* an exception: accept is the end of the chain */
        buf_adds(b, nat->action == POLICY_NAT_NONE ? "accept\n" : "masquerade\n");
}

static void add_rule(const struct policy *policy, const struct policy_nat *nat, struct buf *b)
{
    static const int families[] = {AF_INET, AF_INET6};
    AUTO(buf) struct buf zone = {0};

    if (!nft_match_interfaces(policy, nat->source ? "oifname" : "iifname", nat->zone, false, &zone))
        return;
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        int family = families[i];

        if (!(policy_nat_families(nat) & (family == AF_INET ? POLICY_IPV4 : POLICY_IPV6)))
            continue;
        buf_addf(b, "%smeta nfproto %s ", buf_str(&zone), family == AF_INET ? "ipv4" : "ipv6");
        nft_match_addresses("saddr", family, nat->sources, nat->source_count, b);
        nft_match_addresses("daddr", family, nat->destinations, nat->destination_count, b);
        if (!nat->source && !nat->destination_count) {
            buf_adds(b, "fib daddr type local ");
            if (policy_nat_own(nat)) /* packets from there could not be sent */
                buf_adds(b, family == AF_INET ? "ip daddr != 127.0.0.0/8 " : "ip6 daddr != ::1 ");
        }
        nft_match_protocol(nat->protocol, b);
        nft_match_ports("sport", nat->protocol, nat->source_ports, nat->source_port_count, b);
        nft_match_ports("dport", nat->protocol, nat->destination_ports, nat->destination_port_count,
                        b);
        add_action(nat->source ? "snat" : "dnat", nat, b);
    }
}

/* Limits the TCP segment size announced by both ends, where either direction uses the zone. SYNs
 * are always left to the kernel. It is never raised. */
void nft_nat_add_mss(const struct policy *policy, struct nft_text *text)
{
    static const char *const matches[] = {"oifname", "iifname"};
    struct buf *b = NULL;

    for (unsigned i = 0; i < policy->zone_count; i++) {
        const struct policy_zone *zone = &policy->zones[i];

        if (!zone->mss || !zone->interface_count)
            continue;
        if (!b) {
            b = &nft_text_chain(text, "mss", 0)->body;
            buf_adds(b, "type filter hook forward priority mangle; policy accept;\n");
        }
        for (size_t k = 0; k < ARRAY_LEN(matches); k++) {
            nft_match_interfaces(policy, matches[k], zone->name, false, b);
            buf_adds(b, "tcp flags & (syn | rst) == syn tcp option maxseg size set ");
            if (zone->mss == POLICY_MSS_PMTU)
                buf_adds(b, "rt mtu\n");
            else
                buf_addf(b, "%d\n", zone->mss);
        }
    }
}

/* For received packets, and those sent by the appliance. */
void nft_nat_add_notrack(const struct policy *policy, struct nft_text *text)
{
    struct buf *in, *out;
    unsigned at = text->count;

    if (!policy->notrack_count)
        return;
    nft_text_chain(text, "track_prerouting", 0);
    nft_text_chain(text, "track_output", 0);
    in = &text->items[at].body;
    out = &text->items[at + 1].body;
    buf_adds(in, "type filter hook prerouting priority raw; policy accept;\n");
    buf_adds(out, "type filter hook output priority raw; policy accept;\n");
    for (unsigned i = 0; i < policy->notrack_count; i++) {
        const struct policy_rule *rule = &policy->notracks[i];
        bool local = !strcmp(rule->from, "local") && !rule->from_not;
        AUTO(buf) struct buf zones = {0};

        if (!local && nft_match_interfaces(policy, "iifname", rule->from, rule->from_not, &zones))
            nft_rule_notrack(rule, buf_str(&zones), in);
        if (local || !*rule->from)
            nft_rule_notrack(rule, "", out);
    }
}

void nft_nat_add(const struct policy *policy, struct nft_text *text)
{
    struct buf *b = &nft_text_chain(text, "prerouting", 0)->body;
    bool own = false;

    buf_adds(b, "type nat hook prerouting priority dstnat; policy accept;\n");
    for (unsigned i = 0; i < policy->nat_count; i++) {
        own |= policy_nat_own(&policy->nat[i]);
        if (!policy->nat[i].source && !policy_nat_own(&policy->nat[i]))
            add_rule(policy, &policy->nat[i], b);
    }
    if (own) {
        b = &nft_text_chain(text, "nat_output", 0)->body;
        buf_adds(b, "type nat hook output priority -100; policy accept;\n");
        for (unsigned i = 0; i < policy->nat_count; i++)
            if (policy_nat_own(&policy->nat[i]))
                add_rule(policy, &policy->nat[i], b);
    }
    b = &nft_text_chain(text, "postrouting", 0)->body;
    buf_adds(b, "type nat hook postrouting priority srcnat; policy accept;\n");
    for (unsigned i = 0; i < policy->nat_count; i++)
        if (policy->nat[i].source)
            add_rule(policy, &policy->nat[i], b);
}
