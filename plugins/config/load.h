/* Reading the datastore at start. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "plugins/config/store.h"

/* Opens the store that setup names; store_close() closes it, also after an error. Below 0:
 * something cannot be read just now, and without it an older tree would run. */
int load_store(struct store *store, const struct store_setup *setup, struct orb_err *err);

#endif
