/* The append-only record of transactions. A file starts with a magic and the chain value it
 * continues from; each record is {u32 magic, u32 len, 32 bytes chain, 32 bytes sum, len bytes
 * JSON}, little endian, where sum = BLAKE2b-256(len, JSON) and chain = BLAKE2b-256(previous chain,
 * sum). So a record can be verified by itself (sum), and is valid only after the history it was
 * written for (chain). Records of the first format (magic OJR1) have no sum, and chain =
 * BLAKE2b-256(previous chain, len, JSON); they are read, never written.
 *
 * Every journal has a second copy with the same bytes. A record is written there once it is durable
 * in the journal, never before: so everything in the copy was durable, and a refused commit is not
 * there. The copy is not synced, so a commit does not wait for it: it guards against bit rot, and a
 * power cut only makes it shorter. */
#ifndef CONFIG_JOURNAL_H
#define CONFIG_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "orbital/error.h"
#include "plugins/config/parts.h"

#define JOURNAL_CHAIN 32u
#define JOURNAL_HEAD 40u  /* magic and chain at the start of the file */
#define JOURNAL_FRAME 72u /* before each record's JSON */
/* Below the largest file a worker may write (RLIMIT_FSIZE, 256 MiB). */
#define JOURNAL_MAX_FILE (240ull * 1024 * 1024)
#define JOURNAL_MAX_RECORD (240u * 1024 * 1024)
#define JOURNAL_TORN_RECORDS 2u /* prepared, committed: what a power cut may take of the end */

struct journal {
    int fd, copy_fd; /* copy_fd -1: there is no second copy now */
    char *path, *copy_path;
    uint64_t end; /* offset of the next record */
    uint8_t chain[JOURNAL_CHAIN];
    uint64_t copied;   /* bytes of the journal that the copy holds */
    int copy_error;    /* negative errno: why the copy is behind, 0: it is not */
    bool tail_unknown; /* bytes after end could not be removed: no more records are written */
    /* Before the newest record, for taking it back. */
    uint64_t end_before;
    uint8_t chain_before[JOURNAL_CHAIN];
};

/* Called for every whole record, oldest first; below 0 ends the reading with that error. offset is
 * the same in journal and copy. */
typedef int journal_fn(void *arg, uint64_t offset, const char *text, size_t len,
                       struct orb_err *err);

/* ---- writing ---- */

/* An empty journal that continues chain, durable when this returns; files at path and copy_path are
 * replaced. After a failure it is unknown whether it exists. */
int journal_create(const char *path, const char *copy_path, const uint8_t chain[JOURNAL_CHAIN],
                   struct journal *ret_journal, struct orb_err *err);
/* Opens for writing after the record that ends at end, with the chain value there; what follows is
 * truncated and kept in PATH.cut. copied: bytes that are the same in the copy. */
int journal_open(const char *path, const char *copy_path, uint64_t end,
                 const uint8_t chain[JOURNAL_CHAIN], uint64_t copied, struct journal *ret_journal,
                 struct orb_err *err);
/* Writes a record and does not wait for the disk. On failure the file is as before, or
 * tail_unknown is set. */
int journal_append(struct journal *journal, const struct parts *parts, const char *text, size_t len,
                   struct orb_err *err);
/* Makes the newest record durable, then gives it to the second copy. */
int journal_sync(struct journal *journal, const struct parts *parts, struct orb_err *err);
/* NULL, or what another program did to the file since the last record: it is missing, replaced, or
 * of another size, so a further record would be lost. A modified copy is rewritten with the next
 * record. */
const char *journal_disturbed(struct journal *journal);
/* Removes the newest record, durably; sets tail_unknown when that cannot be confirmed. */
void journal_take_back(struct journal *journal);
void journal_close(struct journal *journal);

/* The JSON of the record at offset, from whichever of the two files has it whole; in slices, parts
 * NULL: at once. */
int journal_read(const struct parts *parts, const char *path, const char *copy_path,
                 uint64_t offset, struct buf *ret_text, struct orb_err *err);

/* ---- reading: journal_scan.c ---- */

/* An image of a file in memory; len 0: it is not there. */
struct journal_image {
    const char *data;
    size_t len;
    const struct parts *parts; /* sums are made in slices; NULL: at once */
};

struct journal_scan {
    struct journal_image main, copy;
    const uint8_t *chain; /* it must continue this; NULL: any */
    /* Chain values at which a later journal takes over; NULL: there is none. Records after that
     * point were undone. */
    const uint8_t *heads[2];
    /* Or, in place of heads: does a later journal take over at this value? Gets the argument of the
     * function for records, which has seen all of them up to there. at_end: no whole record follows
     * here, or the files do not agree about it. */
    bool (*takes_over)(void *arg, const uint8_t *chain, bool at_end);
};

struct journal_found {
    uint64_t end; /* after the last valid record; 0: the file is unusable */
    uint8_t begin[JOURNAL_CHAIN], chain[JOURNAL_CHAIN]; /* in front of the first record, at end */
    uint64_t records;
    uint64_t repaired;  /* records the journal did not have whole and the copy did */
    uint64_t first_bad; /* offset of the first of these */
    bool holes; /* not a torn end: records follow one of these or replace it, or there are more than
                   one transaction has, or the head is one of them */
    uint64_t tail; /* bytes of the journal after end */
    bool damaged;  /* not a torn tail: records that were durable are missing at end */
    bool disputed; /* at end both files continue with valid but different records: one is of another
                      history */
    bool copy_rotten;  /* the copy is not what the journal is, and no power cut leaves it so */
    uint64_t copy_bad; /* first byte of that */
    bool taken_over;   /* ended at one of heads */
    bool closed;       /* ended at a record for which cb returned more than 0 */
};

/* Reads consecutive records, each from the file in which it is valid. A failing cb ends it with
 * that error, ret_found has the place; a result above 0 ends it before that record, and the rest is
 * not read. */
int journal_scan(const struct journal_scan *scan, journal_fn *cb, void *arg,
                 struct journal_found *ret_found, struct orb_err *err);
/* Calls cb for each record at or after from that is valid by itself, regardless of gaps. Returns
 * their number (cb's result is ignored); cb may be NULL. */
uint64_t journal_scan_behind(const struct journal_image *image, uint64_t from, journal_fn *cb,
                             void *arg);
/* The chain value at the start of an image; NULL: it is no journal. */
const uint8_t *journal_scan_head(const struct journal_image *image);

/* ---- shared by the two files ---- */
struct journal_record {
    const char *text;
    uint32_t len, size; /* size: with the frame */
    uint8_t chain[JOURNAL_CHAIN];
};
/* Is there a whole record at `at`? before: the chain value in front of it, NULL: only its own sum
 * is looked at. */
bool journal_scan_record_at(const struct journal_image *image, uint64_t at, const uint8_t *before,
                            struct journal_record *ret_record);

#endif
