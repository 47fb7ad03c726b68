/* What is left of the damage among the older files, after the datastore was made new. */
#ifndef CONFIG_MEND_H
#define CONFIG_MEND_H

#include "plugins/config/store_internal.h"

/* Once the new journal and its snapshot are durable: damaged files that nothing needs any more
 * become FILE.damaged, and journals of the history are made whole from their two files, or go as
 * well. */
void mend_clear(struct store *store);

#endif
