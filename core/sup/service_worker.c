/* What a service's worker reports: the events among it go to service_event(), the rest is kept. */
#include <string.h>

#include "core/sup/follow.h"
#include "core/sup/supervisor_internal.h"

static void on_started(void *arg, pid_t pid)
{
    struct service *service = arg;

    service->pid = pid;
    service->reason[0] = '\0';
}

static void on_attested(void *arg, const struct buf *report)
{
    struct service *service = arg;

    buf_clear(&service->attested);
    buf_add(&service->attested, report->data, report->len);
}

static void on_ready(void *arg, uint64_t revision)
{
    struct service *service = arg;

    service->revision = revision;
    service_event(service, EVENT_READY, NULL);
    follow_check(service);
}

static void on_applied(void *arg, uint64_t revision)
{
    struct service *service = arg;

    service->revision = revision;
    follow_check(service);
}

static void on_progress(void *arg)
{
    struct service *service = arg;

    service->progress_ms = supervisor_now(service->sup);
}

static void on_health(void *arg, const char *degraded)
{
    struct service *service = arg;

    if (!strcmp(service->degraded, degraded))
        return;
    log_notice(service->sup->host.log, "service.health", KV("service", service_name(service)),
               KV("degraded", degraded));
    if (!service->degraded[0])
        service->degraded_ms = supervisor_now(service->sup);
    snprintf(service->degraded, sizeof(service->degraded), "%s", degraded);
    service_health_changed(service);
}

/* Logs problems that were set or cleared: the list shows only the present ones. */
static void log_difference(const struct service *service, const struct problems *before,
                           const struct problems *after)
{
    struct log_sink *log = service->sup->host.log;
    const char *name = service_name(service);

    for (unsigned i = 0; i < after->count; i++)
        if (!problems_find(before, after->items[i].key))
            log_warn(log, "service.problem", KV("service", name), KV("what", after->items[i].what),
                     KV("path", after->items[i].path));
    for (unsigned i = 0; i < before->count; i++)
        if (!problems_find(after, before->items[i].key))
            log_notice(log, "service.problem-gone", KV("service", name),
                       KV("what", before->items[i].what), KV("path", before->items[i].path));
}

static void on_problems(void *arg, const char *data, size_t len)
{
    struct service *service = arg;
    struct problems fresh = {0};
    struct orb_err err = {0};

    if (problems_read(&service->problems, data, len, supervisor_now(service->sup), &fresh, &err) <
        0) {
        log_warn(service->sup->host.log, "service.problems-refused",
                 KV("service", service_name(service)), KV("error", err.text));
        return;
    }
    log_difference(service, &service->problems, &fresh);
    problems_fini(&service->problems);
    service->problems = fresh;
    service_health_changed(service);
}

static void on_late(void *arg)
{
    service_event(arg, EVENT_LATE, NULL);
}

static void on_unhealthy(void *arg)
{
    service_event(arg, EVENT_UNHEALTHY, NULL);
}

static void on_failed(void *arg, const char *why)
{
    service_event(arg, EVENT_FAULT, why);
}

static void on_exited(void *arg, const struct worker_exit *exit)
{
    service_exited(arg, exit);
}

const struct worker_events service_worker_events = {
    .started = on_started,
    .attested = on_attested,
    .ready = on_ready,
    .applied = on_applied,
    .progress = on_progress,
    .health = on_health,
    .problems = on_problems,
    .late = on_late,
    .unhealthy = on_unhealthy,
    .failed = on_failed,
    .exited = on_exited,
};
