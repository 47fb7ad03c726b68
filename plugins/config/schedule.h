/* When the engine has something to do by itself. The host keeps one wish for engine_tick(). */
#ifndef CONFIG_SCHEDULE_H
#define CONFIG_SCHEDULE_H

#include "plugins/config/engine_internal.h"

/* What is due between two transactions: a snapshot, another attempt to write. */
void schedule_between(struct engine *engine);
/* Tells the host when engine_tick() is due next (milliseconds from now), if it is. */
void schedule_arm(struct engine *engine);

#endif
