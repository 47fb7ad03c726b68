/* Rules that can never match, because one rule before them matches all of their packets. */
#ifndef DATAPLANE_SHADOW_H
#define DATAPLANE_SHADOW_H

#include "dataplane/policy.h"

struct shadow {
    uint32_t rule, by; /* numbers */
};

#define SHADOW_MAX 100
struct shadow_list {
    struct shadow items[SHADOW_MAX]; /* in the order of the rules */
    unsigned count;
    unsigned more; /* that were found beside them */
};

/* Those of policy that are not so in before (NULL: all). memory: built by classify_build from
 * policy. A rule that several rules together cover is not found. */
void shadow_find(const struct policy *policy, const void *memory, const struct policy *before,
                 struct shadow_list *ret_list);

#endif
