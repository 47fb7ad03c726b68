/* One line of a log file, parsed without a tree: {"seq":N,"time-us":N,"level":"…",
 * "service":"…","event":"…","kv":{…}} in this order, as written by logs.c. */
#ifndef CORE_OBS_LOGLINE_H
#define CORE_OBS_LOGLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/log.h"
#include "core/json/scan.h"

#define LOGLINE_BYTES (32u << 10) /* of one line; longer ones are invalid */

struct logline {
    uint64_t seq, time_us;
    enum log_level level;
    const char *service; /* within the line, not terminated */
    size_t service_len;
};

/* Parses the fields used for selection. false: not a log line. The rest of the line is checked by
 * logline_whole. */
bool logline_read(const char *line, size_t len, struct logline *ret_line);
/* Gives a line that logline_read took the keys of today; earlier versions wrote time_us. The length
 * stays. */
void logline_renew(char *line, size_t len);
/* Levels of a line: an answer contains it in some more, and has to be read whole. */
#define LOGLINE_DEPTH (JSON_MAX_DEPTH - 8)
/* Is the line one JSON object with event and kv, at most LOGLINE_DEPTH deep? */
bool logline_whole(const char *line, size_t len);
/* Is this whole line the first word of a run of the daemon? ret_run: its id, "" without one. */
bool logline_starts_run(const char *line, size_t len, char ret_run[40]);
/* The line (a whole one) as text: service event key=value key=value. */
void logline_sentence(const char *line, size_t len, struct buf *ret_text);

#endif
