/* Safe mode: after the host ended again and again, the last revision that is known to run well. */
#ifndef CONFIG_SAFE_H
#define CONFIG_SAFE_H

#include "plugins/config/engine_internal.h"

/* Goes back to the last revision that is known to run well, if another is the newest. */
void safe_at_boot(struct engine *engine);
/* A person has committed something: what runs is what is wanted. */
void safe_over(struct engine *engine);

#endif
