/* Rate limit of the host's own records by event and cause. Dropped ones are counted, and the count
 * is logged with the next record of the cause, or alone when none follows. */
#ifndef CORE_OBS_LOGS_RATE_H
#define CORE_OBS_LOGS_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define LOGS_CAUSES 128 /* causes; further ones share one entry */
#define LOGS_CAUSE_BURST 1000
#define LOGS_CAUSE_RATE 20 /* a second */
#define LOGS_AUDIT_BURST 100
#define LOGS_AUDIT_RATE 1 /* orders and refusals of one cause, a second */

struct logs_cause {
    char event[64], by[64];
    bool audit;
    double tokens;
    uint64_t filled_ms, dropped_ms;
    uint64_t dropped; /* not reported yet */
};

struct logs_rate {
    struct logs_cause causes[LOGS_CAUSES + 1];
    uint64_t dropped; /* ever */
};

/* May it be recorded? *ret_before: how many of the cause were not since the last one that was. */
bool logs_rate_admit(struct logs_rate *rate, bool audit, const char *event, const char *by,
                     uint64_t now_ms, uint64_t *ret_before);
/* The next cause without new records since some were dropped; they then count as reported. false:
 * none. */
bool logs_rate_told(struct logs_rate *rate, uint64_t now_ms, struct logs_cause *ret_cause);

#endif
