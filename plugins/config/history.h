/* The revisions and notes of the store: those whose journal is still there. */
#ifndef CONFIG_HISTORY_H
#define CONFIG_HISTORY_H

#include "plugins/config/store.h"

/* Frees the texts of a revision. */
void history_revision_fini(struct revision *revision);
/* Appends revision; takes its texts. */
void history_push(struct store *store, struct revision *revision);
/* Appends a note about the present revision; the texts are copied. */
void history_note(struct store *store, const char *user, const char *text, uint64_t time_us);
/* Is the newest revision waiting for its confirmation? */
bool history_unconfirmed(const struct store *store);
/* Distinguishes revisions of the same number: computed from its record, so another appliance or an
 * earlier history has another one. Below 2^53; 0: unknown. */
uint64_t history_id(const struct store *store, uint64_t revision);
/* NULL: it is not held. */
const struct revision *history_find(const struct store *store, uint64_t revision);
/* The patch of a revision, read from disk, in slices (parts NULL: at once); the caller releases it.
 * Error: ORB_E_NOT_FOUND, or the journal cannot be read. */
int history_patch(const struct store *store, const struct parts *parts, uint64_t revision,
                  json_t **ret_patch, struct orb_err *err);
/* Lays over the running tree what makes it the tree of an older revision. */
int history_overlay(const struct store *store, uint64_t revision, struct overlay *overlay,
                    struct orb_err *err);

#endif
