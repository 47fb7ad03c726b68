/* The collector of log records: a bounded ring per service, JSON-lines files that outlive the
 * daemon (logfile.h), and stderr or journald. A service that floods loses its own records, which
 * are counted; so does a peer that makes the host log the same event repeatedly. Audit records
 * (audit.…) have a ring and files of their own besides. */
#ifndef CORE_OBS_LOGS_H
#define CORE_OBS_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/json_write.h"
#include "core/base/log.h"
#include "orbital/error.h"

#define LOGS_RING 512 /* records kept per service */
#define LOGS_SERVICES 160
#define LOGS_LINE 4096 /* bytes of one record */
#define LOGS_RATE 200  /* records per second and service without logs_limit */
#define LOGS_BURST 1000
#define LOGS_COST_BYTES 512      /* a record costs one more for each of these */
#define LOGS_ANSWER (200u << 10) /* bytes of records in one answer; a frame holds 256 KiB */
#define LOGS_TAIL (16u << 10)    /* in a crash report, of which several share a frame */

struct logs;

enum logs_output { LOGS_STDERR, LOGS_JOURNAL, LOGS_QUIET };

struct logs_options {
    const char *dir; /* for log.jsonl; NULL: no files */
    enum logs_output output;
    enum log_level level; /* least level shown on stderr; below info: also of what is recorded */
};

#define LOGS_NO_FILE 1

/* LOGS_NO_FILE: created, but log.jsonl cannot be written; err has the reason. */
int logs_new(const struct logs_options *options, struct logs **ret_logs, struct orb_err *err);
void logs_free(struct logs *logs);
/* Opens log.jsonl again after it was renamed, on any thread. LOGS_NO_FILE: it cannot, err has the
 * reason. */
int logs_files_reopen(struct logs *logs, struct orb_err *err);
/* The sink for the host's own records; valid as long as logs. */
struct log_sink *logs_sink(struct logs *logs);

/* A LOG frame's payload {"level","event","kv"} of a service (scanned text). */
void logs_record(struct logs *logs, const char *service, const char *text, size_t len);
/* Bytes from a worker's stdout/stderr: whole lines become records of event "output". */
void logs_output(struct logs *logs, const char *service, const char *data, size_t len);

/* The service may write so many records a second, and five times as many at once. */
void logs_limit(struct logs *logs, const char *service, uint32_t rate);

/* ---- levels ---- */

struct logs_level {
    char service[64];
    enum log_level level;
};
/* What is recorded, from now on: level is the least of all, those of levels of one service each. A
 * level below 0: as options.level, at most info. Records below leave nothing anywhere. */
void logs_levels(struct logs *logs, int level, const struct logs_level *levels, unsigned count);

/* ---- looking for records ---- */

struct logs_query {
    const char *service; /* NULL: all */
    enum log_level level;
    uint64_t after;  /* sequence number; the oldest records after it. 0: the newest */
    bool newest;     /* the newest ones, also with after */
    bool audit;      /* audit records only, including those that are in audit.jsonl alone */
    uint64_t before; /* only those before it, 0: all */
    uint64_t since_us, until_us;
    const char *grep; /* a pattern (logread.h), NULL: all */
    unsigned limit;
    size_t bytes; /* of all records; 0: LOGS_ANSWER */
};
/* In memory only, grep is ignored: {"records":[{"seq","time-us","level","service","event","kv"}
 * …],"next":N,"first":N,"more":bool,"skipped":N,"began":N}, oldest first. next: value of `after`
 * for the following records; first: value of `before` for older ones; more: there may be more in
 * the requested direction; skipped: invalid lines of files; began: number of the first record of
 * this run of the daemon. since_us and until_us: by the current clock for records of this run, by
 * the clock of their time for older ones. */
void logs_find(struct logs *logs, const struct logs_query *query, struct buf *ret_json);
/* The same in files and memory, in steps: new on the loop, run on any thread, unless the memory has
 * all (logs_find_done), answer and free on the loop. logs must live until then. */
struct logs_search;
/* Begins a search. Errors: of the pattern. *ret is freed by logs_find_free(). */
int logs_find_new(struct logs *logs, const struct logs_query *query, struct logs_search **ret,
                  struct orb_err *err);
/* Whether memory has all that was requested; then nothing needs to run. */
bool logs_find_done(const struct logs_search *search);
/* Searches the files; on any thread, once. */
void logs_find_run(struct logs_search *search);
/* Errors: of the pattern. *ret_found: how many records. */
int logs_find_answer(struct logs_search *search, struct buf *ret_json, size_t *ret_found,
                     struct orb_err *err);
void logs_find_free(struct logs_search *search);
/* On any thread: {"runs":[{"seq","time-us","run"}…]} of the daemon, oldest first; the last one is
 * the current one. */
void logs_find_runs(struct logs *logs, struct buf *ret_json);
/* The id of this run of the daemon, for its first record ("run" of host.start). */
const char *logs_run(const struct logs *logs);

/* The last lines a service wrote to stderr (for crash reports), newest last. */
void logs_find_tail(struct logs *logs, const char *service, unsigned count, struct json_write *w,
                    const char *key);
/* Logs what is pending: records lost by rate limits, or by a full disk. */
void logs_files_look(struct logs *logs);
/* Do the files take no records? why: a sentence. */
bool logs_files_failing(struct logs *logs, char *why, size_t size);
/* Records dropped for flooding, all services, as OpenMetrics lines. */
void logs_files_metrics(struct logs *logs, struct buf *ret_text);

#endif
