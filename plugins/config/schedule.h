/* Timers of the engine. The host has one request for engine_tick(). */
#ifndef CONFIG_SCHEDULE_H
#define CONFIG_SCHEDULE_H

#include "plugins/config/engine_internal.h"

/* What is due between two transactions: a snapshot, another attempt to write. */
void schedule_between(struct engine *engine);
/* Requests the next engine_tick() (milliseconds from now), if one is due. */
void schedule_arm(struct engine *engine);

#endif
