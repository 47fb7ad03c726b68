/* Guards of chains: one look-up in the united addresses of a chain's rules takes the place of
 * evaluating each of them for a packet none of them is for.
 *
 * Note: a guard only leaves out what could not match; the rules themselves stay as they are, and
 * so do their order and counters. */
#include "dataplane/nft_guard.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/nft_match.h"

#define CHAIN_BITS 6   /* a chain has 64 rules on the average */
#define GUARD_MIN 8    /* fewer rules are evaluated as fast as a guard */
#define GUARD_MAX 1024 /* addresses in a guard; above, it would cost more than it spares */
#define GUARD_SHARE .5 /* of all addresses: more return too seldom */

unsigned nft_guard_length(const struct policy_rule *const *rules, unsigned count)
{
    unsigned end = 1;

    while (end < count && rules[end]->id * 2654435761u >> (32 - CHAIN_BITS))
        end++;
    return end;
}

/* One dimension of a chain's rules: the addresses of one family that any of them has. */
struct united {
    const char *not_in; /* as nft_match_addresses takes it */
    struct policy_range *ranges;
    unsigned count; /* 0: there is a rule for every address, or there are too many */
    double share;   /* of all addresses */
};

static void own_united(struct united *united)
{
    free(united->ranges);
}

static double as_number(const uint8_t *address, unsigned bytes)
{
    double value = 0;

    for (unsigned i = 0; i < bytes; i++)
        value = value * 256 + address[i];
    return value;
}

static void measure(struct united *united, int family)
{
    unsigned bytes = family == AF_INET ? 4 : 16;
    double all = family == AF_INET ? 0x1p32 : 0x1p128;

    for (unsigned i = 0; i < united->count; i++)
        united->share +=
            (as_number(united->ranges[i].hi, bytes) - as_number(united->ranges[i].lo, bytes) + 1) /
            all;
}

static void unite(const struct policy_rule *const *rules, unsigned count, int family, bool source,
                  struct united *ret)
{
    *ret = (struct united){.not_in = source ? "saddr !=" : "daddr !="};
    ret->ranges = xcalloc(GUARD_MAX, sizeof(*ret->ranges));
    for (unsigned i = 0; i < count; i++) {
        const struct policy_rule *rule = rules[i];
        const struct policy_range *list = source ? rule->sources : rule->destinations;
        unsigned here = source ? rule->source_count : rule->destination_count;
        bool shared = source ? rule->source_group : rule->destination_group;

        if (!(policy_rule_families(rule) & (family == AF_INET ? POLICY_IPV4 : POLICY_IPV6)))
            continue;
        if (!here || shared || here > GUARD_MAX - ret->count) {
            ret->count = 0;
            return;
        }
        for (unsigned k = 0; k < here; k++)
            if (list[k].family == family)
                ret->ranges[ret->count++] = list[k];
    }
    ret->count = policy_set_merge_ranges(ret->ranges, ret->count);
    measure(ret, family);
}

static bool has_family(const struct policy_rule *const *rules, unsigned count, unsigned family)
{
    for (unsigned i = 0; i < count; i++)
        if (policy_rule_families(rules[i]) & family)
            return true;
    return false;
}

static void add_return(const struct united *united, int family, struct buf *b)
{
    if (!united->count || united->share > GUARD_SHARE)
        return;
    nft_match_addresses(united->not_in, family, united->ranges, united->count, b);
    buf_adds(b, "return\n");
}

/* First the one by which more packets return. */
static void add_family(const struct policy_rule *const *rules, unsigned count, int family,
                       struct buf *b)
{
    AUTO(united) struct united source = {0}, destination = {0};
    bool swap;

    unite(rules, count, family, true, &source);
    unite(rules, count, family, false, &destination);
    swap = source.share < destination.share;
    add_return(swap ? &source : &destination, family, b);
    add_return(swap ? &destination : &source, family, b);
}

void nft_guard_add(const struct policy_rule *const *rules, unsigned count, struct buf *b)
{
    static const int families[] = {AF_INET, AF_INET6};

    if (count < GUARD_MIN)
        return;
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        bool four = families[i] == AF_INET;

        if (has_family(rules, count, four ? POLICY_IPV4 : POLICY_IPV6))
            add_family(rules, count, families[i], b);
        else
            buf_addf(b, "meta nfproto %s return\n", four ? "ipv4" : "ipv6");
    }
}
