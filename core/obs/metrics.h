/* Counters and gauges that services report in METRIC frames, as OpenMetrics text. */
#ifndef CORE_OBS_METRICS_H
#define CORE_OBS_METRICS_H

#include <stddef.h>

#include "core/base/buf.h"

#define METRICS_PER_SERVICE 64 /* names, where metrics_limit said nothing */

struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);
/* Payload {"name","add":N} or {"name","set":x} (scanned text). A name that is not [a-z][a-z0-9_]*,
 * or more of them than the service may have, is dropped and counted. */
void metrics_frame(struct metrics *metrics, const char *service, const char *text, size_t len);
void metrics_limit(struct metrics *metrics, const char *service, unsigned names);
void metrics_text(struct metrics *metrics, struct buf *ret_text);

#endif
