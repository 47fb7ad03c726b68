/* Pieces of nftables text the files nft*.c share. Each appends a condition and a blank, or nothing
 * when it would not restrict anything. */
#ifndef DATAPLANE_NFT_H
#define DATAPLANE_NFT_H

#include "dataplane/policy.h"

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
