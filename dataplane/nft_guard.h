/* What lets packets pass by a chain of rules that none of its rules can match. */
#ifndef DATAPLANE_NFT_GUARD_H
#define DATAPLANE_NFT_GUARD_H

#include "dataplane/policy.h"

/* Number of rules, of count from the first on, in the next chain. Chains begin at fixed rule
 * numbers: adding or removing a rule changes one chain and moves no rule between others. */
unsigned nft_guard_length(const struct policy_rule *const *rules, unsigned count);
/* Adds lines for the head of a chain of these rules that is jumped to: packets return at once whose
 * family, destination or source no rule of it has. */
void nft_guard_add(const struct policy_rule *const *rules, unsigned count, struct buf *b);

#endif
