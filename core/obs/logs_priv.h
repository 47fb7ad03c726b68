/* What the files of core/obs that are one collector share. */
#ifndef CORE_OBS_LOGS_PRIV_H
#define CORE_OBS_LOGS_PRIV_H

#include "core/obs/journal.h"
#include "core/obs/logfile.h"
#include "core/obs/logread.h"
#include "core/obs/logs.h"

struct record {
    uint64_t seq;
    uint64_t time_us;
    enum log_level level;
    size_t len;
    char *line; /* the JSON object */
};

struct stream {
    char name[64];
    enum log_level keep;
    struct record ring[LOGS_RING];
    uint64_t written;
    uint64_t gone; /* records up to this number are not in the ring */
    double tokens;
    uint64_t refilled_ms;
    uint64_t dropped, dropped_told;
    struct buf partial; /* an unfinished line of output */
};

/* How the wall clock was set during this run. */
struct logs_clock {
    int64_t apart_us; /* wall clock less CLOCK_BOOTTIME, when it was looked at last */
    struct logread_shift shifts[LOGREAD_SHIFTS]; /* oldest first */
    unsigned count;
};

struct logs {
    struct log_sink sink; /* first */
    struct stream *streams[LOGS_SERVICES];
    unsigned stream_count;
    uint64_t seq, first_seq; /* of this run of the daemon */
    uint64_t began_us;
    char run[20];
    char *path;
    struct logfile *file; /* NULL: no files */
    unsigned file_changes;
    uint64_t lost_told;
    enum logs_output output;
    enum log_level level; /* of the output */
    enum log_level keep;  /* where levels says nothing else */
    struct logs_clock clock;
    struct logs_level *levels;
    unsigned level_count;
    struct journal journal;
};

/* logs_memory.c */
/* The page that the memory gives; *ret_gone: up to this number it has not all. */
void logs_memory_find(const struct logs *logs, const struct logread_query *query,
                      struct logread_page *ret_page, uint64_t *ret_gone);

/* logs_clock.c */
/* The wall clock for a record, microseconds; small enough for every reader of numbers. */
uint64_t logs_clock_now(void);
void logs_clock_init(struct logs_clock *clock);
/* Was the clock set since the last time? next: number of the record that says so. */
bool logs_clock_look(struct logs_clock *clock, uint64_t next, int64_t *ret_by_us);

#endif
