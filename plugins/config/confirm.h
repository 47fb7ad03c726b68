/* Commits that must be confirmed, by a session opened after they were applied; else they are
 * undone.
 */
#ifndef CONFIG_CONFIRM_H
#define CONFIG_CONFIRM_H

#include "plugins/config/job.h"

/* Such a commit was applied: the time to confirm begins. */
void confirm_started(struct engine *engine);
/* The undo of a commit whose time is over, for the caller to enqueue; NULL: none is due. */
struct job *confirm_due(struct engine *engine);
/* Undoes at start what was not confirmed before it. Error: its patch cannot be read or applied. */
int confirm_at_boot(struct engine *engine, struct orb_err *err);
/* Method confirm. */
method_fn confirm_method;

#endif
