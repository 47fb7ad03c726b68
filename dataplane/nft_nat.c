/* NAT chains. Forward rules see translated destinations and untranslated sources: destination NAT
 * is done before them, source NAT behind. */
#include <arpa/inet.h>

#include "core/base/own.h"
#include "dataplane/nft.h"

static void add_target(const char *verb, const struct policy_nat *nat, struct buf *b)
{
    bool four = nat->to_address.family == AF_INET;

    buf_addf(b, "%s %s to ", verb, four ? "ip" : "ip6");
    if (!four && nat->to_port)
        buf_addc(b, '[');
    policy_print_range(b, &nat->to_address);
    if (!four && nat->to_port)
        buf_addc(b, ']');
    if (nat->to_port)
        buf_addf(b, ":%u", nat->to_port);
    buf_addc(b, '\n');
}

static void add_destination(const struct policy *policy, const struct policy_nat *nat,
                            struct buf *b)
{
    AUTO(buf) struct buf zone = {0};
    int family = nat->to_address.family;

    if (!nft_interfaces(policy, "iifname", nat->zone, &zone))
        return;
    buf_addf(b, "%smeta nfproto %s ", buf_str(&zone), family == AF_INET ? "ipv4" : "ipv6");
    if (nat->match_count)
        nft_addresses("daddr", family, nat->matches, nat->match_count, b);
    else
        buf_adds(b, "fib daddr type local ");
    nft_protocol(nat->protocol, b);
    nft_ports("dport", nat->protocol, &nat->port, nat->port.lo ? 1 : 0, b);
    add_target("dnat", nat, b);
}

static bool has_family(const struct policy_nat *nat, int family)
{
    for (unsigned i = 0; i < nat->match_count; i++)
        if (nat->matches[i].family == family)
            return true;
    return false;
}

static void add_source(const struct policy *policy, const struct policy_nat *nat, struct buf *b)
{
    static const int families[] = {AF_INET, AF_INET6};
    AUTO(buf) struct buf zone = {0};

    if (!nft_interfaces(policy, "oifname", nat->zone, &zone))
        return;
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        int family = families[i];

        /* IPv6 addresses are hidden only where asked for (source ["::/0"]). */
        if (nat->match_count ? !has_family(nat, family) : nat->masquerade && family == AF_INET6)
            continue;
        if (!nat->masquerade && nat->to_address.family != family)
            continue;
        buf_addf(b, "%smeta nfproto %s ", buf_str(&zone), family == AF_INET ? "ipv4" : "ipv6");
        nft_addresses("saddr", family, nat->matches, nat->match_count, b);
        nft_protocol(nat->protocol, b);
        if (nat->masquerade)
            buf_adds(b, "masquerade\n");
        else
            add_target("snat", nat, b);
    }
}

void nft_add_nat(const struct policy *policy, struct nft_text *text)
{
    struct buf *b = &nft_chain_new(text, "prerouting", 0)->body;

    buf_adds(b, "type nat hook prerouting priority dstnat; policy accept;\n");
    for (unsigned i = 0; i < policy->nat_count; i++)
        if (!policy->nat[i].source)
            add_destination(policy, &policy->nat[i], b);
    b = &nft_chain_new(text, "postrouting", 0)->body;
    buf_adds(b, "type nat hook postrouting priority srcnat; policy accept;\n");
    for (unsigned i = 0; i < policy->nat_count; i++)
        if (policy->nat[i].source)
            add_source(policy, &policy->nat[i], b);
}
