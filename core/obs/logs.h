/* The one collector of log records: a bounded ring per service (queryable), JSON-lines files with
 * rotation, and stderr or journald. A service that floods loses its own records, counted. */
#ifndef CORE_OBS_LOGS_H
#define CORE_OBS_LOGS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/log.h"
#include "orbital/error.h"

#define LOGS_RING 512 /* records kept per service */
#define LOGS_SERVICES 160
#define LOGS_LINE 4096 /* bytes of one record */
#define LOGS_FILE_BYTES (4u << 20)
#define LOGS_FILES 4  /* old files kept: log.jsonl.1 … */
#define LOGS_RATE 200 /* records per second and service */
#define LOGS_BURST 1000
#define LOGS_COST_BYTES 512      /* a record costs one more for each of these */
#define LOGS_ANSWER (200u << 10) /* bytes of records in one answer; a frame holds 256 KiB */
#define LOGS_TAIL (16u << 10)    /* in a crash report, of which several share a frame */

struct logs;

enum logs_output { LOGS_STDERR, LOGS_JOURNAL, LOGS_QUIET };

struct logs_options {
    const char *dir; /* for log.jsonl; NULL: no files */
    enum logs_output output;
    enum log_level level; /* least level shown on stderr */
};

#define LOGS_NO_FILE 1

/* LOGS_NO_FILE: made, but log.jsonl cannot be written; err says why. */
int logs_new(const struct logs_options *options, struct logs **ret_logs, struct orb_err *err);
void logs_free(struct logs *logs);
/* Opens log.jsonl anew, for who has moved it away. LOGS_NO_FILE: it cannot, err says why. */
int logs_reopen(struct logs *logs, struct orb_err *err);
/* The sink for the host's own records; lives as long as logs. */
struct log_sink *logs_sink(struct logs *logs);

/* A LOG frame's payload {"level","event","kv"} of a service (scanned text). */
void logs_record(struct logs *logs, const char *service, const char *text, size_t len);
/* Bytes from a worker's stdout/stderr: whole lines become records of event "output". */
void logs_output(struct logs *logs, const char *service, const char *data, size_t len);

struct logs_query {
    const char *service; /* NULL: all */
    enum log_level level;
    uint64_t after; /* sequence number; records behind it */
    uint64_t since_us;
    unsigned limit;
    size_t bytes; /* of all records; 0: LOGS_ANSWER */
};
/* {"records":[{"seq","time_us","level","service","event","kv"}…],"next":seq}, oldest first. */
void logs_find(struct logs *logs, const struct logs_query *query, struct buf *ret_json);
/* The last lines a service wrote to stderr (for crash reports), newest last. */
void logs_tail(struct logs *logs, const char *service, unsigned count, struct buf *ret_json);
/* Records dropped for flooding, all services, as OpenMetrics lines. */
void logs_metrics(struct logs *logs, struct buf *ret_text);

#endif
