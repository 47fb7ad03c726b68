/* Safe mode: after the host ended again and again, the last revision that is known to run well. */
#ifndef CONFIG_SAFE_H
#define CONFIG_SAFE_H

#include "plugins/config/engine_internal.h"

/* Loads the last revision known to run well, if the newest is another one. */
void safe_at_boot(struct engine *engine);
/* A user has committed something: the running configuration is the intended one. */
void safe_over(struct engine *engine);

#endif
