/* Which way a connection really takes, where the routes name another one. */
#ifndef DATAPLANE_EXPLAIN_H
#define DATAPLANE_EXPLAIN_H

#include "dataplane/revalidate.h"
#include "dataplane/ways.h"

struct explain {
    struct revalidate *revalidate;
    const struct ways *ways;
    const char **names; /* one interface for each two zones, before and now */
    unsigned count;
    unsigned tries; /* left, for the whole walk */
};

/* revalidate and ways must outlive it. */
void explain_init(struct explain *explain, struct revalidate *revalidate, const struct ways *ways);
void explain_fini(struct explain *explain);
/* way: from the routes; replaced by one that explains more of the connection's state in conntrack.
 * */
void explain_way(struct explain *explain, const struct flow *flow, struct flow_way *way);

#endif
