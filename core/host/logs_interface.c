/* host@1 logs and log-runs. Records not in memory are read from files on a thread, one request
 * after the other, in turns of the callers: readers of logs never use more than one thread of the
 * pool. The loop's own part of an answer (records looked up, copied, checked) takes a millisecond
 * or two; between two answers three times as long is left to others. */
#include "core/host/logs_interface.h"

#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/host/host_internal.h"
#include "core/ipc/identity.h"
#include "core/json/scan.h"
#include "core/loop/loop_scope.h"

#define WAITING_MAX 32
#define PAUSE_TIMES 3

struct log_job {
    struct log_job *next;
    struct orbitald *host;
    struct host_req *req;
    enum peer_kind kind; /* with name: the caller */
    char name[64];
    uint64_t turn;
    struct logs_search *search; /* of logs, once it is the first in the line */
    bool runs_asked;
    uint64_t spent_ns; /* by the loop */
    struct buf input;  /* of logs */
    struct buf runs;
    struct orb_err unknown; /* the service is not installed: the error unless it has records */
    uv_work_t work;
};

static void start_next(struct orbitald *host);

static void text_member(const char *input, size_t len, const char *key, char *to, size_t size)
{
    struct json_slice value;

    to[0] = '\0';
    if (json_member(input, len, key, &value))
        json_text(&value, to, size);
}

static uint64_t number_member(const char *input, size_t len, const char *key, uint64_t fallback)
{
    struct json_slice value;
    int64_t n;

    if (json_member(input, len, key, &value) && json_int64(&value, &n) == 0 && n >= 0)
        return (uint64_t)n;
    return fallback;
}

static void answer(struct log_job *job)
{
    AUTO(buf) struct buf out = {0};
    struct orb_err err = {0};
    size_t found = 1;
    int r = 0;

    if (!job->runs_asked)
        r = logs_find_answer(job->search, &out, &found, &err);
    else
        buf_add(&out, buf_str(&job->runs), job->runs.len);
    if (r == 0 && !found && job->unknown.code) {
        err = job->unknown;
        r = err.code;
    }
    if (r < 0)
        host_reply_error(job->req, &err);
    else
        host_reply(job->req, out.data, out.len);
}

static void job_free(struct log_job *job)
{
    logs_find_free(job->search);
    buf_fini(&job->runs);
    buf_fini(&job->input);
    free(job);
}

static void on_pause(uv_timer_t *timer)
{
    struct orbitald *host = container_of(timer, struct orbitald, log_pause);

    host->log_paused = false;
    start_next(host);
}

/* took_ns: what the loop has spent on this one. */
static void leave_line(struct log_job *job, uint64_t took_ns)
{
    struct orbitald *host = job->host;
    uint64_t pause_ms = took_ns * PAUSE_TIMES / 1000000;

    host->log_first = job->next;
    host->log_waiting--;
    job_free(job);
    if (!host->log_first)
        return;
    if (host->stopping || uv_is_closing((uv_handle_t *)&host->log_pause)) {
        start_next(host);
        return;
    }
    host->log_paused = true;
    uv_timer_start(&host->log_pause, on_pause, pause_ms ? pause_ms : 1, 0);
}

void logs_interface_watch(struct orbitald *host, struct loop_scope *scope)
{
    uv_timer_init(host->loop, &host->log_pause);
    loop_scope_adopt(scope, (uv_handle_t *)&host->log_pause);
}

void logs_interface_hurry(struct orbitald *host)
{
    if (!host->log_paused)
        return;
    uv_timer_stop(&host->log_pause);
    on_pause(&host->log_pause);
}

static void on_look(uv_work_t *work)
{
    struct log_job *job = container_of(work, struct log_job, work);

    if (!job->runs_asked)
        logs_find_run(job->search);
    else
        logs_find_runs(job->host->logs, &job->runs);
}

static int begin_search(struct log_job *job, struct orb_err *err)
{
    const char *input = buf_str(&job->input);
    size_t len = job->input.len;
    char service[64], level[16], grep[256];
    struct orbitald *host = job->host;
    struct json_slice value;
    struct logs_query q = {
        .after = number_member(input, len, "after", 0),
        .before = number_member(input, len, "before", 0),
        .since_us = number_member(input, len, "since-us", 0),
        .until_us = number_member(input, len, "until-us", 0),
        .limit = (unsigned)number_member(input, len, "limit", 200),
    };

    if (json_member(input, len, "newest", &value))
        q.newest = value.type == 't';
    if (json_member(input, len, "audit", &value))
        q.audit = value.type == 't';
    text_member(input, len, "service", service, sizeof(service));
    text_member(input, len, "level", level, sizeof(level));
    text_member(input, len, "grep", grep, sizeof(grep));
    if (service[0])
        q.service = service;
    if (level[0])
        q.level = (enum log_level)log_level_parse(level);
    if (grep[0])
        q.grep = grep;
    if (service[0] && strcmp(service, "host") && host->supervisor)
        supervisor_lookup(host->supervisor, service, NULL, &job->unknown);
    return logs_find_new(host->logs, &q, &job->search, err);
}

