/* What a crash leaves for a user to read: in memory the last reports of each service, and as a
 * file each below STATE/crashes, so that a restart of the daemon takes none of them away.
 *
 * A report can be read with crash_write as soon as crash_record returned, whatever the disk does.
 * Its file is written on a thread; files are written one after the other in the order of their
 * reports, and supervisor memory is freed only after the last one. Files of earlier runs are read
 * on a thread before the services are made. */
#ifndef CORE_SUP_CRASH_H
#define CORE_SUP_CRASH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/json_write.h"

#define CRASHES_KEPT 8 /* of each service; the next takes the place of the oldest */

struct filequeue;
struct log_sink;
struct logs;
struct service;
struct worker_exit;

struct crash {
    uint64_t number; /* of the report, over restarts; 0: of a version that had none */
    uint64_t time_us;
    char *json;  /* the report; NULL: none in this place */
    char *fault; /* why its file was not read; NULL: it was, or is not there */
};

struct crash_log {
    struct crash items[CRASHES_KEPT];
    unsigned next;  /* the place of the next one: the oldest */
    unsigned count; /* since the daemon started */
};

/* Reads what earlier runs of the daemon left of the service, many files: on a thread, which may be
 * any. ret_log is the caller's to fini. */
void crash_log_read(const char *state_dir, const char *service, struct crash_log *ret_log);
/* Moves what was read to log, a service's, before its worker is started; what could not be read is
 * logged ("crash.not-read"). */
void crash_log_take(struct crash_log *log, struct crash_log *from, struct log_sink *sink);
/* Makes a report of how service's worker ended and passes its file to queue. logs: for the last
 * lines the service wrote. */
void crash_record(struct service *service, const struct worker_exit *exit, struct logs *logs,
                  struct filequeue *queue);
/* Writes the reports there are, oldest first, as an array; as many of the oldest as fit an
 * answer. */
void crash_write(const struct service *service, struct json_write *w, const char *key);
void crash_log_fini(struct crash_log *log);

#endif
