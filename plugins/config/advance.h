/* How far a commit is, for the client that waits for it: the services' own reports, and which of
 * them have answered. Half of the whole is prepare, half apply. */
#ifndef CONFIG_ADVANCE_H
#define CONFIG_ADVANCE_H

#include "plugins/config/participant.h"

/* p reported what it is doing, and how much of its present step is done (0 to 100, -1: unknown). */
void advance_reported(struct participant *p, const char *phase, int percent);
/* A participant has answered, or is not waited for any more. */
void advance_answered(const struct tx *tx);

#endif
