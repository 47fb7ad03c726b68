/* Looking after the data plane: events of interfaces and of nftables, and twice a second what the
 * kernel sends no events for. The data plane reads the events on a thread of its own; what they ask
 * for is done by a job of its own.
 *
 * Surprise: a program that changes the same thing again and again (a reload in a loop) must not
 * keep this process busy. After each time something was put back the next one waits longer, up to a
 * second, and for at least as long as it took. */
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/strings.h"
#include "core/base/xalloc.h"
#include "core/host/dpjobs.h"
#include "core/host/dpservice_internal.h"
#include "core/host/dpwatch.h"
#include "core/host/problem.h"
#include "core/host/health.h"

#define POLL_MS 500
#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 900 /* what another program changed is back within a second */
#define CALM_MS 5000     /* without a change: the next one is put back at once again */
#define FAIL_MAX_MS 5000 /* longest backoff after failures; a change from outside ends it */
#define OPEN_MAX_MS 30000
#define SOON_MS 100 /* what takes no longer is put back unreported */

#define TABLE_KEY "dataplane.table"
#define TABLE_TODO "stop what changes nftables' table inet orbital"

static void on_later(uv_timer_t *timer);

/* Restoring the table after foreign changes is delayed; a problem is set until no more occur. */
static void unsettled(struct dpservice *s)
{
    s->unsettled = true;
    problem_set(s->host, TABLE_KEY, HEALTH_FAILED, s->disturbed, "", TABLE_TODO);
}

/* The rules as they are now, known only while no job works on them. */
static bool is_disturbed(struct dpservice *s)
{
    return (s->what & DATAPLANE_RULES) && !s->running &&
           dataplane_tend_disturbed(s->dataplane, s->disturbed, sizeof(s->disturbed));
}

static void tend(struct dpservice *s)
{
    uint64_t now = now_ms();
    bool disturbed;

    if (!s->what || s->tending || s->closing)
        return;
    disturbed = is_disturbed(s);
    uv_update_time(s->host->loop);
    if (now < s->not_before) {
        if (disturbed)
            unsettled(s);
        if (!uv_is_active((uv_handle_t *)&s->later))
            uv_timer_start(&s->later, on_later, s->not_before - now, 0);
        return;
    }
    s->tending = true;
    uv_timer_stop(&s->later); /* it waited for this */
    if (disturbed)
        uv_timer_start(&s->later, on_later, SOON_MS, 0);
    dpjobs_own(s, DP_TEND, s->what);
    s->what = 0;
}

static void on_later(uv_timer_t *timer)
{
    struct dpservice *s = container_of(timer, struct dpservice, later);

    if (!s->watching)
        dpjobs_own(s, DP_OPEN, 0);
    else if (s->tending)
        unsettled(s);
    else
        tend(s);
}

static void on_poll(uv_timer_t *timer)
{
    struct dpservice *s = container_of(timer, struct dpservice, poll);

    if (s->unsettled && !s->running && now_ms() - s->put_back > CALM_MS) {
        s->unsettled = false;
        dpwatch_problems(s);
    }
    s->what |= DATAPLANE_POLL;
    tend(s);
}

static void dispatch(struct dpservice *s)
{
    unsigned what = events_dispatch(s->dataplane);
    uint64_t soon = now_ms() + PAUSE_MAX_MS;

    s->what |= what;
    if (what && s->failing_ms && s->not_before > soon)
        s->not_before = soon; /* it may work by now */
    tend(s);
}

static void on_events(struct loop_watch *watch, int status, int events)
{
    dispatch(container_of(watch, struct dpservice, watch));
}

static void not_opened(struct dpservice *s)
{
    s->failing_ms = s->failing_ms ? s->failing_ms * 2 : 1000;
    if (s->failing_ms > OPEN_MAX_MS)
        s->failing_ms = OPEN_MAX_MS;
    uv_timer_start(&s->later, on_later, s->failing_ms, 0);
}

static void opened(struct dpservice *s)
{
    int r =
        loop_watch_init(&s->watch, s->host->loop, &s->scope, events_fd(s->dataplane), on_events);

    if (r == 0)
        loop_watch_set(&s->watch, UV_READABLE);
    else
        log_error(s->host->log, "dataplane.not-watched", KV("error", uv_strerror(r)));
    uv_timer_start(&s->poll, on_poll, POLL_MS, POLL_MS);
    s->watching = true;
}

/* How long the next change of another program waits. */
static void pace(struct dpservice *s, const struct dp_job *job, bool changed)
{
    uint64_t now = now_ms();

    if (changed) {
        s->pause = now - s->put_back > CALM_MS ? PAUSE_MIN_MS : s->pause * 2;
        s->put_back = now;
    }
    if (s->pause < job->took_ms && changed)
        s->pause = job->took_ms;
    if (s->pause > PAUSE_MAX_MS)
        s->pause = PAUSE_MAX_MS > job->took_ms ? PAUSE_MAX_MS : job->took_ms;
    s->not_before = now + (changed ? s->pause : job->took_ms);
    if (job->result == 0) {
        s->failing_ms = 0;
        s->failed[0] = 0;
        return;
    }
    s->failing_ms = s->failing_ms ? s->failing_ms * 2 : PAUSE_MIN_MS;
    if (s->failing_ms > FAIL_MAX_MS)
        s->failing_ms = FAIL_MAX_MS;
    if (s->not_before < now + s->failing_ms)
        s->not_before = now + s->failing_ms;
}

