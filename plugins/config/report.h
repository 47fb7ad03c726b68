/* What the host is told of the store: problems, and which revision the kernel may be brought to. */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H

#include "plugins/config/engine_internal.h"

/* Names a moment, for tests that end the service there. */
void report_step(const struct engine *engine, const char *name);
/* Tells the host what stands against the store, or that nothing does any more. */
void report_store(struct engine *engine);
/* Tells the host which revision the kernel is brought to. */
void report_enforced(struct engine *engine);

#endif
