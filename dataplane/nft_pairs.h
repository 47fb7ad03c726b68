/* The rules of a hook, divided by the interfaces of packets. */
#ifndef DATAPLANE_NFT_PAIRS_H
#define DATAPLANE_NFT_PAIRS_H

#include "dataplane/nft_text.h"

/* The rules of one hook, in order. */
struct nft_pairs {
    const struct policy *policy;
    const char *hook;
    bool from, to;   /* packets there come from, go to the appliance */
    unsigned states; /* POLICY_NEW …: those that reach the rules there */
    const struct policy_rule *const *rules;
    unsigned count;
};

/* Writes chains HOOK/FROM/TO for the pairs of zones, and to base what leads to them; what no rule
 * decides is decided in chain HOOK/rest, which is the caller's. false: nothing was written, since
 * the rules name no zones, or would have to stand in too many chains. */
bool nft_pairs_add(const struct nft_pairs *pairs, struct nft_text *text, struct buf *base);

#endif
