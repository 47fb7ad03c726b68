/* What stays the same from one policy to the next is not written again. */
#ifndef DATAPLANE_NFT_SAME_H
#define DATAPLANE_NFT_SAME_H

#include "dataplane/nft_text.h"

/* Digest of all that the text of rules depends on, but for their zones; never 0. states: as of
 * nft_pairs. */
uint64_t nft_same_content(const struct policy_rule *const *rules, unsigned count, unsigned states);
/* Copies the body of the chain of that name and content from text->old to ret_body; false: it has
 * none. */
bool nft_same_take(struct nft_text *text, const char *name, uint64_t content, struct buf *ret_body);

#endif
