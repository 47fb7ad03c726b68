
#include "core/host/problem.h"

#include <stdio.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/host/host_internal.h"

static struct host_problem *find(const struct host_problems *problems, const char *key)
{
    for (unsigned i = 0; i < problems->count; i++)
        if (!strcmp(problems->items[i].key, key))
            return (struct host_problem *)&problems->items[i];
    return NULL;
}

static void changed(struct host_problems *problems)
{
    problems->on_change(problems->arg);
}

static void lose(struct orbitald *host, const char *key, enum health_level level, const char *what)
{
    struct host_problems *problems = host->problems;

    if (problems->overflown && level <= problems->lost_level)
        return;
    log_warn(host->log, "host.problem", KV("key", key), KV("what", what));
    problems->lost_level = level;
    problems->overflown = true;
    changed(problems);
}

void problem_set(struct orbitald *host, const char *key, enum health_level level, const char *what,
                 const char *path, const char *todo)
{
    struct host_problems *problems = host->problems;
    struct host_problem *p = problems ? find(problems, key) : NULL;

    if (!problems)
        return;
    if (!p && problems->count == PROBLEMS_MAX) {
        lose(host, key, level, what);
        return;
    }
    if (!p) {
        p = &problems->items[problems->count++];
        *p = (struct host_problem){.since_ms = now_ms()};
        snprintf(p->key, sizeof(p->key), "%s", key);
        log_warn(host->log, "host.problem", KV("key", key), KV("what", what));
    }
    p->reason.level = level;
    snprintf(p->reason.what, sizeof(p->reason.what), "%s", what);
    snprintf(p->reason.path, sizeof(p->reason.path), "%s", path ? path : "");
    snprintf(p->reason.todo, sizeof(p->reason.todo), "%s", todo ? todo : "");
    changed(problems);
}

void problem_clear(struct orbitald *host, const char *key)
{
    struct host_problems *problems = host->problems;
    struct host_problem *p = problems ? find(problems, key) : NULL;

    if (!p)
        return;
    log_notice(host->log, "host.problem-gone", KV("key", key), KV("what", p->reason.what));
    *p = problems->items[--problems->count];
    problems->overflown = false; /* if there is still one, it is set again */
    problems->lost_level = HEALTH_OK;
    changed(problems);
}

bool problem_is_set(const struct host_problems *problems, const char *key)
{
    return find(problems, key) != NULL;
}

void problem_add_all(const struct host_problems *problems, struct health_report *report)
{
    for (unsigned i = 0; problems && i < problems->count; i++) {
        struct health_reason reason = problems->items[i].reason;

        reason.since_us = now_wall_of(problems->items[i].since_ms);
        health_report_add(report, &reason);
    }
    if (problems && problems->overflown) {
        struct health_reason more = {.level = problems->lost_level};

        snprintf(more.what, sizeof(more.what), "more than %d things are wrong with the host",
                 PROBLEMS_MAX);
        snprintf(more.todo, sizeof(more.todo), "orbctl logs --grep host.problem");
        health_report_add(report, &more);
    }
}
