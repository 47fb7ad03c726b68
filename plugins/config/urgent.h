/* Commits that disable services, revoke grants or change limits, while the present transaction
 * waits for just these services: such a commit is next, and these are no longer waited for. */
#ifndef CONFIG_URGENT_H
#define CONFIG_URGENT_H

#include "plugins/config/engine_internal.h"
#include "plugins/config/job.h"

/* Is job one? */
bool urgent_is(struct engine *engine, const struct job *job);
/* job is queued: the present transaction continues without the services it is about. */
void urgent_pass(struct engine *engine, const struct job *job);

#endif
