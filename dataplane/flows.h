/* conntrack's connections after a change of the policy; conntrack.h reads and changes them. */
#ifndef DATAPLANE_FLOWS_H
#define DATAPLANE_FLOWS_H

#include <stdbool.h>

#include "dataplane/dataplane_internal.h"

struct buf;
struct dataplane;
struct dataplane_compiled;
struct orb_err;

/* Ends the connections that the rules in force refuse or would translate differently, and counts
 * them in dp->ended; with dp->forget also deletes those without a rule's mark. before: the previous
 * policy, NULL: unknown. */
int flows_purge(struct dataplane *dp, const struct dataplane_compiled *compiled,
                const struct dataplane_compiled *before, struct orb_err *err);
/* Whether connections may be accepted by rules that are no longer in force; saved for the next
 * daemon, too. */
bool flows_unsettled(const struct dataplane *dp);
/* Keeps it for flows_unsettled(), in the pinned control map; nothing without one. */
void flows_settle(struct dataplane *dp, bool settled);

#endif
