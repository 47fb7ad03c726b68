/* Large groups of addresses as named sets, shared by the rules that have such a list, and patched
 * element by element. Up to four a group: "hosts4_NAME" and "hosts6_NAME" with single addresses,
 * which nftables adds and looks up without regard to the others (nft_set_hash.c in the kernel), and
 * "nets4_NAME", "nets6_NAME" with ranges. A rule is there once for each part. */
#ifndef DATAPLANE_NFT_GROUP_H
#define DATAPLANE_NFT_GROUP_H

#include "dataplane/nft_text.h"

enum nft_group_part { NFT_GROUP_HOSTS, NFT_GROUP_NETS, NFT_GROUP_PARTS };

/* Notes the groups that rules of text->policy have as lists. */
void nft_group_choose(struct nft_text *text);
/* Whether the group has addresses in that part. group NULL, a list of another kind: it is all in
 * NFT_GROUP_HOSTS. */
bool nft_group_has(const struct policy_group *group, int family, enum nft_group_part part);
/* A comparison with the group's addresses in that part, as nft_match_addresses(). */
void nft_group_match(const char *match, int family, const struct policy_group *group,
                     enum nft_group_part part, struct buf *b);
/* What the text of a rule with that list depends on, besides the name. */
unsigned nft_group_shape(const struct policy_group *group);
/* Commands that take out what the sets of old have too much; before the table. old NULL: nothing.
 */
void nft_group_cut(const struct nft_text *now, const struct nft_text *old, struct buf *b);
/* The sets with what they lack, within the table. old NULL: there are none. */
void nft_group_add(const struct nft_text *now, const struct nft_text *old, struct buf *b);
/* Commands that delete the sets that no rule has any more, after the chains are changed. */
void nft_group_drop(const struct nft_text *now, const struct nft_text *old, struct buf *b);

#endif
