/* Candidates and what others committed since they were edited. */
#ifndef CONFIG_REBASE_H
#define CONFIG_REBASE_H

#include "plugins/config/candidate.h"

/* Looks at what was committed since the candidate's changes were made, each revision once. all:
 * without a pause; else 1 means that there is more to look at, in another slice. Error: the history
 * does not hold it any more. */
int rebase_look(struct engine *engine, struct candidate *candidate, bool all, struct orb_err *err);
/* 0, or ORB_E_CONFLICT naming the paths others changed since. */
int rebase_conflicts(struct engine *engine, struct candidate *candidate, struct orb_err *err);
/* The tree of revision from is revision to now: what was based on one is based on the other. */
void rebase_moved_all(struct engine *engine, uint64_t from, uint64_t to);

#endif
