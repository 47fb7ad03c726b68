/* Shared by the files of the datastore. */
#ifndef CONFIG_STORE_INTERNAL_H
#define CONFIG_STORE_INTERNAL_H

#include "core/json/tree.h"
#include "plugins/config/store.h"

extern const struct json_limits store_limits; /* for the store's own files */

/* Tells a test which step comes next (struct store, step). */
static inline void store_step(const struct store *store, const char *name)
{
    if (store->step)
        store->step(store->step_arg, name);
}
/* Forgets the transaction that is prepared and neither committed nor aborted. */
void store_drop_pending(struct store *store);

#endif
