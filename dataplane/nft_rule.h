/* One rule as nftables text. */
#ifndef DATAPLANE_NFT_RULE_H
#define DATAPLANE_NFT_RULE_H

#include "dataplane/nft_text.h"

/* zones: its conditions on interfaces; states: of conntrack, 0 all that reach it; known: it is
 * placed before known connections pass. */
void nft_rule(const struct policy_rule *rule, const char *zones, unsigned states, bool known,
              struct buf *b);
/* What conntrack does not see, or an exception of it. */
void nft_rule_notrack(const struct policy_rule *rule, const char *zones, struct buf *b);
/* Adds the chains rules lead to. */
void nft_rule_chains(const struct policy *policy, struct nft_text *text);
/* Counts the packet for a rule's number or a default's mark. */
void nft_rule_count(uint32_t key, struct buf *b);
/* A limit as a condition, nothing for rate 0. */
void nft_rule_limit(const struct policy_limit *limit, struct buf *b);
/* Its unit: "second", "minute", "hour", "day". */
const char *nft_rule_unit(uint32_t seconds);

#endif
