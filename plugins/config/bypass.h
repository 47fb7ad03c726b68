/* Who is not asked in a transaction although it reads what changes. */
#ifndef CONFIG_BYPASS_H
#define CONFIG_BYPASS_H

#include "plugins/config/participant.h"
#include "plugins/config/subscriber.h"

/* NULL, or why s is not asked, in words for the plan. ret_stays: it may go on reading what it
 * reads. */
const char *bypass_reason(const struct tx *tx, const struct subscriber *s, bool *ret_stays);
/* It hung or died when it was asked: after some of these in a row it is left out. */
void bypass_spoilt(struct engine *engine, const char *name);
/* It followed a transaction. */
void bypass_followed(struct engine *engine, const char *name);
/* Starts services anew that were not asked and still run. */
void bypass_committed(struct tx *tx);

#endif
