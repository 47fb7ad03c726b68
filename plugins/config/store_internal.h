/* Shared by the files of the datastore. */
#ifndef CONFIG_STORE_INTERNAL_H
#define CONFIG_STORE_INTERNAL_H

#include "core/json/tree.h"
#include "plugins/config/store.h"

/* For the store's own files. */
static const struct json_limits store_limits = {.depth = 64, .keys = JSON_MAX_TREE_KEYS};

/* Calls the test hook with the next step (struct store, step). */
static inline void store_step(const struct store *store, const char *name)
{
    if (store->step)
        store->step(store->step_arg, name);
}
/* Drops the transaction that is prepared and neither committed nor aborted. */
void store_drop_pending(struct store *store);

#endif
