/* A policy as nftables text. */
#ifndef DATAPLANE_NFT_H
#define DATAPLANE_NFT_H

#include "dataplane/nft_text.h"
#include "dataplane/tally.h"

/* The chain with one rule whose comment names the policy of the table. */
#define NFT_ABOUT "about"
#define NFT_GENERATION_WORD "generation "
#define NFT_POLICY_WORD " policy "

/* All chains of the policy, which has to live as long. old: of another policy, from which stretches
 * of rules are taken that did not change; may be NULL. slots: as in struct nft_text, owned by it
 * from here on; may be NULL. The caller calls nft_text_fini. */
void nft_chains(const struct policy *policy, const struct nft_text *old, uint16_t *slots,
                struct nft_text *ret_text);

/* Counters of rules that are not in force: they stay in the set, so that a commit that is taken
 * back loses none. Each member may be NULL. */
struct nft_spared {
    const struct policy *in_force;
    const struct policy *there;        /* its rules that in_force lacks are in the set, too */
    const struct policy *kept;         /* its rules that the new policy lacks shall stay there */
    const struct tally_list *leftover; /* kept by an earlier daemon, to be removed */
    bool back;                         /* the new policy is `there` again: its counters continue */
};

/* nft_change_policy. old may be NULL; then carried (which may be NULL, too) is what the counters
 * begin with. spared may be NULL. */
void nft_change_text(const struct nft_text *now, const struct nft_text *old, uint32_t generation,
                     const struct tally_list *carried, const struct nft_spared *spared,
                     struct buf *ret_text);

#endif
