/* RUN is in memory: a reboot starts from zero. One line per start, CLOCK_BOOTTIME in ms, which
 * setting the clock does not change. */
#include "core/host/starts.h"
#include "core/host/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/host/problem.h"
#include "core/host/health.h"

#define FILE_MOST 4096
#define KEPT 16

static char *path_of(const char *run_dir)
{
    return buf_format("%s/starts", run_dir);
}

/* Times of the file within the window, oldest first; at most the last KEPT. */
static unsigned read_times(const char *path, uint64_t now_ms, uint64_t times[KEPT],
                           struct orb_err *err)
{
    AUTO(buf) struct buf data = {0};
    unsigned count = 0;
    char *p, *end;

    if (file_read_regular(path, FILE_MOST, &data, err) < 0) {
        if (err->code == -ENOENT)
            *err = (struct orb_err){0};
        return 0;
    }
    for (p = data.data; p && *p; p = *end ? end + 1 : end) {
        uint64_t at = strtoull(p, &end, 10);

        if (end == p || at > now_ms || now_ms - at > STARTS_WINDOW_MS)
            continue;
        if (count == KEPT)
            memmove(times, times + 1, --count * sizeof(*times));
        times[count++] = at;
    }
    return count;
}

unsigned starts_note_at(const char *run_dir, uint64_t now_ms, struct orb_err *err)
{
    AUTO_FREE char *path = path_of(run_dir);
    AUTO_FREE char *new_path = buf_format("%s.new", path);
    AUTO(buf) struct buf text = {0};
    AUTO_FD int fd = -1;
    uint64_t times[KEPT + 1];
    unsigned count;

    *err = (struct orb_err){0};
    count = read_times(path, now_ms, times, err); /* an unreadable file is replaced and reported */
    times[count++] = now_ms;
    for (unsigned i = 0; i < count; i++)
        buf_addf(&text, "%llu\n", (unsigned long long)times[i]);
    fd = file_create(new_path, 0600);
    if (fd < 0)
        orb_fail(err, fd, "cannot create %s", new_path);
    else if (write(fd, text.data, text.len) != (ssize_t)text.len || rename(new_path, path) < 0)
        orb_fail(err, errno ? -errno : -EIO, "cannot write %s", path);
    return count;
}

void starts_forget(const char *run_dir)
{
    AUTO_FREE char *path = path_of(run_dir);

    unlink(path);
}

struct forget_job {
    uv_work_t work;
    char *run_dir;
};

static void on_forget(uv_work_t *work)
{
    starts_forget(container_of(work, struct forget_job, work)->run_dir);
}

static void on_forgotten(uv_work_t *work, int status)
{
    struct forget_job *job = container_of(work, struct forget_job, work);

    free(job->run_dir);
    free(job);
}

void starts_forget_later(const struct orbitald *host)
{
    struct forget_job *job = xcalloc(1, sizeof(*job));

    job->run_dir = xstrdup(host->options.run_dir);
    uv_queue_work(host->loop, &job->work, on_forget, on_forgotten);
}

unsigned starts_note(const char *run_dir, struct orb_err *err)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return starts_note_at(run_dir, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
                          err);
}

/* Until the next start: nothing else counts them. */
static void report_error(struct orbitald *host, const char *why)
{
    AUTO_FREE char *what = buf_format("starts are not counted: %s", why);

    log_warn(host->log, "host.starts-not-counted", KV("error", why));
    problem_set(host, "host.starts", HEALTH_DEGRADED, what, "",
                "make the run directory writable and remove the file, then restart "
                "orbitald; until then repeated failed starts lead to no safe mode");
}

void starts_decide(struct orbitald *host, unsigned count, const struct orb_err *error,
                   const char *notify_socket)
{
    if (error->code)
        report_error(host, error->text);
    host->safe = host->options.safe_mode || count >= STARTS_SAFE;
    if (!host->safe)
        return;
    problem_set(host, "host.safe-mode", HEALTH_DEGRADED,
                host->options.safe_mode
                    ? "safe mode was requested: the last good configuration and the shipped "
                      "packages run"
                    : "safe mode after repeated failed starts: the last good configuration and "
                      "the shipped packages run",
                "", "find out why (orbctl logs), mend it, then restart orbitald");
    log_error(host->log, "host.safe-mode", KV("asked", host->options.safe_mode),
              KV("starts", count), KV("within-s", STARTS_WINDOW_MS / 1000));
    notify_send(notify_socket, "STATUS=safe mode: starting\n");
}
