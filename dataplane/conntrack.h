/* Reads conntrack's connections by netlink and changes them: messages as flow.h makes them, and
 * changes of all connections at once. */
#ifndef DATAPLANE_CONNTRACK_H
#define DATAPLANE_CONNTRACK_H

#include "dataplane/dump.h"

struct buf;
struct orb_err;

/* Deletes unmarked connections without an answer: they would be new to the first policy's rules,
 * and continue untranslated until flows_purge finds them. */
int conntrack_forget_unanswered(struct orb_err *err);
/* Feeds each of conntrack's connections (IPCTNL_MSG_CT_NEW) to each. */
int conntrack_dump(dump_fn *each, void *arg, struct orb_err *err);
/* Sends messages of flow.h, one after the other; connections that ended by themselves are no
 * error. */
int conntrack_send(const struct buf *messages, struct orb_err *err);
/* Sets the marks of all connections to 0. */
int conntrack_unmark(struct orb_err *err);
/* Lets connections that were ended but are still in conntrack continue: it is unknown which policy
 * is in force. */
int conntrack_resume(struct orb_err *err);

#endif