static void tended(struct dpservice *s, const struct dp_job *job)
{
    const struct dataplane_tended *t = &job->tended;

    s->tending = false;
    uv_timer_stop(&s->later);
    if (t->rules[0])
        log_warn(s->host->log, "dataplane.rules-put-back", KV("what", t->rules));
    if (t->ports[0])
        log_warn(s->host->log, "dataplane.ports-put-back", KV("what", t->ports));
    if (t->settings[0])
        log_warn(s->host->log, "dataplane.settings-put-back", KV("what", t->settings));
    if (job->result < 0 && strcmp(s->failed, job->err.text)) {
        log_error(s->host->log, "dataplane.not-put-back", KV("error", job->err.text));
        snprintf(s->failed, sizeof(s->failed), "%s", job->err.text);
    }
    pace(s, job, job->result < 0 || t->rules[0] || t->ports[0] || t->settings[0]);
}

static void problem(struct dpservice *s, const char *key, enum health_level level, const char *what,
                    const char *todo)
{
    if (*what)
        problem_set(s->host, key, level, what, "", todo);
    else
        problem_clear(s->host, key);
}

static void on_given_up(void *arg, const char *feature, const char *reason)
{
    struct dpservice *s = arg;
    unsigned n = 0;

    while (s->given_up[n])
        n++;
    s->given_up = xrealloc(s->given_up, (n + 3) * sizeof(*s->given_up));
    s->given_up[n] = xstrdup(feature);
    s->given_up[n + 1] = xstrdup(reason);
    s->given_up[n + 2] = NULL;
}

/* Noted while no job works on the data plane. */
static void note_given_up(struct dpservice *s)
{
    strings_free(s->given_up);
    s->given_up = xcalloc(1, sizeof(*s->given_up));
    if (s->dataplane)
        dataplane_given_up(s->dataplane, on_given_up, s);
    else if (!s->opening)
        on_given_up(s, "data plane", s->why);
}

void dpwatch_given_up(const struct dpservice *s,
                      void (*each)(void *arg, const char *feature, const char *reason), void *arg)
{
    for (char **pair = s ? s->given_up : NULL; pair && *pair; pair += 2)
        each(arg, pair[0], pair[1]);
}

void dpwatch_problems(struct dpservice *s)
{
    static const struct {
        const char *key;
        enum health_level level;
        const char *todo;
    } problems[DATAPLANE_PROBLEMS] = {
        [DATAPLANE_PROBLEM_RULES] = {TABLE_KEY, HEALTH_FAILED, TABLE_TODO},
        [DATAPLANE_PROBLEM_SETTINGS] = {"dataplane.settings", HEALTH_DEGRADED,
                                        "make /proc/sys writable for orbitald"},
        [DATAPLANE_PROBLEM_PORTS] = {"dataplane.ports", HEALTH_DEGRADED,
                                     "stop what detaches the fast path's programs"},
        [DATAPLANE_PROBLEM_FLOWS] = {"dataplane.flows", HEALTH_DEGRADED,
                                     "commit again, or conntrack -F"},
        [DATAPLANE_PROBLEM_FAST] = {"dataplane.fast-path", HEALTH_DEGRADED,
                                    "a kernel with BPF type information and conntrack, or "
                                    "fast-path off for the ports"},
        [DATAPLANE_PROBLEM_DETACHED] = {"dataplane.detached", HEALTH_FAILED,
                                        "orbctl dataplane enable"},
        [DATAPLANE_PROBLEM_NOTES] = {"dataplane.notes", HEALTH_DEGRADED,
                                     "make the file readable and writable, or remove it; it is "
                                     "tried again. Until then `orbctl dataplane detach` after a "
                                     "restart cannot put back what was there"},
    };

    note_given_up(s);
    problem(s, "dataplane.none", HEALTH_FAILED, s->dataplane ? "" : s->why,
            s->host->options.no_dataplane
                ? "nothing is filtered or forwarded until orbitald is started with a data plane"
                : "nothing but the closed base table is in force; it is tried again");
    for (unsigned i = 0; i < DATAPLANE_PROBLEMS && s->dataplane; i++) {
        const char *what = dataplane_problem(s->dataplane, i);

        if (i != DATAPLANE_PROBLEM_RULES || *what || !s->unsettled)
            problem(s, problems[i].key, problems[i].level, what, problems[i].todo);
    }
}

static void done(struct dpservice *s, const struct dp_job *job)
{
    if (job->kind == DP_TEND)
        tended(s, job);
    if (!s->closing)
        dpwatch_problems(s);
    buf_clear(&s->metrics);
    if (s->dataplane)
        dataplane_report_metrics(s->dataplane, &s->metrics);
    if (!s->watching)
        return;
    if (job->kind == DP_APPLY || job->kind == DP_REVERT || job->kind == DP_ENABLE)
        s->what |= DATAPLANE_POLL; /* what the table is now */
    tend(s);
}

void dpwatch_init(struct dpservice *s)
{
    static const struct dp_events events = {opened, not_opened, done};

    s->events = &events;
    uv_timer_init(s->host->loop, &s->poll);
    loop_scope_adopt(&s->scope, (uv_handle_t *)&s->poll);
    uv_timer_init(s->host->loop, &s->later);
    loop_scope_adopt(&s->scope, (uv_handle_t *)&s->later);
}
