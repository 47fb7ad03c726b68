/* Counters of the fast path: a slot for each rule. */
#ifndef DATAPLANE_SLOTS_H
#define DATAPLANE_SLOTS_H

#include <stdint.h>

struct dataplane;
struct dataplane_compiled;
struct policy;
struct tally_list;

/* ABI_NOWHERE: none. */
uint32_t slot_find(const struct dataplane *dp, uint32_t id);
/* Gives the rules of compiled their slots. */
void slot_number(struct dataplane *dp, const struct dataplane_compiled *compiled);
/* Rules that were not in force before begin at 0; carried: what nftables had, where before is not
 * known (NULL). back: but those of this policy, which is in force again; may be NULL. */
void slot_clear_new(struct dataplane *dp, const struct policy *now, const struct policy *before,
                    const struct policy *back, const struct tally_list *carried);

#endif
