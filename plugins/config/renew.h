/* Going on with a new journal that continues the chain of the present one. */
#ifndef CONFIG_RENEW_H
#define CONFIG_RENEW_H

#include "plugins/config/store.h"

/* Whether a commit may begin. Starts a new journal if needed; otherwise the error has what the user
 * must do. */
int renew_writable(struct store *store, struct orb_err *err);
/* What is readable of a damaged store becomes the configuration, under a revision number that was
 * never used before. time_us, user: for the history. */
int renew_accept(struct store *store, const char *user, uint64_t time_us, struct orb_err *err);

/* Worth a snapshot, and allowed now? */
bool renew_snapshot_due(const struct store *store);
/* New snapshot and journal, old ones pruned. A failure leaves the old ones in use. */
int renew_snapshot(struct store *store, struct orb_err *err);
/* A new journal that continues the present chain, from the present revision on, in use at once. */
int renew_rotate(struct store *store, struct orb_err *err);
/* A new journal is needed before the next record, for this reason (copied); replaces the previous
 * reason. */
void renew_demand(struct store *store, const char *why);

#endif
