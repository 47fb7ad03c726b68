/* What the files of core/obs that are one collector share. */
#ifndef CORE_OBS_LOGS_INTERNAL_H
#define CORE_OBS_LOGS_INTERNAL_H

#include "core/obs/journal.h"
#include "core/obs/logfile.h"
#include "core/obs/logread.h"
#include "core/obs/logs.h"
#include "core/obs/logs_rate.h"

struct record {
    uint64_t seq;
    uint64_t time_us;
    enum log_level level;
    size_t len;
    char *line; /* the JSON object */
};

struct stream {
    char name[64];
    bool audit; /* the host's records of orders and refusals, and no others */
    enum log_level keep;
    struct record ring[LOGS_RING];
    uint64_t written;
    uint64_t gone; /* records up to this number are not in the ring */
    uint32_t rate; /* a second */
    double tokens;
    uint64_t refilled_ms;
    uint64_t dropped, dropped_told;
    struct buf partial; /* an unfinished line of output */
};

/* One set of files. */
struct logs_out {
    char *path;
    struct logfile *file; /* NULL: none */
    unsigned changes;
    uint64_t lost_told;
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
    struct stream *audit;
    struct logs_out all, orders;
    struct logs_rate rate;
    enum logs_output output;
    enum log_level level; /* of the output */
    enum log_level keep;  /* default for services without a configured level */
    struct logs_clock clock;
    struct logs_level *levels;
    unsigned level_count;
    struct journal journal;
};

/* logs_memory.c */
/* The page that the memory gives; *ret_gone: up to this number it has not all. */
void logs_memory_find(const struct logs *logs, const struct logread_query *query,
                      struct logread_page *ret_page, uint64_t *ret_gone);

/* logs_stream.c */
/* A service's; made when there is none. */
struct stream *logs_stream(struct logs *logs, const char *service);
/* audit: of the host, and of nothing but its audit, so that nothing else takes its room. */
struct stream *logs_stream_add(struct logs *logs, const char *service, bool audit);
/* The least level that is kept of a service. */
enum log_level logs_stream_level(const struct logs *logs, const char *service);

/* logs_store.c */
/* One record. kv: a JSON object. */
void logs_store(struct logs *logs, struct stream *s, enum log_level level, const char *event,
                const char *kv);
/* Logs how many records the stream's rate limit has dropped since the last report. */
void logs_store_tell_dropped(struct logs *logs, struct stream *s);
/* Logs that the wall clock was set. The record's own time is the first by the new clock. */
void logs_store_tell_clock(struct logs *logs);
/* Logs that files cannot be written, or can again and how many records were lost. */
void logs_store_tell_file(struct logs *logs, struct logs_out *out);

/* logs_clock.c */
/* The wall clock for a record, microseconds; small enough for every reader of numbers. */
uint64_t logs_clock_now(void);
/* Takes the clock as it is now. */
void logs_clock_init(struct logs_clock *clock);
/* Whether the clock was set since the last call. next: number of the record that logs it. */
bool logs_clock_look(struct logs_clock *clock, uint64_t next, int64_t *ret_by_us);

#endif
