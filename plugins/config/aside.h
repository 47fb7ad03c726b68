/* Internal transactions that commit nothing: services that attached during a commit are brought to
 * it, and a service that refuses every commit is tested with the running configuration. */
#ifndef CONFIG_ASIDE_H
#define CONFIG_ASIDE_H

#include "plugins/config/participant.h"

/* tx is committed: notes the services that attached during it and read what it changed. */
void aside_committed(struct tx *tx);
/* Begins one when no transaction is in progress and one is needed. */
void aside_next(struct engine *engine);

#endif
