/* host@1 logs and log-runs. What the memory does not have is looked for in files, on a thread, one
 * question after the other: people who read logs never hold more than one thread of the pool. */
#include <string.h>

#include "core/base/own.h"
#include "core/host/host.h"
#include "core/json/scan.h"

#define WAITING_MAX 32

struct log_job {
    struct log_job *next;
    struct orbitald *host;
    struct host_req *req;
    struct logs_search *search; /* NULL: the runs are asked for */
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

    if (job->search)
        r = logs_search_answer(job->search, &out, &found, &err);
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
    logs_search_free(job->search);
    buf_fini(&job->runs);
    free(job);
}

static void leave_line(struct log_job *job)
{
    struct orbitald *host = job->host;

    host->log_first = job->next;
    host->log_waiting--;
    job_free(job);
    start_next(host);
}

static void on_look(uv_work_t *work)
{
    struct log_job *job = container_of(work, struct log_job, work);

    if (job->search)
        logs_search_run(job->search);
    else
        logs_runs(job->host->logs, &job->runs);
}

static void on_looked(uv_work_t *work, int status)
{
    struct log_job *job = container_of(work, struct log_job, work);

    answer(job);
    leave_line(job);
}

static void start_next(struct orbitald *host)
{
    struct log_job *job = host->log_first;
    struct orb_err err;
    int r;

    if (!job)
        return;
    r = uv_queue_work(host->loop, &job->work, on_look, on_looked);
    if (r == 0)
        return;
    orb_fail(&err, r, "the log files cannot be read");
    host_reply_error(job->req, &err);
    leave_line(job);
}

static void stand_in_line(struct log_job *job)
{
    struct log_job **end = &job->host->log_first;

    while (*end)
        end = &(*end)->next;
    *end = job;
    if (job->host->log_waiting++ == 0)
        start_next(job->host);
}

static int begin_search(struct log_job *job, const char *input, size_t len, struct orb_err *err)
{
    char service[64], level[16], grep[256];
    struct orbitald *host = job->host;
    struct json_slice value;
    struct logs_query q = {
        .after = number_member(input, len, "after", 0),
        .before = number_member(input, len, "before", 0),
        .since_us = number_member(input, len, "since_us", 0),
        .until_us = number_member(input, len, "until_us", 0),
        .limit = (unsigned)number_member(input, len, "limit", 200),
    };

    if (json_member(input, len, "newest", &value))
        q.newest = value.type == 't';
    text_member(input, len, "service", service, sizeof service);
    text_member(input, len, "level", level, sizeof level);
    text_member(input, len, "grep", grep, sizeof grep);
    if (service[0])
        q.service = service;
    if (level[0])
        q.level = (enum log_level)log_level_parse(level);
    if (grep[0])
        q.grep = grep;
    if (service[0] && strcmp(service, "host") && host->supervisor)
        supervisor_known(host->supervisor, service, &job->unknown);
    return logs_search_new(host->logs, &q, &job->search, err);
}

bool logs_request(struct orbitald *host, struct host_req *req, const char *method,
                  const char *input, size_t len)
{
    bool search = !strcmp(method, "logs");
    struct log_job *job;
    struct orb_err err = {0};
    int r = 0;

    if (!search && strcmp(method, "log-runs"))
        return false;
    job = xcalloc(1, sizeof *job);
    job->host = host;
    job->req = req;
    if (host->log_waiting == WAITING_MAX)
        r = orb_fail(&err, ORB_E_BUSY, "%d questions wait for the log files already", WAITING_MAX);
    if (r == 0 && search)
        r = begin_search(job, input, len, &err);
    if (r == 0 && !(search && logs_search_done(job->search))) {
        stand_in_line(job);
        return true;
    }
    if (r == 0)
        answer(job);
    else
        host_reply_error(req, &err);
    job_free(job);
    return true;
}
