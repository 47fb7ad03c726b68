/* Hints: what the classifier found about a first packet leads nftables to the rule at once. */
#ifndef DATAPLANE_NFT_HINT_H
#define DATAPLANE_NFT_HINT_H

#include <stdint.h>

#include "dataplane/nft_text.h"

#define NFT_HINT                                                                                   \
    "hint" /* the chain that is written anew with each policy: it has its generation               \
            */

/* Adds the chains that take hints off packets and obey them; nothing where text->slots is NULL. */
void nft_hint_add(const struct policy *policy, struct nft_text *text);
/* The chain of this generation. */
void nft_hint_chain(const struct nft_text *text, uint32_t generation, struct buf *b);
/* What has to be deleted from the maps of the policy before. */
void nft_hint_drop(const struct nft_text *now, const struct nft_text *old, struct buf *b);
/* The maps, with what has to be added to those of the policy before; old may be NULL. */
void nft_hint_maps(const struct nft_text *now, const struct nft_text *old, struct buf *b);

#endif
