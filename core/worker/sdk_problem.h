/* Problems the package reports: the host has the whole list, sent when it changed. */
#ifndef CORE_WORKER_SDK_PROBLEM_H
#define CORE_WORKER_SDK_PROBLEM_H

#include <stdbool.h>

#include "orbital/orbital.h"

struct orb_ctx;
struct sdk_timer;

#define SDK_PROBLEM_KEY 128u
#define SDK_PROBLEM_TODO 256u
#define SDK_MAX_PROBLEMS 1024u /* kept; ORB_PROBLEMS_MAX of them are sent */

struct sdk_problem {
    struct sdk_problem *next;
    enum orb_problem_level level;
    bool gone; /* cleared in this turn */
    char key[SDK_PROBLEM_KEY];
    char what[ORB_ERR_TEXT];
    char path[ORB_ERR_PATH];
    char todo[SDK_PROBLEM_TODO];
};

/* Sends the list of problems if it changed; sdk_open() gives it to the timer. */
void sdk_problem_on_timer(struct sdk_timer *timer);
void sdk_problem_fini(struct orb_ctx *ctx);

#endif
