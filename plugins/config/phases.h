/* The phases of a commit, and its ends. Order of the durable facts: all have agreed, `prepared` is
 * on the disk, all have applied, `committed` is on the disk, the running tree changes, the caller
 * is answered. Whatever fails before the last record is undone in reverse. */
#ifndef CONFIG_PHASES_H
#define CONFIG_PHASES_H

#include "plugins/config/engine_internal.h"

struct job;
struct tx;

/* Takes a transaction whose participants are known through all of them; it is freed at the end. */
void phases_begin(struct tx *tx);
/* Answers the client of a job that is not committed; of an undo, it is tried again. */
void phases_refuse(struct engine *engine, const struct job *job, const struct orb_err *err);
/* For an undo that the disk does not take: it restores reachability, so that is no reason to lock a
 * user out, and after a restart it would be undone again. Logs and clears err; returns 0. */
int phases_not_written(struct engine *engine, struct orb_err *err);

#endif
