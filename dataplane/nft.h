/* Pieces of nftables text the files nft*.c share. Each appends a condition and a blank, or nothing
 * when it would not restrict anything. */
#ifndef DATAPLANE_NFT_H
#define DATAPLANE_NFT_H

#include "dataplane/policy.h"
#include "dataplane/tally.h"

struct nft_options {
    const char *table;             /* "orbital", or a name for a trial */
    const struct policy *previous; /* as in policy_nft */
    uint32_t generation;
    const struct tally_list *carried; /* without previous: values to begin with; may be NULL */
};
/* policy_nft in full. */
void nft_ruleset(const struct policy *policy, const struct nft_options *options,
                 struct buf *ret_text);

/* match: "iifname" or "oifname"; name: zone, "local" or "". false: the zone has no interface, so
 * nothing can match. */
bool nft_interfaces(const struct policy *policy, const char *match, const char *name,
                    struct buf *b);
/* match: "saddr" or "daddr". */
void nft_addresses(const char *match, int family, const struct policy_range *ranges, unsigned count,
                   struct buf *b);
/* match: "sport" or "dport"; ports as in the policy: sorted, without overlap. */
void nft_ports(const char *match, int protocol, const struct policy_ports *ports, unsigned count,
               struct buf *b);
void nft_protocol(int protocol, struct buf *b);
/* The chains of destination and source NAT. */
void nft_add_nat(const struct policy *policy, struct buf *b);

#endif
