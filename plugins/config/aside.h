/* Transactions of the engine's own, that commit nothing: services that attached while a commit was
 * on its way follow it, and one that refuses whatever it is asked is asked whether it takes what
 * runs. */
#ifndef CONFIG_ASIDE_H
#define CONFIG_ASIDE_H

#include "plugins/config/participant.h"

/* tx is committed: notes who attached while it was on its way and reads what it changed. */
void aside_committed(struct tx *tx);
/* Begins one when none is on its way and there is something to do. */
void aside_next(struct engine *engine);

#endif
