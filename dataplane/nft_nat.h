/* Chains of nftables text beside the filter's. */
#ifndef DATAPLANE_NFT_NAT_H
#define DATAPLANE_NFT_NAT_H

#include "dataplane/nft_text.h"

/* The chains of destination and source NAT. */
void nft_nat_add(const struct policy *policy, struct nft_text *text);
/* The chains before conntrack, if there is something for them. */
void nft_nat_add_notrack(const struct policy *policy, struct nft_text *text);
/* The chain that limits TCP segments, if a zone is configured so. */
void nft_nat_add_mss(const struct policy *policy, struct nft_text *text);

#endif
