/* Points in time and durations in text form. */
#ifndef CLI_WHEN_H
#define CLI_WHEN_H

#include <stddef.h>
#include <stdint.h>

#include "orbital/error.h"

/* Writes a duration, as "3m20s". */
void when_duration(long long ms, char *to, size_t size);
/* As when_duration(), in whole seconds. */
void when_seconds(long long s, char *to, size_t size);

/* A point in time: 10m, 2h30m (ago), 03:00 (the last one there was), 2026-11-27,
 * "2026-11-27 03:00", 2026-11-27T03:00:00Z, yesterday, now. what: for the error (ORB_E_INVALID).
 * now_us and *ret_us: microseconds since the epoch. */
int when_parse(const char *text, const char *what, int64_t now_us, int64_t *ret_us,
               struct orb_err *err);

#endif
