#include "dataplane/nft_match.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"

static const struct policy_zone *find_zone(const struct policy *policy, const char *name)
{
    int number = policy_zone_number(policy, name);

    return number > 0 && number != POLICY_ZONE_LOCAL ? &policy->zones[number - 1] : NULL;
}

bool nft_match_interfaces(const struct policy *policy, const char *match, const char *name,
                          bool out, struct buf *b)
{
    const struct policy_zone *zone = find_zone(policy, name);
    const char *not = out ? "!= " : "";

    if (!*name || !strcmp(name, "local"))
        return true;
    if (!zone || !zone->interface_count)
        return out;
    if (zone->interface_count == 1) {
        buf_addf(b, "%s %s\"%s\" ", match, not, zone->interfaces[0]);
        return true;
    }
    buf_addf(b, "%s %s{ ", match, not );
    for (unsigned i = 0; i < zone->interface_count; i++)
        buf_addf(b, "%s\"%s\"", i ? ", " : "", zone->interfaces[i]);
    buf_adds(b, " } ");
    return true;
}

bool nft_match_covers_all(const struct policy_range *range)
{
    unsigned bytes = range->family == AF_INET ? 4 : 16;

    for (unsigned i = 0; i < bytes; i++)
        if (range->lo[i] != 0 || range->hi[i] != 255)
            return false;
    return true;
}

void nft_match_addresses(const char *match, int family, const struct policy_range *ranges,
                         unsigned count, struct buf *b)
{
    const struct policy_range *only = NULL;
    unsigned here = 0;
    const char *separator = "";

    for (unsigned i = 0; i < count; i++)
        if (ranges[i].family == family) {
            only = &ranges[i];
            here++;
        }
    if (!here || (here == 1 && nft_match_covers_all(only)))
        return;
    buf_addf(b, "%s %s ", family == AF_INET ? "ip" : "ip6", match);
    if (here == 1) {
        policy_text_print_range(b, only);
        buf_addc(b, ' ');
        return;
    }
    buf_adds(b, "{ ");
    for (unsigned i = 0; i < count; i++) {
        if (ranges[i].family != family)
            continue;
        buf_adds(b, separator);
        policy_text_print_range(b, &ranges[i]);
        separator = ", ";
    }
    buf_adds(b, " } ");
}

const char *nft_match_port_word(int protocol)
{
    return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "th";
}

static void add_port(struct buf *b, const struct policy_ports *ports)
{
    buf_addf(b, ports->lo == ports->hi ? "%u" : "%u-%u", ports->lo, ports->hi);
}

void nft_match_ports(const char *match, int protocol, const struct policy_ports *ports,
                     unsigned count, struct buf *b)
{
    if (!count || (count == 1 && ports[0].lo == 0 && ports[0].hi == 65535))
        return;
    buf_addf(b, "%s %s ", nft_match_port_word(protocol), match);
    if (count > 1)
        buf_adds(b, "{ ");
    for (unsigned i = 0; i < count; i++) {
        if (i)
            buf_adds(b, ", ");
        add_port(b, &ports[i]);
    }
    buf_adds(b, count > 1 ? " } " : " ");
}

void nft_match_protocol(int protocol, struct buf *b)
{
    if (protocol == POLICY_TCP_UDP)
        buf_adds(b, "meta l4proto { 6, 17 } ");
    else if (protocol >= 0)
        buf_addf(b, "meta l4proto %d ", protocol);
}

bool nft_match_hook(const struct policy_rule *rule, bool hook_from, bool hook_to)
{
    bool from = !strcmp(rule->from, "local"), to = !strcmp(rule->to, "local");

    /* Not from a zone, or from a MAC address: applies only to received packets. */
    if (rule->from_not || (rule->more && rule->more->mac_count))
        from = !hook_from && (rule->from_not || !from);
    else
        from = from ? hook_from : !hook_from || !*rule->from;
    if (rule->to_not)
        to = !hook_to;
    else
        to = to ? hook_to : !hook_to || !*rule->to;
    return from && to;
}
