/* The records of the journal, as they are written: JSON objects whose first member is "state". What
 * reads them is load_journals.c. Each is appended to text. */
#ifndef CONFIG_RECORD_H
#define CONFIG_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/json/tree.h"
#include "plugins/config/parts.h"

struct revision;

/* A change checked by every participant. "patch" is its last member: a reader that needs only the
 * rest stops before it. */
void record_prepared(struct buf *text, const struct parts *parts, const struct revision *meta,
                     const json_t *patch);
/* The prepared change tx is that revision now. */
void record_committed(struct buf *text, uint64_t tx, uint64_t revision);
/* The prepared change tx was not made; why: a sentence for the history. */
void record_aborted(struct buf *text, uint64_t tx, const char *why);
/* The present revision, which waited for it. */
void record_confirmed(struct buf *text, uint64_t revision);
/* The last record of a journal: the next one begins with that revision. */
void record_continued(struct buf *text, uint64_t revision);
/* A line of the history that is no commit. time_us: wall clock. */
void record_noted(struct buf *text, uint64_t revision, uint64_t time_us, const char *user,
                  const char *what);
/* Distinguishes `prepared` records: the id of its revision, never 0. text: the record's len bytes.
 * */
uint64_t record_id(const struct parts *parts, const char *text, size_t len);

#endif
