/* Participants that are not waited for any more. */
#ifndef CONFIG_GIVEUP_H
#define CONFIG_GIVEUP_H

#include "plugins/config/engine_internal.h"
#include "plugins/config/participant.h"

/* Abandons the pending answer of p and has it killed: the transaction continues without it, and may
 * have ended when this returns. why: for the log. */
void giveup(struct participant *p, const char *why);
/* For engine_tick(): abandons those that have used up their time (strikes.h). */
void giveup_tick(struct engine *engine);

#endif
