/* Whether a new policy lets a connection continue whose first matching rule is unsure: it matches
 * on what conntrack does not record (source MAC address, rate, TCP flags). */
#ifndef DATAPLANE_UNSURE_H
#define DATAPLANE_UNSURE_H

#include "dataplane/classify.h"

/* Initialise now and before (NULL: unknown, counts as unchanged), the rest to zero. */
struct unsure {
    const struct policy *now, *before;
    struct policy sure;                 /* now without its unsure rules; borrows their lists */
    void *memory;                       /* classifier of sure, built when first needed */
    const struct policy_rule **changed; /* unsure rules that refuse and are not as before */
    unsigned changed_count;
    bool failed; /* out of memory: no connection is refused */
};

/* mark: conntrack's, the number of the rule that accepted the connection. It continues while that
 * rule is unchanged and no new rule before it may refuse it. */
bool unsure_refuses(struct unsure *unsure, const struct classify_header *header, uint32_t mark);
void unsure_fini(struct unsure *unsure);

#endif