static void on_looked(uv_work_t *work, int status)
{
    struct log_job *job = container_of(work, struct log_job, work);
    uint64_t before = uv_hrtime();

    answer(job);
    leave_line(job, job->spent_ns + uv_hrtime() - before);
}

static void start_next(struct orbitald *host)
{
    struct log_job *job = host->log_first;
    uint64_t before = uv_hrtime();
    struct orb_err err;
    int r = 0;

    if (!job)
        return;
    if (!job->runs_asked)
        r = begin_search(job, &err);
    job->spent_ns = uv_hrtime() - before;
    if (r == 0 && job->search && logs_find_done(job->search)) {
        answer(job);
        leave_line(job, uv_hrtime() - before);
        return;
    }
    if (r == 0) {
        r = uv_queue_work(host->loop, &job->work, on_look, on_looked);
        if (r == 0)
            return;
        orb_fail(&err, r, "the log files cannot be read");
    }
    host_reply_error(job->req, &err);
    leave_line(job, 0);
}

static bool is_same(const struct log_job *a, const struct log_job *b)
{
    return identity_same(a->kind, a->name, b->kind, b->name);
}

static unsigned count_of(const struct orbitald *host, const struct log_job *like)
{
    unsigned n = 0;

    for (const struct log_job *j = host->log_first; j; j = j->next)
        n += is_same(j, like);
    return n;
}

/* The last waiting request of the caller with the most. NULL: none has more than the limit. */
static struct log_job **last_of_most(struct orbitald *host, unsigned least)
{
    struct log_job **most = NULL;

    for (struct log_job **at = &host->log_first->next; *at; at = &(*at)->next) {
        unsigned count = count_of(host, *at);

        if (count <= least)
            continue;
        least = count - 1; /* the later one of as many */
        most = at;
    }
    return most;
}

static void turn_away(struct host_req *req, unsigned waiting)
{
    struct orb_err err;

    orb_fail(&err, ORB_E_BUSY, "%u questions wait for the logs already", waiting);
    host_reply_error(req, &err);
}

/* Places not used by others may all be taken by one identity; when others come they get some of
 * them. false: no place is free, and that was answered. */
static bool make_room(const struct log_job *job)
{
    struct orbitald *host = job->host;
    struct log_job **at, *last;

    if (host->log_waiting < WAITING_MAX)
        return true;
    at = last_of_most(host, count_of(host, job) + 1);
    if (!at) {
        turn_away(job->req, host->log_waiting);
        return false;
    }
    last = *at;
    *at = last->next;
    host->log_waiting--;
    turn_away(last->req, WAITING_MAX);
    job_free(last);
    return true;
}

/* Queues it fairly: after those of others with as many requests before them; the first one is being
 * answered. */
static void stand_in_line(struct log_job *job)
{
    struct orbitald *host = job->host;
    struct log_job **at = &host->log_first;

    job->turn = *at ? (*at)->turn + 1 : 0;
    for (const struct log_job *j = *at; j; j = j->next)
        if (is_same(j, job) && j->turn >= job->turn)
            job->turn = j->turn + 1;
    while (*at && (at == &host->log_first || (*at)->turn <= job->turn))
        at = &(*at)->next;
    job->next = *at;
    *at = job;
    if (host->log_waiting++ == 0)
        start_next(host);
}

bool logs_interface_request(struct orbitald *host, struct host_req *req,
                            const struct host_caller *caller, const char *method, const char *input,
                            size_t len)
{
    bool runs = !strcmp(method, "log-runs");
    struct log_job *job;

    if (!runs && strcmp(method, "logs"))
        return false;
    job = xcalloc(1, sizeof(*job));
    job->host = host;
    job->req = req;
    job->kind = caller->kind;
    snprintf(job->name, sizeof(job->name), "%s", caller->name);
    job->runs_asked = runs;
    if (!make_room(job)) {
        job_free(job);
        return true;
    }
    buf_add(&job->input, input, len);
    stand_in_line(job);
    return true;
}
