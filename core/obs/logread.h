/* Searches log files, a bounded page at a time, on a thread that may wait for the disk. Files are
 * opened newest first and identified by inode, so rotation during a search neither loses nor
 * repeats records. Damaged and foreign lines are skipped and counted. */
#ifndef CORE_OBS_LOGREAD_H
#define CORE_OBS_LOGREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/log.h"
#include "orbital/error.h"

#define LOGREAD_SCAN (16u << 20)        /* bytes searched for one page, then "more" is set */
#define LOGREAD_PATTERN 200             /* bytes of a pattern */
#define LOGREAD_RUNS_BYTES (150u << 10) /* of one answer */

#define LOGREAD_SHIFTS 16

struct loggrep;

/* The wall clock was set by so much before the record of this number. */
struct logread_shift {
    uint64_t seq;
    int64_t by_us;
};

/* A Perl-compatible pattern, matched against logline_sentence; case-insensitive unless it has a
 * capital letter. ORB_E_INVALID with the position of the error. */
int loggrep_new(const char *pattern, struct loggrep **ret_grep, struct orb_err *err);
void loggrep_free(struct loggrep *grep);
/* 1 it matches, 0 it does not, ORB_E_LIMIT it costs too much. */
int loggrep_match(struct loggrep *grep, const char *line, size_t len, struct orb_err *err);

struct logread_query {
    const char *service; /* NULL: all */
    bool audit;          /* of the memory only the audit's */
    enum log_level level;
    uint64_t after, before;      /* sequence numbers, both exclusive; before 0: no end */
    uint64_t since_us, until_us; /* until_us 0: no end */
    /* Times of records from this number on are converted to the current clock. */
    uint64_t shifts_from;
    struct logread_shift shifts[LOGREAD_SHIFTS];
    unsigned shift_count;
    bool newest;          /* the newest ones that fit, else the oldest */
    size_t limit, bytes;  /* of the page; both at least 1 */
    struct loggrep *grep; /* NULL: all */
};

struct logread_item {
    uint64_t seq;
    char *text;
    size_t len;
};

struct logread_page {
    struct logread_item *items; /* those from..count by sequence number */
    size_t from, count, room, bytes;
    bool more;        /* it ends at this page, not at the end of what there is */
    uint64_t edge;    /* more: the last number that was looked at on the way */
    uint64_t skipped; /* lines that are no records */
};

struct logline;
/* By its head alone: does the record fit the query? */
bool logread_fits(const struct logread_query *query, const struct logline *line);
/* Adds a record with the highest number so far. Newest: drops the oldest if full. false: the page
 * is full (more and edge are set). */
bool logread_take(struct logread_page *page, const struct logread_query *query, uint64_t seq,
                  const char *text, size_t len);
/* Errors: of the pattern. Files that are not there are no error. */
int logread_files(const char *path, const struct logread_query *query,
                  struct logread_page *ret_page, struct orb_err *err);
void logread_page_fini(struct logread_page *page);
/* {"seq","time-us","run"},… of the runs that began in these files, oldest first. */
void logread_runs(const char *path, struct buf *ret_json);

/* logread_walk.c: the files, newest first. */
struct logread_set {
    struct {
        int fd;
        uint64_t first; /* number of its first record */
    } files[17];
    size_t count;
};
void logread_walk_open(const char *path, struct logread_set *ret_set);
void logread_walk_close(struct logread_set *set);
/* Calls on_line for each record of file i, in order, until it returns non-zero, which is returned.
 * Numbers that do not rise are damage. ret_bytes: how much was read. */
int logread_walk(const struct logread_set *set, size_t i, uint64_t *skipped, uint64_t *ret_bytes,
                 int (*on_line)(void *arg, const struct logline *line, const char *text,
                                size_t len),
                 void *arg);

#endif
