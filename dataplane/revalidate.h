/* Whether an existing connection would begin the same way under another policy: accepted, and
 * translated as it is. Pure: kernel state is passed as arguments. */
#ifndef DATAPLANE_REVALIDATE_H
#define DATAPLANE_REVALIDATE_H

#include "dataplane/unsure.h"
#include "dataplane/flow_nat.h"

enum revalidate_fate {
    REVALIDATE_STAYS,
    REVALIDATE_DROPPED,    /* a rule or default drops it */
    REVALIDATE_REJECTED,   /* … or rejects it */
    REVALIDATE_UNSURE,     /* whether it is refused depends on its next packet (unsure.h) */
    REVALIDATE_TRANSLATED, /* it would get other addresses or ports */
    REVALIDATE_UNTRACKED   /* conntrack would not see one of its directions */
};

/* The policy at one hook, written as a policy about forwarding. */
struct revalidate_view {
    struct policy policy; /* borrows the lists of its rules */
    const void *memory;   /* the classifier's data, NULL: rule by rule */
    void *built;          /* the same if allocated here */
    bool tried;
};

struct revalidate_side {
    struct revalidate_view now, before;
    struct unsure unsure;
    uint32_t mark;  /* of the default */
    uint32_t first; /* number of the first rule that refuses and was not so before; ~0: none */
    bool alike;     /* both have the same rules */
};

struct revalidate {
    const struct policy *now, *before;
    struct revalidate_side sides[FLOW_HOOKS];
    const void *memory, *memory_before; /* may be NULL */
    bool nat_alike;
    bool track_alike; /* the same is not tracked, or it is unknown what was not */
};

/* before NULL: unknown. memory: built by classify_build from now, from before; NULL: it is built
 * when needed. The policies must outlive revalidate. */
void revalidate_init(struct revalidate *revalidate, const struct policy *now, const void *memory,
                     const struct policy *before, const void *memory_before);
void revalidate_fini(struct revalidate *revalidate);
/* Nothing that could end a connection differs. */
bool revalidate_idle(const struct revalidate *revalidate);
/* Whatever way it takes, nothing has changed for it. */
bool revalidate_settled(const struct revalidate *revalidate, const struct flow *flow);
/* How much of the connection's state in conntrack (the rule that accepted it, its translation)
 * follows from the previous policy for this way: 0 to REVALIDATE_EXPLAINED. Where that policy is
 * unknown, from the present one. */
int revalidate_explains(struct revalidate *revalidate, const struct flow *flow,
                        const struct flow_way *way);
#define REVALIDATE_EXPLAINED 2
/* ended: an earlier commit has ended it, so that only the present policy counts. */
enum revalidate_fate revalidate_flow(struct revalidate *revalidate, const struct flow *flow,
                                     const struct flow_way *way, bool ended);

#endif
