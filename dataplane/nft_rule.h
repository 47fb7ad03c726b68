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
/* How a rule that rejects answers, as a small number; rules of one number answer alike. */
unsigned nft_rule_reject_kind(const struct policy_rule *rule);
/* The same as a word. */
const char *nft_rule_reject_name(const struct policy_rule *rule);
/* The answer alone; count: what counts the packet before. */
void nft_rule_reject(const struct policy_rule *rule, const char *count, struct buf *b);
/* The chain with what the rule does to a packet it matches; added, unless nft_rule_chains does. */
void nft_rule_hint(const struct policy_rule *rule, struct nft_text *text);
/* Its name. */
void nft_rule_hint_name(const struct policy_rule *rule, struct buf *b);
/* Counts the packet for a rule's number or a default's mark. */
void nft_rule_count(uint32_t key, struct buf *b);
/* A limit as a condition, nothing for rate 0. */
void nft_rule_limit(const struct policy_limit *limit, struct buf *b);
/* Its unit: "second", "minute", "hour", "day". */
const char *nft_rule_unit(uint32_t seconds);

#endif
