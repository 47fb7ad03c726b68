/* Structured logging: a stable event name and typed key-value pairs, no format strings. A log sink
 * is where records go; in the host that is core/obs (rings, files, journald), in tests a buffer. */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include "orbital/kv.h"

struct json_write;

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR
};

/* service: "host" or the service's name. The sink copies what it keeps. */
struct log_sink {
    void (*write)(struct log_sink *sink, const char *service, enum log_level level,
                  const char *event, const struct orb_kv *pairs);
};

/* sink may be NULL (nothing is written). */
void log_write(struct log_sink *sink, enum log_level level, const char *event,
               const struct orb_kv *pairs);
/* The name of a level, as records have it. */
const char *log_level_name(enum log_level level);
/* The members of a record's "kv": one for each pair. pairs: ended by a key NULL; NULL: none. */
void log_write_pairs(struct json_write *w, const struct orb_kv *pairs);
/* A record as a LOG frame carries it: {"level", "event", "kv"}. */
void log_write_record(struct json_write *w, enum log_level level, const char *event,
                      const struct orb_kv *pairs);
/* Level of a name; -1 when unknown. */
int log_level_parse(const char *name);

#define LOG_(sink, level, event, ...)                                                              \
    log_write((sink), (level), (event), (const struct orb_kv[]){__VA_ARGS__ __VA_OPT__(, ){0}})
#define log_debug(sink, event, ...) LOG_(sink, LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(sink, event, ...) LOG_(sink, LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_notice(sink, event, ...) LOG_(sink, LOG_LEVEL_NOTICE, event, __VA_ARGS__)
#define log_warn(sink, event, ...) LOG_(sink, LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(sink, event, ...) LOG_(sink, LOG_LEVEL_ERROR, event, __VA_ARGS__)

#endif
