/* Requests to the host about services that did not do what a transaction needs. why: for the log.
 */
#ifndef CONFIG_SERVICE_H
#define CONFIG_SERVICE_H

#include "plugins/config/engine_internal.h"

/* host@1 service-restart: for one that answers. */
void service_restart(struct engine *engine, const char *name, const char *why);
/* host@1 service-late: ends one that does not; its successor attaches to what is stored. */
void service_late(struct engine *engine, const char *name, const char *why);
/* host@1 service-needed: starts one that a user stopped; it attaches to the stored configuration.
 * */
void service_needed(struct engine *engine, const char *name, const char *why);

#endif
