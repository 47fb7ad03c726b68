/* The append-only record of transactions. A file starts with a magic and the chain value it
 * continues from; each record is {u32 magic, u32 len, 32 bytes chain, len bytes JSON}, little
 * endian, where chain = BLAKE2b-256(chain before, len, JSON). So one comparison tells a torn or
 * changed record, and a record fits only behind the very history it was written for. */
#ifndef CONFIG_JOURNAL_H
#define CONFIG_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "orbital/error.h"

#define JOURNAL_CHAIN 32u
#define JOURNAL_HEAD 40u  /* magic and chain at the start of the file */
#define JOURNAL_FRAME 40u /* before each record's JSON */
#define JOURNAL_MAX_RECORD (256u * 1024 * 1024)
#define JOURNAL_MAX_FILE (1024ull * 1024 * 1024)

struct journal {
    int fd;
    char *path;
    uint64_t end; /* where the next record goes */
    uint8_t chain[JOURNAL_CHAIN];
};

/* Called for every whole record, oldest first; below 0 ends the reading with that error. */
typedef int journal_fn(void *arg, uint64_t offset, const char *text, size_t len,
                       struct orb_err *err);

/* An empty journal that continues chain, durable when this returns. */
int journal_create(const char *path, const uint8_t chain[JOURNAL_CHAIN],
                   struct journal *ret_journal, struct orb_err *err);
/* Reads all whole records. ret_cut: bytes of a torn tail; with writable they are cut off the file
 * (and kept in PATH.cut) and the journal is ready for more. chain NULL: whatever the file says. */
int journal_open(const char *path, bool writable, const uint8_t *chain, journal_fn *cb, void *arg,
                 struct journal *ret_journal, uint64_t *ret_cut, struct orb_err *err);
/* Writes a record and does not wait for the disk. On failure the file is as before. */
int journal_append(struct journal *journal, const char *text, size_t len, struct orb_err *err);
int journal_sync(struct journal *journal, struct orb_err *err);
/* The JSON of the record at offset. */
int journal_read(const char *path, uint64_t offset, struct buf *ret_text, struct orb_err *err);
void journal_close(struct journal *journal);
/* Reads all records of a journal image in memory; returns the bytes that are whole (fuzzed). */
size_t journal_walk(const char *data, size_t len, const uint8_t *chain, journal_fn *cb, void *arg,
                    uint8_t ret_chain[JOURNAL_CHAIN], int *ret_result, struct orb_err *err);

#endif
