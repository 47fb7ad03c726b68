/* Shared by the files of the datastore. */
#ifndef CONFIG_STORE_INTERNAL_H
#define CONFIG_STORE_INTERNAL_H

#include "plugins/config/record.h"
#include "plugins/config/store.h"

extern const struct json_limits store_limits; /* for the store's own files */

/* Tells a test which step comes next (struct store, step). */
void store_step(const struct store *store, const char *name);
/* Takes revision's strings. */
void store_push(struct store *store, struct revision *revision);
void store_drop_pending(struct store *store);
char *store_journal_path(const struct store *store, uint64_t generation);
char *store_copy_path(const struct store *store, uint64_t generation);
void store_revision_fini(struct revision *revision);
void store_note(struct store *store, const char *user, const char *text, uint64_t time_us);
/* Replaces the reason for making the journal anew. */
void store_must_renew(struct store *store, const char *why);
/* A new journal that continues the present chain, from the present revision on, in use at once. */
int renew_rotate(struct store *store, struct orb_err *err);

/* ---- load_files.c ---- */
/* A whole regular file, with progress; limit in bytes. */
int load_files_read(const struct store *store, const char *path, size_t limit, struct buf *ret_data,
                    struct orb_err *err);

/* A journal and its copy in memory. */
struct pair {
    char *path, *copy_path;
    struct buf main, copy;
    struct orb_err main_err, copy_err; /* code 0: it was read */
};

/* The chain values at which a journal begins, by its two files; fewer when they cannot be read. */
struct journal_heads {
    size_t count;
    uint8_t chain[2][JOURNAL_CHAIN];
};

/* Reads a journal and its copy; what could not be read is in main_err, copy_err. */
void load_files_pair_read(const struct store *store, uint64_t generation, struct pair *ret_pair);
void load_files_pair_fini(struct pair *pair);
static inline void own_pair(struct pair *pair)
{
    load_files_pair_fini(pair);
}
/* The bytes by reference. */
struct journal_image load_files_pair_image(const struct buf *data);
/* How many bytes, up to limit, are the same in both files from the start. */
uint64_t load_files_pair_same_bytes(const struct pair *pair, uint64_t limit);
void load_files_read_heads(const struct store *store, uint64_t generation,
                           struct journal_heads *ret_heads);
/* The journals behind one that is being read. */
struct later {
    const struct store *store;
    const uint64_t *numbers; /* ascending; the caller's */
    size_t count;
    uint64_t taken_by; /* the one that takes over */
    uint64_t asked;    /* whose heads these are, if heads_read */
    bool heads_read;
    struct journal_heads heads;
};

/* Does one of them take over behind revision at, where the chain has this value? Its number is the
 * revision at which it begins, so a copy of a file under another number takes nothing over. Numbers
 * are left out only where a person accepted that revisions are lost: there a journal ends
 * (at_end, as in struct journal_scan). */
bool load_files_take_over(struct later *later, uint64_t at, const uint8_t *chain, bool at_end);

/* Both files for journal_scan, which ends where generation next begins (NULL: there is none). The
 * scan points into pair and heads. */
void load_files_pair_scan(const struct store *store, const struct pair *pair, const uint64_t *next,
                          struct journal_heads *heads, struct journal_scan *ret_scan);

/* ---- damage.c ---- */
/* byte 0: of the file as a whole. Logs it. */
void damage_found(struct store *store, const char *file, uint64_t byte, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void damage_seen(struct store *store, uint64_t revision);
/* Makes the one sentence of what was found; revision: what runs. */
void damage_describe(struct store *store);
/* Keeps a copy, FILE.damaged, of each file found damaged that the next journal replaces. */
void damage_keep(struct store *store);
/* Gives a file of the state directory another name, FILE.damaged; needs no room for that. */
void damage_set_aside(const struct store *store, const char *file);
/* The file that finding i is about; NULL: there are no more. */
const char *damage_file(const struct store *store, size_t i);
/* mend.c: once that journal and its snapshot are durable: damaged files that nothing needs any more
 * become FILE.damaged, and journals of the history are made whole from their two files, or go as
 * well. */
void mend_clear(struct store *store);
void damage_fini(struct damage *damage);

/* load_journals.c: the journals behind the snapshot, whose chain value is given. */
int load_journals(struct store *store, const uint8_t *chain, struct orb_err *err);

/* Numbers N of the files PREFIX N SUFFIX in the state directory, ascending; freed by the caller. A
 * directory that cannot be listed sets list_error. */
uint64_t *snapshot_numbers(struct store *store, const char *prefix, const char *suffix,
                           size_t *ret_count);
/* The same for journals, whether the first or the second copy is there. */
uint64_t *snapshot_journals(struct store *store, size_t *ret_count);

/* Is snapshot N whole? Its content is not looked at. */
int snapshot_check(const struct store *store, uint64_t number, struct orb_err *err);
/* Fills running, revision, last_tx from snapshot N. ret_chain: where its journal starts. */
int snapshot_load(struct store *store, uint64_t number, uint8_t ret_chain[JOURNAL_CHAIN],
                  struct orb_err *err);
int snapshot_write(struct store *store, struct orb_err *err);
void snapshot_prune(struct store *store);

#endif
