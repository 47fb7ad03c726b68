/* What the health report needs of the configuration: which revision each service should follow,
 * and which parts no service follows, as their package is not there. */
#ifndef CONFIG_FOLLOW_H
#define CONFIG_FOLLOW_H

#include "plugins/config/participant.h"

/* Sends the host the revision each service should follow. */
void follow_engine(struct engine *engine);
/* tx was committed: services with a part in it should follow that. */
void follow_committed(struct tx *tx);
/* Reports stored parts without an installed package to the host, each, and when one is gone. */
void follow_unserved(struct engine *engine);
/* A part that was told as unserved is stored no longer: the problem is taken back. */
void follow_part_gone(struct engine *engine, const char *part);
/* Has an installed package that part? */
bool follow_is_served(const struct engine *engine, const char *part);

#endif
