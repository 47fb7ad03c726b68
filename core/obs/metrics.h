/* Counters and gauges that services report in METRIC frames, as OpenMetrics text. What one service
 * reports costs the others neither their names nor their room in an answer. */
#ifndef CORE_OBS_METRICS_H
#define CORE_OBS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/now.h"

#define METRICS_PER_SERVICE 64 /* names, without metrics_limit */
#define METRICS_RATE 2000      /* frames a second of a service; likewise */
#define METRICS_NAME 64        /* bytes of a name with its NUL */

struct metrics;

struct metrics_limits {
    uint32_t names, rate; /* rate: frames a second, twice as many at once */
    bool first;           /* a shipped service: its names keep their type for all services */
};

/* Never NULL; freed with metrics_free. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);
/* Payload {"name","add":N} or {"name","set":x} (scanned text). A name that is not [a-z][a-z0-9_]*,
 * more of them than the service may have, one that others use with the other type, and what is over
 * the rate is dropped and counted. now_ms: monotonic. */
void metrics_frame(struct metrics *metrics, const char *service, const char *text, size_t len,
                   uint64_t now_ms);
/* Sets what a service may have from now on; limits are copied. */
void metrics_limit(struct metrics *metrics, const char *service,
                   const struct metrics_limits *limits);
/* Appends the families after the name `after` ("": from the first), sorted by name, until ret_text
 * has at least `most` bytes; a family is never divided. true: that was all. false: ret_last is the
 * last one appended. */
bool metrics_page(const struct metrics *metrics, const char *after, size_t most,
                  struct buf *ret_text, char ret_last[METRICS_NAME]);

#endif
