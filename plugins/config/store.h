/* The datastore: snapshots, journals and the running tree in memory. A state directory holds
 *
 *     snapshot-N.json   {"sum": BLAKE2b of the rest, "body": {"revision", "chain", "tx", "config"}}
 *     journal-N         transactions behind revision N (journal.h)
 *     last-good-N       the second copy of journal-N
 *
 * Loading = newest valid snapshot + the journals behind it. A transaction without its `committed`
 * record never happened.
 *
 * What is not as it was written is told apart (struct damage): a torn end is cut; what the second
 * copy or an older snapshot makes good is damage, and the newest revision runs; what they do not
 * make good runs older than it should, and then nothing is written before a user accepts it. */
#ifndef CONFIG_STORE_H
#define CONFIG_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/log.h"
#include "plugins/config/journal.h"
#include "plugins/config/overlay.h"

#define STORE_SNAPSHOT_EVERY 50u
/* A journal is worth a snapshot when it is twice as large as one, so that reading the store at
 * start follows the size of the tree and never the number of its changes. */
#define STORE_SNAPSHOT_BYTES (1024u * 1024)
#define STORE_SNAPSHOTS_KEPT 3u
#define STORE_JOURNALS_KEPT 20u
#define STORE_HISTORY_BYTES (64ull * 1024 * 1024) /* of journals kept for the history alone */
/* From here on a commit makes the snapshot itself, before it is written. */
#define STORE_JOURNAL_FULL (128ull * 1024 * 1024)

struct revision {
    uint64_t revision, tx;
    uint64_t id;                 /* history_id() */
    uint64_t generation, offset; /* position of its record */
    uint64_t time_us;
    uint64_t undoes; /* revision this one took back, 0: none */
    uint64_t confirm_by_us;
    uint32_t confirm_s; /* 0: an ordinary commit */
    bool confirmed;
    size_t changes;
    char *user, *comment;
};

/* Something users should see beside the revisions: what was lost, what was accepted. */
struct note {
    uint64_t revision, time_us;
    char *user, *text;
};

struct damage {
    bool rotten;             /* something that was durable is not whole, or not there, any more */
    bool lost;               /* and what runs is, or may be, older than what there was */
    bool foreign;            /* or of another appliance */
    uint64_t seen;           /* the largest revision number met anywhere */
    uint64_t found_us;       /* since the epoch */
    char text[ORB_ERR_TEXT]; /* the sentence about all of it; "": nothing is wrong */
    json_t *findings;        /* [{"file", "byte", "text"}], NULL: none */
};

/* Parameters for opening the store. */
struct store_setup {
    const char *dir;
    struct log_sink *log;
    void (*step)(void *arg, const char *name); /* fault tests; may be NULL */
    void *step_arg;
    void (*progress)(
        void *arg); /* called with step_arg for each record that is read; may be NULL */
    /* The newest revision applied to the kernel, as far as known to the host; 0: unknown. An older
     * one is not handed out before a user accepts it. */
    uint64_t enforced;
    uint64_t enforced_id; /* its history_id() as reported; another one: another history */
    /* A transaction that was refused and could not be undone; 0: none. */
    uint64_t void_tx;
    uint64_t
        good; /* the newest revision that is known to have run, also before a reboot; 0: none */
};

struct store {
    char *dir;
    struct log_sink *log;
    void (*step)(void *arg, const char *name); /* fault tests; may be NULL */
    void *step_arg;
    void (*progress)(void *arg);

    const struct parts *parts; /* what is long is done in slices of theirs; NULL: at once */
    json_t *running;
    json_t *next; /* made by store_next(); from store_commit() on the tree before it */
    uint64_t revision;
    uint64_t id;      /* of it */
    uint64_t written; /* the newest revision on the disk; older when it took nothing of an undo */
    uint64_t last_tx;
    uint64_t generation;
    struct journal journal;
    unsigned commits;        /* in this journal */
    uint64_t journal_full;   /* STORE_JOURNAL_FULL, smaller in tests */
    uint64_t snapshot_bytes; /* size of the newest snapshot */
    uint64_t snapshot_skip;  /* the journal's size when a snapshot failed: not tried again before
                                it grew as much again */
    bool unwritable;         /* the last write failed, renew has the reason */
    char *renew; /* why a new journal is needed before the next record, NULL: it is not */
    struct damage damage;
    bool held; /* the tree is withheld: empty or older than the kernel's state */
    uint64_t enforced, enforced_id, good; /* as in struct store_setup */
    uint64_t void_tx;                     /* refused, and yet perhaps on the disk; 0: none */

    struct note *notes;
    size_t note_count;

    struct revision *list; /* ascending, those whose journal is still here */
    size_t count, cap;

    json_t *unconfirmed; /* patch of the newest revision while it waits to be confirmed: taking it
                            back must not hang on a file; NULL after a restart */
    struct past *past;   /* cached trees of older revisions (past.h) */
    struct revision pending; /* prepared, neither committed nor aborted */
    json_t *pending_patch;
    int list_error;   /* negative errno: the directory could not be listed */
    bool interrupted; /* found by load_store: a transaction was cut off by the end of the service */
    bool fresh;       /* found by load_store: there was nothing */
};

/* Frees what the store holds; closes its files. */
void store_close(struct store *store);

/* Record `prepared`, durable. meta: tx, user, comment, confirm fields, undoes; the rest is filled.
 * patch: overlay_patch form, kept by reference. */
int store_prepare(struct store *store, const struct revision *meta, json_t *patch,
                  struct orb_err *err);
/* Makes the tree to which the prepared transaction leads beside the running one, in slices: then
 * store_commit() takes it at once. Only for large ones: it copies the objects that change. */
void store_next(struct store *store);
/* Gives back in slices what store_next() made and what store_commit() put in its place. */
void store_drop_next(struct store *store);
/* Writes record `committed`, durably; then the running tree is the new one. On failure the record
 * was undone, or void_tx names the transaction. */
int store_commit(struct store *store, struct orb_err *err);
/* A commit of the running tree in memory only, for what must not run although the disk takes
 * nothing; it gets to the disk with the next one. */
int store_commit_unwritten(struct store *store, const struct revision *meta, json_t *patch,
                           struct orb_err *err);
/* Record `aborted`. Failing to write it is harmless: without `committed` nothing happened. */
void store_abort(struct store *store, const char *why);
/* Record `confirmed` for the newest revision, durable. */
int store_confirm(struct store *store, struct orb_err *err);

#endif
