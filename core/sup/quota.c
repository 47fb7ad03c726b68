/* What packages of third parties hold in /state. RLIMIT_FSIZE bounds one file only, so all of it is
 * counted, on a thread, several times a second; a package over its limit is ended, and started
 * again only once it is below. The surprise: a file that was removed but is open or mapped takes
 * room, too (removed.c). */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/sup/internal.h"

#define LOOK_MS 250
#define PAUSE_TIMES 8 /* as long as a count took, before the next one */
#define DEEPEST 32
#define ENTRIES 65536u
#define INODE_BYTES 512 /* an entry costs, also an empty one */
#define DISK_PART 8     /* of the file system, whatever the limit says */

struct look {
    struct service *service; /* not touched by the thread */
    char *dir;
    pid_t pid; /* 0: no worker */
    uint64_t limit;
    /* found */
    uint64_t bytes, entries;
    bool deep;
    dev_t dev;
};

struct quota_job {
    struct supervisor *sup;
    uv_work_t work;
    uint64_t took_ms;
    unsigned count;
    struct look looks[PACKAGE_MAX];
};

/* ---- the thread ---- */

static enum walk on_entry(void *arg, int dir_fd, const char *name, const struct stat *st,
                          unsigned depth)
{
    struct look *l = arg;

    l->entries++;
    l->bytes += (uint64_t)st->st_blocks * 512 + INODE_BYTES;
    l->deep = S_ISDIR(st->st_mode) && depth >= DEEPEST;
    return l->deep || l->entries > ENTRIES ? WALK_STOP : WALK_ON;
}

static void on_count(uv_work_t *work)
{
    struct quota_job *job = container_of(work, struct quota_job, work);
    uint64_t begun = now_ms();

    for (unsigned i = 0; i < job->count; i++) {
        struct look *l = &job->looks[i];
        struct statvfs fs;
        struct stat st;

        if (stat(l->dir, &st) < 0)
            continue;
        l->dev = st.st_dev;
        if (statvfs(l->dir, &fs) == 0 && (uint64_t)fs.f_blocks * fs.f_frsize / DISK_PART < l->limit)
            l->limit = (uint64_t)fs.f_blocks * fs.f_frsize / DISK_PART;
        dir_walk(l->dir, on_entry, l);
        if (l->pid)
            l->bytes += removed_bytes(l->pid, l->dev);
    }
    job->took_ms = now_ms() - begun;
}

/* ---- the loop ---- */

static void enforce_quota(const struct look *l)
{
    struct service *service = l->service;
    char *why = service->over_state;
    bool before = *why;

    *why = '\0';
    if (l->deep)
        snprintf(why, sizeof service->over_state,
                 "its directories in /state are nested deeper than %d", DEEPEST);
    else if (l->entries > ENTRIES)
        snprintf(why, sizeof service->over_state, "it has more than %u files in /state", ENTRIES);
    else if (l->bytes > l->limit)
        snprintf(why, sizeof service->over_state,
                 "it holds %llu MiB in /state; at most %llu are allowed "
                 "(/services/%s/limits/state)",
                 (unsigned long long)(l->bytes >> 20), (unsigned long long)(l->limit >> 20),
                 service->package->manifest.name);
    if (*why && !before)
        log_error(service->sup->log, "service.state-over-limit",
                  KV("service", service->package->manifest.name), KV("why", (const char *)why));
    if (*why && service->worker && service->worker->child.pid == l->pid)
        worker_kill(service->worker, why);
}

static void on_counted(uv_work_t *work, int status)
{
    struct quota_job *job = container_of(work, struct quota_job, work);
    struct supervisor *sup = job->sup;
    uint64_t pause = job->took_ms * PAUSE_TIMES;

    for (unsigned i = 0; i < job->count; i++) {
        if (!status && !sup->stopping)
            enforce_quota(&job->looks[i]);
        free(job->looks[i].dir);
    }
    free(job);
    if (!sup->stopping && !uv_is_closing((uv_handle_t *)&sup->quota_timer))
        quota_watch(sup, pause > LOOK_MS ? pause : LOOK_MS);
    supervisor_put(sup);
}

static bool counts(const struct service *s)
{
    return !s->package->shipped && s->plan.state_dir && (s->worker || s->over_state[0]);
}

static void on_look(uv_timer_t *timer)
{
    struct supervisor *sup = container_of(timer, struct supervisor, quota_timer);
    struct quota_job *job = xcalloc(1, sizeof *job);

    job->sup = sup;
    for (unsigned i = 0; i < sup->count; i++) {
        struct service *s = sup->services[i];

        if (counts(s))
            job->looks[job->count++] = (struct look){.service = s,
                                                     .dir = xstrdup(s->plan.state_dir),
                                                     .pid = s->worker ? s->worker->child.pid : 0,
                                                     .limit = s->limits.state_bytes};
    }
    sup->quota_runs = job->count > 0;
    if (!job->count || uv_queue_work(sup->setup.loop, &job->work, on_count, on_counted) < 0) {
        for (unsigned i = 0; i < job->count; i++)
            free(job->looks[i].dir);
        sup->quota_runs = false;
        free(job);
        return;
    }
    sup->open_scopes++; /* the services must live until it is back */
}

void quota_watch(struct supervisor *sup, uint64_t wait_ms)
{
    sup->quota_runs = true;
    uv_timer_start(&sup->quota_timer, on_look, wait_ms, 0);
}

int quota_check(struct service *service, struct orb_err *err)
{
    if (service->package->shipped || !service->plan.state_dir)
        return 0;
    if (!service->sup->quota_runs)
        quota_watch(service->sup, LOOK_MS);
    return service->over_state[0] ? orb_fail(err, ORB_E_LIMIT, "%s", service->over_state) : 0;
}
