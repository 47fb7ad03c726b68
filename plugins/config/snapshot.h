/* Snapshots of the running tree: snapshot-N.json. */
#ifndef CONFIG_SNAPSHOT_H
#define CONFIG_SNAPSHOT_H

#include "plugins/config/store_internal.h"

/* Is snapshot N whole? Its content is not looked at. */
int snapshot_check(const struct store *store, uint64_t number, struct orb_err *err);
/* Fills running, revision, last_tx from snapshot N. ret_chain: where its journal starts. */
int snapshot_load(struct store *store, uint64_t number, uint8_t ret_chain[JOURNAL_CHAIN],
                  struct orb_err *err);
/* Writes that of the present revision, durable. */
int snapshot_write(struct store *store, struct orb_err *err);
/* Removes snapshots and journals that are more than are kept. */
void snapshot_prune(struct store *store);

#endif
