/* Reports of the store to the host: problems, and which revision the kernel may be brought to. */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H

#include "plugins/config/engine_internal.h"

/* Names a moment, for tests that end the service there. */
void report_step(const struct engine *engine, const char *name);
/* Sets or clears the problems of the store. */
void report_store(struct engine *engine);
/* Sends the host the revision the kernel is brought to. */
void report_enforced(struct engine *engine);

#endif
