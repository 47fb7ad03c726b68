/* conntrack's connections after a change of the policy. */
#ifndef DATAPLANE_FLOWS_H
#define DATAPLANE_FLOWS_H

#include <stdbool.h>

#include "dataplane/dataplane_internal.h"

struct buf;
struct dataplane;
struct dataplane_compiled;
struct orb_err;

/* Ends the connections that the rules in force refuse or would translate otherwise, and counts them
 * in dp->ended; with dp->forget also deletes what no rule has marked. before: the policy they ran
 * by, NULL: unknown. */
int flows_purge(struct dataplane *dp, const struct dataplane_compiled *compiled,
                const struct dataplane_compiled *before, struct orb_err *err);
/* Connections may run by rules that are not in force any more: told to the next daemon, too. */
bool flows_unsettled(const struct dataplane *dp);
/* Keeps it for flows_unsettled(), in the pinned control map; nothing without one. */
void flows_settle(struct dataplane *dp, bool settled);
/* Deletes connections that no rule has marked and that were not answered: they would be new to
 * the first policy's rules, and go on untranslated until flows_purge finds it. */
int flows_forget_unanswered(struct orb_err *err);
/* Feeds each of conntrack's connections (IPCTNL_MSG_CT_NEW) to each. */
int flows_dump(dump_fn *each, void *arg, struct orb_err *err);
/* Messages of flow.h, one after the other; what ended by itself meanwhile is no error. */
int flows_send(const struct buf *messages, struct orb_err *err);
/* The marks of rules: 0. */
int flows_unmark(struct orb_err *err);
/* Connections that were ended and are still known go on: it is unknown which policy is in force. */
int flows_resume(struct orb_err *err);

#endif
