/* Whether a connection may go on, where the rule it meets first asks for what conntrack does not
 * remember (a sender's MAC address, a rate, TCP flags). */
#ifndef DATAPLANE_DOUBT_H
#define DATAPLANE_DOUBT_H

#include "dataplane/classify.h"

/* Begin with now and before (NULL: unknown, then nothing has changed) and the rest zero. */
struct doubt {
    const struct policy *now, *before;
    struct policy sure; /* the rules of now without the unsure ones; borrows their lists */
    void *memory;       /* what is built of it, at the first question */
    const struct policy_rule **changed; /* unsure rules that refuse and are not as before */
    unsigned changed_count;
    bool failed; /* no memory: everything goes on */
};

/* mark: conntrack's, the number of the rule that accepted it. A connection goes on while what
 * accepted it stands as it was and nothing new before it could refuse it. */
bool doubt_refuses(struct doubt *doubt, const struct classify_header *header, uint32_t mark);
void doubt_fini(struct doubt *doubt);

#endif
