/* conntrack's connections after a change of the policy. */
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
/* Deletes unmarked connections without an answer: they would be new to the first policy's rules,
 * and continue untranslated until flows_purge finds them. */
int flows_forget_unanswered(struct orb_err *err);
/* Feeds each of conntrack's connections (IPCTNL_MSG_CT_NEW) to each. */
int flows_dump(dump_fn *each, void *arg, struct orb_err *err);
/* Sends messages of flow.h, one after the other; connections that ended by themselves are no error.
 * */
int flows_send(const struct buf *messages, struct orb_err *err);
/* The marks of rules: 0. */
int flows_unmark(struct orb_err *err);
/* Lets connections that were ended but are still in conntrack continue: it is unknown which policy
 * is in force. */
int flows_resume(struct orb_err *err);

#endif
