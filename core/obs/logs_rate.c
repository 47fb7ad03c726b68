/* A token bucket for each event and cause. An entry is reused once its bucket is full and nothing
 * is left to report. */
#include "core/obs/logs_rate.h"

#include <stdio.h>
#include <string.h>

#define QUIET_MS 2000

static double burst_of(bool audit)
{
    return audit ? LOGS_AUDIT_BURST : LOGS_CAUSE_BURST;
}

static void refill(struct logs_cause *c, uint64_t now_ms)
{
    double rate = c->audit ? LOGS_AUDIT_RATE : LOGS_CAUSE_RATE, burst = burst_of(c->audit);

    c->tokens += (double)(now_ms - c->filled_ms) * rate / 1000;
    c->filled_ms = now_ms;
    if (c->tokens > burst)
        c->tokens = burst;
}

static struct logs_cause *find(struct logs_rate *rate, bool audit, const char *event,
                               const char *by, uint64_t now_ms)
{
    struct logs_cause *place = NULL;

    for (unsigned i = 0; i < LOGS_CAUSES; i++) {
        struct logs_cause *c = &rate->causes[i];

        if (c->event[0] && c->audit == audit && !strncmp(c->event, event, sizeof(c->event) - 1) &&
            !strncmp(c->by, by, sizeof(c->by) - 1))
            return c;
        if (c->event[0])
            refill(c, now_ms);
        if (!place && (!c->event[0] || (!c->dropped && c->tokens >= burst_of(c->audit))))
            place = c;
    }
    if (!place) {
        place = &rate->causes[LOGS_CAUSES];
        if (place->event[0])
            return place;
        event = "more";
        by = "";
    }
    *place = (struct logs_cause){.audit = audit, .tokens = burst_of(audit), .filled_ms = now_ms};
    snprintf(place->event, sizeof(place->event), "%s", event);
    snprintf(place->by, sizeof(place->by), "%s", by);
    return place;
}

bool logs_rate_admit(struct logs_rate *rate, bool audit, const char *event, const char *by,
                     uint64_t now_ms, uint64_t *ret_before)
{
    struct logs_cause *c = find(rate, audit, event, by, now_ms);

    *ret_before = 0;
    refill(c, now_ms);
    if (c->tokens < 1) {
        c->dropped++;
        c->dropped_ms = now_ms;
        rate->dropped++;
        return false;
    }
    c->tokens--;
    *ret_before = c->dropped;
    c->dropped = 0;
    return true;
}

bool logs_rate_told(struct logs_rate *rate, uint64_t now_ms, struct logs_cause *ret_cause)
{
    for (unsigned i = 0; i <= LOGS_CAUSES; i++) {
        struct logs_cause *c = &rate->causes[i];

        if (!c->dropped || now_ms - c->dropped_ms < QUIET_MS)
            continue;
        *ret_cause = *c;
        c->dropped = 0;
        return true;
    }
    return false;
}
