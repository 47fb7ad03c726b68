/* The files of the log: log.jsonl and its elders log.jsonl.1 …, one record a line. A thread of its
 * own writes them, so that a slow or dead disk stalls no other part of the daemon; what it cannot
 * take is counted. */
#ifndef CORE_OBS_LOGFILE_H
#define CORE_OBS_LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orbital/error.h"

#define LOGFILE_OLD 15             /* elders kept: log.jsonl.1 … */
#define LOGFILE_BYTES (4u << 20)   /* most bytes of one file */
#define LOGFILE_LEAST (16u << 10)  /* its size where the file system is very small */
#define LOGFILE_WAITING (4u << 20) /* bytes that may wait for the disk */
#define LOGFILE_BUDGET                                                                             \
    ((LOGFILE_OLD + 1ull) * LOGFILE_BYTES) /* of all; at most a tenth of the disk */

struct logfile;

struct logfile_state {
    unsigned changes;       /* counts how often failing changed */
    bool failing;           /* the last try to write did not succeed */
    uint64_t lost;          /* lines lost */
    char why[ORB_ERR_TEXT]; /* of the last failure */
};

/* path is copied. share: the file may use one of that many parts of LOGFILE_BUDGET. Truncates an
 * unterminated last line. ret_last: the last sequence number, 0: none. When the file cannot be
 * opened err has the reason and it is tried again later; the result is never NULL. */
struct logfile *logfile_start(const char *path, unsigned share, uint64_t *ret_last,
                              struct orb_err *err);
/* Writes what waits, in at most two seconds, and frees. NULL is fine. */
void logfile_close(struct logfile *file);
/* Opens the file again after it was renamed, on any thread. Errors: negative errno, ORB_E_INVALID;
 * the open file is kept. */
int logfile_reopen(struct logfile *file, struct orb_err *err);
/* line: without line end. Returns logfile_state.changes. */
unsigned logfile_add(struct logfile *file, const char *line, size_t len);
/* A copy of the state as of now, from any thread. */
void logfile_state(struct logfile *file, struct logfile_state *ret_state);
/* Any thread: waits until what was added before is written or lost; false after wait_ms. */
bool logfile_settle(struct logfile *file, unsigned wait_ms);

#endif
