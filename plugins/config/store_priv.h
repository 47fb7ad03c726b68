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
char *store_copy_path(const struct store *store, uint64_t generation);
void revision_fini(struct revision *revision);
void store_note(struct store *store, const char *user, const char *text, uint64_t time_us);
/* Replaces the reason for making the journal anew. */
void store_must_renew(struct store *store, const char *why);
/* A new journal that continues the present chain, from the present revision on, in use at once. */
int store_rotate(struct store *store, struct orb_err *err);

/* ---- damage.c ---- */
/* byte 0: of the file as a whole. Logs it. */
void damage_found(struct store *store, const char *file, uint64_t byte, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void damage_seen(struct store *store, uint64_t revision);
/* Makes the one sentence of what was found; revision: what runs. */
void damage_describe(struct store *store);
/* Keeps a second name, FILE.damaged, for each file found damaged. */
void damage_keep(struct store *store);
void damage_fini(struct damage *damage);

/* load_journals.c: the journals behind the snapshot, whose chain value is given. */
int load_journals(struct store *store, const uint8_t *chain, struct orb_err *err);

/* Numbers N of the files PREFIX N SUFFIX in the state directory, ascending; freed by the caller. */
uint64_t *store_numbers(const struct store *store, const char *prefix, const char *suffix,
                        size_t *ret_count);
/* The same for journals, whether the first or the second copy is there. */
uint64_t *store_journals(const struct store *store, size_t *ret_count);

/* Fills running, revision, last_tx from snapshot N. ret_chain: where its journal starts. */
int snapshot_load(struct store *store, uint64_t number, uint8_t ret_chain[JOURNAL_CHAIN],
                  struct orb_err *err);
int snapshot_write(struct store *store, struct orb_err *err);
void snapshot_prune(struct store *store);

#endif
