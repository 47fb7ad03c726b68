/* The datastore: snapshots, journals and the running tree in memory. A state directory holds
 *
 *     snapshot-N.json   {"sum": BLAKE2b of the rest, "body": {"revision": N, "chain", "tx",
 * "config"}} journal-N         transactions behind revision N (journal.h)
 *
 * Loading = newest valid snapshot + the journals behind it. A transaction without its `committed`
 * record never happened. */
#ifndef CONFIG_STORE_H
#define CONFIG_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/log.h"
#include "plugins/config/journal.h"
#include "plugins/config/overlay.h"

#define STORE_SNAPSHOT_EVERY 50u
#define STORE_SNAPSHOTS_KEPT 3u
#define STORE_JOURNALS_KEPT 20u

struct revision {
    uint64_t revision, tx;
    uint64_t generation, offset; /* where its record lies */
    uint64_t time_us;
    uint64_t undoes; /* revision this one took back, 0: none */
    uint64_t confirm_by_us;
    uint32_t confirm_s; /* 0: an ordinary commit */
    bool confirmed;
    size_t changes;
    char *user, *comment;
};

struct store {
    char *dir;
    struct log_sink *log;
    void (*step)(void *arg, const char *name); /* fault tests; may be NULL */
    void *step_arg;

    json_t *running;
    uint64_t revision;
    uint64_t last_tx;
    uint64_t generation;
    struct journal journal;
    unsigned commits; /* in this journal */

    struct revision *list; /* ascending, those whose journal is still here */
    size_t count, cap;

    struct revision pending; /* prepared, neither committed nor aborted */
    json_t *pending_patch;
    bool interrupted; /* found by store_open: a transaction was cut off by the end of the service */
    bool fresh;       /* found by store_open: there was nothing */
};

int store_open(struct store *store, const char *dir, struct log_sink *log,
               void (*step)(void *arg, const char *name), void *step_arg, struct orb_err *err);
void store_close(struct store *store);

/* Record `prepared`, durable. meta: tx, user, comment, confirm fields, undoes; the rest is filled.
 * patch: overlay_patch form, kept by reference. */
int store_prepare(struct store *store, const struct revision *meta, json_t *patch,
                  struct orb_err *err);
/* Record `committed`, durable; then the running tree is the new one. */
int store_commit(struct store *store, struct orb_err *err);
/* Record `aborted`. Failing to write it is harmless: without `committed` nothing happened. */
void store_abort(struct store *store, const char *why);
/* Record `confirmed` for the newest revision, durable. */
int store_confirm(struct store *store, struct orb_err *err);

/* Is the newest revision waiting for its confirmation? */
bool store_unconfirmed(const struct store *store);
const struct revision *store_find(const struct store *store, uint64_t revision);
/* The patch of a revision, read from disk. */
int store_patch(const struct store *store, uint64_t revision, json_t **ret_patch,
                struct orb_err *err);
/* Lays over the running tree what makes it the tree of an older revision. */
int store_overlay(const struct store *store, uint64_t revision, struct overlay *overlay,
                  struct orb_err *err);

/* Worth a snapshot, and allowed now? */
bool store_snapshot_due(const struct store *store);
/* New snapshot and journal, old ones pruned. A failure leaves the old ones in use. */
int store_snapshot(struct store *store, struct orb_err *err);

#endif
