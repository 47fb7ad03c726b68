/* A policy as nftables text. */
#ifndef DATAPLANE_NFT_H
#define DATAPLANE_NFT_H

#include "dataplane/nft_text.h"
#include "dataplane/tally.h"

/* The chain whose one rule says, in its comment, which policy the table is of. */
#define NFT_ABOUT "about"
#define NFT_POLICY_WORD " policy "

/* All chains of the policy, which has to live as long. The caller calls nft_text_fini. */
void nft_chains(const struct policy *policy, struct nft_text *ret_text);

/* nft_change_policy. old may be NULL; then carried (which may be NULL, too) is what the counters
 * begin with. */
void nft_change_text(const struct nft_text *now, const struct nft_text *old, uint32_t generation,
                     const struct tally_list *carried, struct buf *ret_text);

#endif
