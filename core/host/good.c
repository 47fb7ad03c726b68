/* A minute by the monotonic clock, so that a clock that is set makes nothing good. The file is on a
 * disk: once the loop runs, threads read and write it. */
#include "core/host/good.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/host/problem.h"
#include "core/host/health.h"

#define FILE_MOST 64
#define NOT_READ "state.good-not-read"
#define NOT_WRITTEN "state.good-not-written"

static char *path_of(const char *state_dir)
{
    return buf_format("%s/good-revision", state_dir);
}

static void tell(struct orbitald *host, const char *key, const struct orb_err *err)
{
    AUTO_FREE char *what =
        buf_format("safe mode would not find the last good revision: %s", err->text);

    log_warn(host->log, "host.good-revision", KV("error", err->text));
    problem_set(host, key, HEALTH_DEGRADED, what, "",
                "remove the file, or make it readable and writable; it is written "
                "again after a minute of good health");
}

uint64_t good_read_file(const char *state_dir, struct orb_err *err)
{
    AUTO_FREE char *path = path_of(state_dir);
    AUTO(buf) struct buf text = {0};
    unsigned long long n = 0;
    char *end;
    int r = file_read_regular(path, FILE_MOST, &text, err);

    if (r == 0) {
        n = strtoull(buf_str(&text), &end, 10);
        if (!n || strcmp(end, "\n") || n >= INT64_MAX)
            r = orb_fail(err, ORB_E_INVALID, "%s is damaged", path);
    }
    if (r == 0 || r == -ENOENT)
        *err = (struct orb_err){0};
    return r < 0 ? 0 : n;
}

void good_report(struct orbitald *host, const struct orb_err *err)
{
    if (err->code)
        tell(host, NOT_READ, err);
    else
        problem_clear(host, NOT_READ);
}

/* One answer of boot-mode, which a thread reads the file for. */
struct mode_job {
    struct orbitald *host;
    struct host_req *req;
    uv_work_t work;
    uint64_t revision;
    struct orb_err problem;
};

static void on_mode_read(uv_work_t *work)
{
    struct mode_job *job = container_of(work, struct mode_job, work);

    job->revision = good_read_file(job->host->options.state_dir, &job->problem);
}

static void on_mode_known(uv_work_t *work, int status)
{
    struct mode_job *job = container_of(work, struct mode_job, work);
    AUTO(buf) struct buf out = {0};
    struct json_write w = json_write_to(&out);

    good_report(job->host, &job->problem);
    json_write_object(&w, NULL);
    json_write_string(&w, "mode", job->host->safe ? "safe" : "normal");
    json_write_integer(&w, "revision", (int64_t)job->revision);
    json_write_end(&w);
    host_reply(job->req, buf_str(&out), out.len);
    free(job);
}

void good_request(struct orbitald *host, struct host_req *req)
{
    struct mode_job *job = xcalloc(1, sizeof(*job));

    job->host = host;
    job->req = req;
    uv_queue_work(host->loop, &job->work, on_mode_read, on_mode_known);
}

static void on_write(uv_work_t *work)
{
    struct good *good = container_of(work, struct good, work);
    AUTO_FREE char *path = path_of(good->host->options.state_dir);
    AUTO_FREE char *text = buf_format("%llu\n", (unsigned long long)good->writing);

    good->err = (struct orb_err){0};
    file_replace(path, text, strlen(text), 0600, &good->err);
}

static void on_good(uv_timer_t *timer);

static void on_written(uv_work_t *work, int status)
{
    struct good *good = container_of(work, struct good, work);

    if (status == 0 && !good->err.code) {
        good->written = good->writing;
        problem_clear(good->host, NOT_READ);
        problem_clear(good->host, NOT_WRITTEN);
    } else if (status == 0) {
        tell(good->host, NOT_WRITTEN, &good->err);
        if (!good->host->stopping)
            uv_timer_start(&good->timer, on_good, GOOD_AFTER_MS, 0);
    }
    good->writing = 0;
}

static void on_good(uv_timer_t *timer)
{
    struct good *good = container_of(timer, struct good, timer);
    uint64_t revision = good->host->revision;

    if (!revision || revision == good->written || good->writing || good->host->stopping)
        return;
    good->writing = revision;
    if (uv_queue_work(good->host->loop, &good->work, on_write, on_written) < 0)
        good->writing = 0;
}

void good_init(struct good *good, struct orbitald *host, struct loop_scope *scope)
{
    struct orb_err err = {0};

    *good = (struct good){.host = host};
    good->written = good_read_file(host->options.state_dir, &err);
    good_report(host, &err);
    host->good = good;
    uv_timer_init(host->loop, &good->timer);
    loop_scope_adopt(scope, (uv_handle_t *)&good->timer);
}

void good_watch(struct good *good)
{
    const struct orbitald *host = good->host;

    if (host->safe || host->stopping || !host->supervisor ||
        supervisor_phase(host->supervisor) != PHASE_OPERATIONAL)
        return;
    uv_timer_start(&good->timer, on_good, GOOD_AFTER_MS, 0);
}
