/* Participants that are not waited for any more. */
#ifndef CONFIG_GIVEUP_H
#define CONFIG_GIVEUP_H

#include "plugins/config/engine_internal.h"
#include "plugins/config/participant.h"

/* Waits no longer for the answer that p owes, and orders its end: the transaction goes on without
 * it, and may have ended when this returns. why: for the log. */
void giveup(struct participant *p, const char *why);
/* For engine_tick(): gives up those that have used up their time (strikes.h). */
void giveup_tick(struct engine *engine);

#endif
