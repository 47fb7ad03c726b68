/* Rules of the health report. The appliance is failed when a service of the phases early, core or
 * control, or one whose manifest specifies `critical`, has failed; it is degraded when any other
 * has. */
#include "core/host/health_report.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

#define FULL_PERCENT 90
#define ABSENCE_US 10000000u /* longer than any start should take */
#define ABSENCE_FAILURES 3
#define BEHIND_US 2000000u /* longer than a service needs to report it after a commit */
#define CONFIGURATION "the configuration"
#define THIRD_PROBLEMS 8 /* of one service of a third party; all are in `service show` */
#define REASON_BYTES 120 /* of a reason as JSON, without its texts */

const char *health_report_level_name(enum health_level level)
{
    static const char *const names[] = {"ok", "degraded", "failed"};

    return names[level];
}

void health_report_fini(struct health_report *report)
{
    free(report->reasons);
    *report = (struct health_report){0};
}

void health_report_add(struct health_report *report, const struct health_reason *reason)
{
    report->reasons = xrealloc(report->reasons, (report->count + 1) * sizeof(*report->reasons));
    report->reasons[report->count++] = *reason;
    if (reason->level > report->level)
        report->level = reason->level;
}

static void add(struct health_report *report, enum health_level level, const char *service,
                uint64_t since_us, const char *todo, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

static void add(struct health_report *report, enum health_level level, const char *service,
                uint64_t since_us, const char *todo, const char *format, ...)
{
    struct health_reason reason = {.level = level, .since_us = since_us};
    va_list args;

    va_start(args, format);
    vsnprintf(reason.what, sizeof(reason.what), format, args);
    va_end(args);
    snprintf(reason.service, sizeof(reason.service), "%s", service);
    snprintf(reason.todo, sizeof(reason.todo), "%s", todo);
    health_report_add(report, &reason);
}

/* Converts a time of now_ms() to the current wall clock. */
static uint64_t wall_at(uint64_t at_ms, uint64_t now_us, uint64_t now_ms)
{
    uint64_t ago_us = now_ms > at_ms ? (now_ms - at_ms) * 1000 : 0;

    return now_us > ago_us ? now_us - ago_us : 0;
}

static bool carries(const struct service_view *s)
{
    return s->shipped && (s->phase <= PHASE_CONTROL || s->critical);
}

static const char *why(const struct service_view *s)
{
    return s->reason[0] ? s->reason : "no reason is known";
}

/* A restart is a moment of degradation. One that lasts, or follows upon others, is no restart any
 * more: what the service is there for is not done. Without the configuration nothing is right. */
static enum health_level level_of_absence(const struct service_view *s, uint64_t ago_us)
{
    bool lasts = ago_us > ABSENCE_US || s->failures_in_a_row >= ABSENCE_FAILURES;

    if (!strcmp(s->name, "config") || (carries(s) && lasts))
        return HEALTH_FAILED;
    return HEALTH_DEGRADED;
}

/* It does not run, and is not wanted. What it put into the kernel stays there, so that is right
 * until the configuration moves on. */
static void add_stopped(struct health_report *report, const struct service_view *s, uint64_t since)
{
    enum health_level down = carries(s) ? HEALTH_FAILED : HEALTH_DEGRADED;
    bool by_configuration = !strcmp(s->stopped_by, CONFIGURATION);
    char todo[128];

    snprintf(todo, sizeof(todo), "orbctl service start %s", s->name);
    if (by_configuration && carries(s) && s->configured)
        add(report, HEALTH_DEGRADED, s->name, since,
            "enable it below /services, or delete its part of the configuration",
            "%s is switched off by the configuration that configures it: nothing of that is done",
            s->name);
    else if (by_configuration)
        return;
    else if (!strcmp(s->name, "config"))
        add(report, HEALTH_FAILED, s->name, since, todo, "config was stopped by %s", s->stopped_by);
    else if (s->revision && s->due > s->revision)
        add(report, down, s->name, since, todo,
            "%s was stopped by %s, and what it did follows revision %llu: revision %llu changed it",
            s->name, s->stopped_by, (unsigned long long)s->revision, (unsigned long long)s->due);
    else
        add(report, HEALTH_DEGRADED, s->name, since, todo,
            "%s was stopped by %s: what it did stays, and follows nothing any more", s->name,
            s->stopped_by);
}

/* It runs, and does not do what was committed. */
static void add_behind(struct health_report *report, const struct service_view *s, uint64_t now_us,
                       uint64_t now_ms)
{
    uint64_t ago_us = now_ms > s->behind_ms ? (now_ms - s->behind_ms) * 1000 : 0;
    enum health_level down = carries(s) ? HEALTH_FAILED : HEALTH_DEGRADED;
    char todo[160];

    if (!s->behind_ms || ago_us < BEHIND_US)
        return;
    snprintf(todo, sizeof(todo), "orbctl logs --service %s; orbctl service restart %s", s->name,
             s->name);
    add(report, ago_us > ABSENCE_US ? down : HEALTH_DEGRADED, s->name,
        wall_at(s->behind_ms, now_us, now_ms), todo,
        "%s follows revision %llu of the configuration and not %llu, the one that was committed",
        s->name, (unsigned long long)s->revision, (unsigned long long)s->due);
}

static void add_state(struct health_report *report, const struct service_view *s, uint64_t since,
                      uint64_t ago_us)
{
    enum health_level absent = level_of_absence(s, ago_us);
    enum health_level down = carries(s) ? HEALTH_FAILED : HEALTH_DEGRADED;
    char todo[128];

    snprintf(todo, sizeof(todo), "orbctl service show %s; orbctl logs --service %s", s->name,
             s->name);
    if (s->state == SERVICE_FAILED && s->wanted)
        add(report, down, s->name, since, todo, "%s has failed: %s", s->name, why(s));
    else if (s->state == SERVICE_RESTARTING && s->wanted)
        add(report, absent, s->name, since, todo, "%s is being restarted: %s", s->name, why(s));
    else if (s->state == SERVICE_STARTING && s->wanted)
        add(report, absent, s->name, since, "", "%s is not ready yet%s%s", s->name,
            s->reason[0] ? ": " : "", s->reason);
    else if (!s->wanted && s->stopped_by[0])
        add_stopped(report, s, since);
    else if (s->state == SERVICE_RUNNING && s->breaker != BREAKER_CLOSED)
        add(report, HEALTH_DEGRADED, s->name, since, todo,
            "%s failed often and runs on trial: its circuit breaker is not closed yet", s->name);
}

static void add_words(struct health_report *report, const struct service_view *s, uint64_t now_us,
                      uint64_t now_ms)
{
    unsigned count = s->problems->count, more = s->problems->more;

    if (!s->shipped && count > THIRD_PROBLEMS) {
        more += count - THIRD_PROBLEMS;
        count = THIRD_PROBLEMS;
    }
    for (unsigned i = 0; i < count; i++) {
        const struct problem *p = &s->problems->items[i];
        struct health_reason reason = {.level = p->failed && carries(s) ? HEALTH_FAILED
                                                                        : HEALTH_DEGRADED,
                                       .since_us = wall_at(p->since_ms, now_us, now_ms)};

        snprintf(reason.what, sizeof(reason.what), "%s", p->what);
        snprintf(reason.path, sizeof(reason.path), "%s", p->path);
        snprintf(reason.todo, sizeof(reason.todo), "%s", p->todo);
        snprintf(reason.service, sizeof(reason.service), "%s", s->name);
        health_report_add(report, &reason);
    }
    if (more)
        add(report, HEALTH_DEGRADED, s->name, now_us, "", "%s reports %u more problems", s->name,
            more);
    if (s->health[0])
        add(report, HEALTH_DEGRADED, s->name, wall_at(s->health_since_ms, now_us, now_ms), "",
            "%s: %s", s->name, s->health);
}

/* At most so many bytes as a JSON string. */
static size_t json_bytes(const char *text)
{
    size_t n = 0;

    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        n += *p < 0x20 ? 6 : *p >= 0x80 ? 3 : *p == '"' || *p == '\\' ? 2 : 1;
    return n;
}

/* Limits the reasons of a third-party service, so that those of others fit. */
static void keep_share(struct health_report *report, unsigned first, const char *service)
{
    unsigned kept = first, left;
    size_t taken = 0;
    char todo[128];

    for (unsigned i = first; i < report->count; i++) {
        const struct health_reason *r = &report->reasons[i];
        size_t bytes = REASON_BYTES + json_bytes(r->what) + json_bytes(r->path) +
                       json_bytes(r->todo) + json_bytes(r->service);

        if (taken + bytes > report->share)
            continue;
        taken += bytes;
        report->reasons[kept++] = *r;
    }
    left = report->count - kept;
    report->count = kept;
    snprintf(todo, sizeof(todo), "orbctl service show %s", service);
    if (left)
        add(report, HEALTH_DEGRADED, service, 0, todo,
            "%s has %u reasons more, too long to be shown here", service, left);
}

void health_report_add_service(struct health_report *report, const struct service_view *service,
                               uint64_t now_us, uint64_t now_ms)
{
    unsigned first = report->count;
    uint64_t ago_us = now_ms > service->since_ms ? (now_ms - service->since_ms) * 1000 : 0;

    add_state(report, service, wall_at(service->since_ms, now_us, now_ms), ago_us);
    if (service->state == SERVICE_RUNNING && service->wanted)
        add_behind(report, service, now_us, now_ms);
    if (service->state == SERVICE_RUNNING || service->state == SERVICE_STARTING)
        add_words(report, service, now_us, now_ms);
    if (!service->shipped && report->share)
        keep_share(report, first, service->name);
}

void health_report_add_boot(struct health_report *report, enum boot_phase phase, unsigned packages,
                            bool has_config, const char *waiting)
{
    if (!packages)
        add(report, HEALTH_FAILED, "", 0,
            "check --packages and /usr/lib/orbital/packages; orbctl show packages",
            "no package was found: nothing is configured and nothing runs");
    else if (!has_config)
        add(report, HEALTH_FAILED, "", 0, "install the shipped packages again",
            "no package provides the configuration service");
    if (phase < PHASE_OPERATIONAL)
        add(report, HEALTH_DEGRADED, "", 0, "orbctl show boot",
            "the boot has not reached its end: phase %s%s%s", manifest_phase_name(phase),
            waiting[0] ? ", waiting for " : "", waiting);
}

const char *health_report_machine_key(enum health_machine_kind kind)
{
    static const char *const keys[] = {"machine.read-only", "machine.disk", "machine.conntrack",
                                       "machine.clock"};

    return keys[kind];
}

static bool disk_reason(const struct health_machine *m, struct health_reason *r)
{
    bool inodes = m->inodes_percent > m->disk_percent;
    int most = inodes ? m->inodes_percent : m->disk_percent;

    snprintf(r->what, sizeof(r->what), "the file system of %s is %d %% full%s", m->state_dir, most,
             inodes ? " (inodes)" : "");
    snprintf(r->todo, sizeof(r->todo), "make space: old logs, crash reports, other files");
    return most > FULL_PERCENT;
}

bool health_report_machine(const struct health_machine *m, enum health_machine_kind kind,
                           struct health_reason *ret_reason)
{
    struct health_reason *r = ret_reason;

    *r = (struct health_reason){.level = HEALTH_DEGRADED};
    switch (kind) {
    case MACHINE_READ_ONLY:
        snprintf(r->what, sizeof(r->what),
                 "the file system of %s is mounted read-only: no commit can be stored",
                 m->state_dir);
        snprintf(r->todo, sizeof(r->todo),
                 "find out why (dmesg), then mount it read-write again: mount -o remount,rw");
        return m->disk_read_only;
    case MACHINE_DISK:
        return disk_reason(m, r);
    case MACHINE_CONNTRACK:
        snprintf(r->what, sizeof(r->what),
                 "the table of connections is %d %% full: new ones will be dropped",
                 m->conntrack_percent);
        snprintf(r->todo, sizeof(r->todo), "look for a flood, or raise nf_conntrack_max");
        return m->conntrack_percent > FULL_PERCENT;
    default:
        snprintf(r->what, sizeof(r->what),
                 "the clock is not set: it is before the build date of this program");
        snprintf(r->todo, sizeof(r->todo), "set the clock (date, chrony)");
        return m->clock_unset;
    }
}

/* ---- shown ---- */

static int compare(const void *a, const void *b)
{
    const struct health_reason *x = a, *y = b;

    if (x->level != y->level)
        return x->level > y->level ? -1 : 1;
    if (x->since_us != y->since_us)
        return x->since_us < y->since_us ? -1 : 1;
    return strcmp(x->what, y->what);
}

void health_report_sort(struct health_report *report)
{
    if (report->count)
        qsort(report->reasons, report->count, sizeof(*report->reasons), compare);
}

void health_report_sentence(const struct health_report *report, char *to, size_t size)
{
    const char *level = health_report_level_name(report->level);

    if (!report->count)
        snprintf(to, size, "%s", level);
    else if (report->count == 1)
        snprintf(to, size, "%s: %s", level, report->reasons[0].what);
    else
        snprintf(to, size, "%s: %s, and %u more", level, report->reasons[0].what,
                 report->count - 1);
}

void health_report_write(const struct health_report *report, struct json_write *w)
{
    json_write_string(w, "verdict", health_report_level_name(report->level));
    json_write_array(w, "reasons");
    for (unsigned i = 0; i < report->count; i++) {
        const struct health_reason *r = &report->reasons[i];

        json_write_object(w, NULL);
        json_write_string(w, "level", health_report_level_name(r->level));
        json_write_string(w, "what", r->what);
        json_write_string(w, "service", r->service);
        json_write_string(w, "path", r->path);
        json_write_string(w, "todo", r->todo);
        json_write_integer(w, "since-us", (int64_t)r->since_us);
        json_write_end(w);
    }
    json_write_end(w);
}
