/* nftables' table: from the policy in force to another. */
#ifndef DATAPLANE_RULES_H
#define DATAPLANE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dataplane;
struct dataplane_compiled;
struct nft_text;
struct orb_err;
struct tally_list;

/* Reckons the digest by which the table names its policy. */
void rules_number(struct nft_text *chains);
/* Whether the table is the one of that policy that the daemon before left. */
bool rules_left(const struct dataplane *dp, const struct nft_text *chains);
/* Whether a policy is the one before the policy in force: a commit that is reverted. */
bool rules_are_back(const struct dataplane *dp, const struct nft_text *to);
/* Changes nftables from the policy in force to another. Differences suffice where the table is
 * known to be as this or the previous daemon left it. Otherwise it is created again with the
 * counters; what is counted between reading them and the transaction is lost. dry: only checks, and
 * only a small one: the transaction itself is refused as a whole. ret_bytes: of the text; may be
 * NULL. */
int rules_change(struct dataplane *dp, const struct nft_text *to, uint32_t generation,
                 struct tally_list *ret_carried, size_t *ret_bytes, bool dry, struct orb_err *err);
/* nftables as it was: by its policy (NULL: not known), by the text that was there, else closed. */
int rules_restore(struct dataplane *dp, const struct dataplane_compiled *to, const char *text,
                  uint32_t generation, struct orb_err *err);
/* Creates the table of the policy in force again (the base table when there is none), in one
 * transaction with the remaining counters. */
int rules_again(struct dataplane *dp, struct orb_err *err);

#endif
