/* Services left out of a transaction although they read what changes. */
#ifndef CONFIG_BYPASS_H
#define CONFIG_BYPASS_H

#include "plugins/config/participant.h"
#include "plugins/config/subscriber.h"

/* NULL, or why s is left out, as text for the plan. ret_stays: it may keep reading its paths. */
const char *bypass_reason(const struct tx *tx, const struct subscriber *s, bool *ret_stays);
/* Does the patch disable the service, take a grant from it or change its limits? */
bool bypass_takes_away(const struct engine *engine, const char *name, const json_t *patch);
/* Restarts services that were left out and still run. */
void bypass_committed(struct tx *tx);

#endif
