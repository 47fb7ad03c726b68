/* The plan of a transaction, as its answer has it: what each service does about the change. */
#ifndef CONFIG_PLAN_H
#define CONFIG_PLAN_H

#include "plugins/config/participant.h"

/* A new array of {"service","kind","text"} in the order in which they apply. What would make the
 * answer too long for a frame is left out and counted in a last step of kind "more": the change is
 * made all the same, and services decide how long their texts are. */
json_t *plan_of(const struct tx *tx);

#endif
