/* Shared by the files of the datastore. */
#ifndef CONFIG_STORE_PRIV_H
#define CONFIG_STORE_PRIV_H

#include "plugins/config/store.h"

extern const struct json_limits store_limits; /* for our own files */

void store_step(const struct store *store, const char *name);
/* Takes revision's strings. */
void store_push(struct store *store, struct revision *revision);
void store_drop_pending(struct store *store);
char *store_journal_path(const struct store *store, uint64_t generation);
void revision_fini(struct revision *revision);

/* Numbers N of the files PREFIX N SUFFIX in the state directory, ascending; freed by the caller. */
uint64_t *store_numbers(const struct store *store, const char *prefix, const char *suffix,
                        size_t *ret_count);

/* Fills running, revision, last_tx from snapshot N. ret_chain: where its journal starts. */
int snapshot_load(struct store *store, uint64_t number, uint8_t ret_chain[JOURNAL_CHAIN],
                  struct orb_err *err);
int snapshot_write(const struct store *store, struct orb_err *err);
void snapshot_prune(struct store *store);

#endif
