/* A minute by the monotonic clock, so that a clock that is set makes nothing good. Written on a
 * thread: it is a file on a disk. */
#include "core/host/good.h"

#include <string.h>

#include "core/base/own.h"

#define FILE_MOST 64

static char *path_of(const char *state_dir)
{
    return xasprintf("%s/good-revision", state_dir);
}

uint64_t good_read(const char *state_dir)
{
    AUTO_FREE char *path = path_of(state_dir);
    AUTO(buf) struct buf text = {0};
    unsigned long long n;
    char *end;

    if (file_read_regular(path, FILE_MOST, &text, NULL) < 0)
        return 0;
    n = strtoull(buf_str(&text), &end, 10);
    return !strcmp(end, "\n") && n < INT64_MAX ? n : 0;
}

static void on_write(uv_work_t *work)
{
    struct good *good = container_of(work, struct good, work);
    AUTO_FREE char *path = path_of(good->host->options.state_dir);
    AUTO_FREE char *text = xasprintf("%llu\n", (unsigned long long)good->writing);

    good->err = (struct orb_err){0};
    file_replace(path, text, strlen(text), 0600, &good->err);
}

static void on_written(uv_work_t *work, int status)
{
    struct good *good = container_of(work, struct good, work);

    if (status == 0 && !good->err.code)
        good->written = good->writing;
    else if (status == 0)
        log_warn(good->host->log, "host.good-not-written", KV("error", good->err.text));
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
    *good = (struct good){.host = host, .written = good_read(host->options.state_dir)};
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
