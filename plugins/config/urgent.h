/* Commits that disable services, take a grant from them or change their limits, while the
 * transaction on its way waits for just these: such a commit is next, and nothing waits for them
 * any more. */
#ifndef CONFIG_URGENT_H
#define CONFIG_URGENT_H

#include "plugins/config/engine_internal.h"
#include "plugins/config/job.h"

/* Is job one? */
bool urgent_is(struct engine *engine, const struct job *job);
/* job is in the queue: the transaction on its way goes on without the services it is about. */
void urgent_pass(struct engine *engine, const struct job *job);

#endif
