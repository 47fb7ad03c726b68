/* Limits of a package: its manifest requests them, the host has ceilings for third-party packages,
 * and only /services/NAME/limits changes these. */
#include "core/pkg/package.h"

#include <stddef.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"

/* The members of struct limits, their names in manifests and configuration, and the ceilings. */
static const struct row {
    const char *name;
    size_t at;
    bool wide;
    uint64_t ceiling;
    bool set; /* not requested by manifests: the host's default or the configured value */
} rows[] = {
    {"memory", offsetof(struct limits, memory_bytes), true, 256u << 20},
    {"state", offsetof(struct limits, state_bytes), true, 256u << 20},
    {"files", offsetof(struct limits, files), false, 256},
    {"threads", offsetof(struct limits, threads), false, 64},
    {"queue", offsetof(struct limits, queue_bytes), true, LIMITS_QUEUE, true},
    {"requests", offsetof(struct limits, requests), false, LIMITS_REQUESTS, true},
    {"log-rate", offsetof(struct limits, log_rate), false, LIMITS_LOG_RATE, true},
    {"metrics", offsetof(struct limits, metrics), false, LIMITS_METRICS, true},
    {"metric-rate", offsetof(struct limits, metric_rate), false, LIMITS_METRIC_RATE, true},
    {"restarts", offsetof(struct limits, restarts), false, LIMITS_RESTARTS, true},
    {"ready-ms", offsetof(struct limits, ready_ms), false, 30000},
    {"ping-every-ms", offsetof(struct limits, ping_every_ms), false, 10000},
    {"ping-ms", offsetof(struct limits, ping_ms), false, 10000},
    {"stop-ms", offsetof(struct limits, stop_ms), false, 5000},
    {"progress-ms", offsetof(struct limits, progress_ms), false, 120000},
};

static uint64_t get(const struct limits *limits, const struct row *row)
{
    const char *at = (const char *)limits + row->at;

    return row->wide ? *(const uint64_t *)(const void *)at : *(const uint32_t *)(const void *)at;
}

static void set(struct limits *limits, const struct row *row, uint64_t value)
{
    char *at = (char *)limits + row->at;

    if (row->wide)
        *(uint64_t *)(void *)at = value;
    else
        *(uint32_t *)(void *)at = (uint32_t)value;
}

bool limits_set(struct limits *limits, const char *name, uint64_t value)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        if (!strcmp(rows[i].name, name)) {
            set(limits, &rows[i], value);
            return true;
        }
    return false;
}

struct limits limits_in_force(const struct package *package, const struct limits *configured,
                              const char **ret_lowered)
{
    struct limits limits = package->manifest.limits;

    *ret_lowered = NULL;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t ceiling = get(configured, &rows[i]);

        if (rows[i].set) {
            set(&limits, &rows[i], ceiling ? ceiling : rows[i].ceiling);
            continue;
        }
        if (!ceiling && package->shipped)
            continue;
        ceiling = ceiling ? ceiling : rows[i].ceiling;
        if (get(&limits, &rows[i]) <= ceiling)
            continue;
        set(&limits, &rows[i], ceiling);
        *ret_lowered = rows[i].name;
    }
    return limits;
}

void limits_write(const struct limits *limits, struct json_write *w, const char *key)
{
    json_write_object(w, key);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        json_write_integer(w, rows[i].name, (int64_t)get(limits, &rows[i]));
    json_write_end(w);
}
