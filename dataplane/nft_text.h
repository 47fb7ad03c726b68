/* A policy as chains of nftables text, and the names of what rules share. */
#ifndef DATAPLANE_NFT_TEXT_H
#define DATAPLANE_NFT_TEXT_H

#include "dataplane/policy.h"

#define NFT_CHAIN_NAME 96 /* hook, two zones, the number of a rule */

struct nft_chain {
    char name[NFT_CHAIN_NAME];
    struct buf body;  /* text between its braces */
    uint64_t content; /* nft_same.h; 0: unknown */
};

/* All chains of a policy. */
struct nft_text {
    const struct policy *policy;
    struct nft_chain *items;
    unsigned count, size;
    const struct nft_text *old; /* while it is written: chains to be taken from it; may be NULL */
    unsigned next_old;          /* of which this is likely the next */
    uint64_t digest;            /* of all chains, in the table's comment; 0: not computed */
    const struct policy_group **groups; /* that rules have as lists; the policy's */
    unsigned group_count;
    uint16_t *slots; /* where each rule counts in the fast path, if hints (nft_hint.h) lead to it,
                        else 0; NULL: none do */
};

/* A chain named after hook and, unless 0, rule; valid until the next. */
struct nft_chain *nft_text_chain(struct nft_text *text, const char *hook, uint32_t rule);
/* A chain of that name; valid until the next. */
struct nft_chain *nft_text_named(struct nft_text *text, const char *name);
/* Removes all chains but the first count. */
void nft_text_cut(struct nft_text *text, unsigned count);
void nft_text_fini(struct nft_text *text);
static inline void own_nft_text(struct nft_text *text)
{
    nft_text_fini(text);
}
/* The name of a rule's limit: "limit_ID_RATE_PER_BURST". */
void nft_text_limit(struct buf *b, const struct policy_rule *rule);
/* The set of sources of a limit per source: "sources4_ID_RATE_PER_BURST". */
void nft_text_sources(struct buf *b, const struct policy_rule *rule, int family);

#endif
