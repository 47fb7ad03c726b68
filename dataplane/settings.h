/* The kernel's settings that the rules rely on; what does not succeed is kept in dp->problems and
 * refuses no policy.
 */
#ifndef DATAPLANE_SETTINGS_H
#define DATAPLANE_SETTINGS_H

#include <stdbool.h>

#include "dataplane/kept_file.h"

struct buf;
struct dataplane;
struct orb_err;

#define SETTINGS_TIMEOUTS 2

/* What does not succeed is kept in dp->problems and refuses no policy. */
/* Those the rules rely on; before them. */
void settings_prepare(struct dataplane *dp);
/* Conntrack's own time-outs, for the programs; also on the thread of foreign_poll.c, whose files
 * stay open in kept; NULL: none does. */
void settings_timeouts(struct dataplane *dp, struct kept_file kept[SETTINGS_TIMEOUTS]);
/* One of those the rules rely on was changed by another program; the kernel sends no events for
 * them. */
bool settings_wrong(const struct dataplane *dp);
/* What settings_prepare changed is put back: the policy did not come into force. */
void settings_undo(struct dataplane *dp);
/* Forwarding; last of all. */
void settings_forward(struct dataplane *dp);
/* Restores settings that another program changed; appends their names to ret_names. */
void settings_check(struct dataplane *dp, struct buf *ret_names);
/* Without any rules: nothing is forwarded. */
int settings_close(const char *found, struct orb_err *err);

#endif
