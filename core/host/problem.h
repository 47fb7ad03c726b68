/* Problems of the host itself: set by the module that detects one, and a reason in the health
 * report until it is cleared. */
#ifndef CORE_HOST_PROBLEM_H
#define CORE_HOST_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/host/health.h"

struct orbitald;

#define PROBLEMS_MAX 64
#define PROBLEM_STATE "state.directory" /* what keeps the state directory from being written */
#define PROBLEM_LOCK "state.lock"       /* the same for the file `lock` in it */

struct host_problem {
    char key[64];
    struct health_reason reason; /* since_us is not set */
    uint64_t since_ms;           /* now_ms() of the first report */
};

struct host_problems {
    struct host_problem items[PROBLEMS_MAX];
    unsigned count;
    bool overflown;               /* one did not fit, and may still exist */
    enum health_level lost_level; /* of the worst such */
    void (*on_change)(void *arg); /* one was set, cleared or changed */
    void *arg;
};

/* Reports something wrong with the host, or replaces the problem of the same key; it stays until it
 * is cleared, with the time of the first report. key: at most 63 bytes, e.g. "dataplane.table".
 * Without host->problems (before health_new() and after health_close()) nothing happens. Loop
 * only. */
void problem_set(struct orbitald *host, const char *key, enum health_level level, const char *what,
                 const char *path, const char *todo);
/* Clears the problem of that key, if it is set. */
void problem_clear(struct orbitald *host, const char *key);
/* Whether that one is set. */
bool problem_is_set(const struct host_problems *problems, const char *key);
/* Adds all of them to the report. problems: may be NULL. */
void problem_add_all(const struct host_problems *problems, struct health_report *report);

#endif
