/* See quota.h. RLIMIT_FSIZE bounds one file only, so all are counted, on a thread, several times a
 * second. Note: a file that was removed but is open or mapped uses space, too (removed.c), and a
 * file moved during a count from an uncounted to a counted directory is missed. So for some counts
 * the worker is stopped (SIGSTOP). */
#include "core/sup/quota.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/sup/removed.h"
#include "core/sup/supervisor_internal.h"
#include "core/sandbox/walk.h"

#define LOOK_MS 250
#define STILL_EVERY 8 /* counts */
#define STILL_MS 100  /* threads in a system call stop after it */
#define PAUSE_TIMES 8 /* as long as a count took, before the next one */
#define DEEPEST 32
#define ENTRIES 65536u
#define INODE_BYTES 512 /* an entry costs, also an empty one */
#define DISK_PART 8     /* of the file system, whatever the limit */

struct look {
    struct service *service; /* not touched by the thread */
    char *dir;
    pid_t pid; /* 0: no worker */
    int pidfd; /* -1: it runs while being counted */
    uint64_t limit;
    /* found */
    uint64_t bytes, entries;
    bool deep;
    dev_t dev;
};

struct quota_job {
    struct quota *quota;
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

static void count(struct look *l)
{
    struct statvfs fs;
    struct stat st;

    if (stat(l->dir, &st) < 0)
        return;
    l->dev = st.st_dev;
    if (statvfs(l->dir, &fs) == 0 && (uint64_t)fs.f_blocks * fs.f_frsize / DISK_PART < l->limit)
        l->limit = (uint64_t)fs.f_blocks * fs.f_frsize / DISK_PART;
    walk_dir(l->dir, on_entry, l);
    if (l->pid)
        l->bytes += removed_bytes(l->pid, l->dev);
}

/* Whether a thread of it still runs. */
static bool moves(pid_t pid)
{
    AUTO_FREE char *path = buf_format("/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    const struct dirent *entry;
    bool any = false;

    while (tasks && !any && (entry = readdir(tasks))) {
        AUTO_FREE char *file = buf_format("%s/%s/stat", path, entry->d_name);
        AUTO(buf) struct buf stat = {0};
        const char *end;

        if (entry->d_name[0] == '.' || file_read(file, 4096, &stat, NULL) < 0)
            continue;
        end = strrchr(buf_str(&stat), ')');
        any = end && !strchr("TXZ", end[2]);
    }
    if (tasks)
        closedir(tasks);
    return any;
}

/* A stopped worker cannot continue by itself: none of its threads runs, and it has no timer that
 * sends SIGCONT. */
static void count_still(struct look *l)
{
    const struct timespec a_moment = {.tv_nsec = 500000};
    uint64_t until = now_ms() + STILL_MS;

    if (syscall(SYS_pidfd_send_signal, l->pidfd, SIGSTOP, NULL, 0) == 0)
        while (moves(l->pid) && now_ms() < until)
            nanosleep(&a_moment, NULL);
    count(l);
    syscall(SYS_pidfd_send_signal, l->pidfd, SIGCONT, NULL, 0);
    close(l->pidfd);
}

static void on_count(uv_work_t *work)
{
    struct quota_job *job = container_of(work, struct quota_job, work);
    uint64_t begun = now_ms();

    for (unsigned i = 0; i < job->count; i++) {
        struct look *l = &job->looks[i];

        if (l->pidfd < 0)
            count(l);
        else
            count_still(l);
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
        snprintf(why, sizeof(service->over_state),
                 "its directories in /state are nested deeper than %d", DEEPEST);
    else if (l->entries > ENTRIES)
        snprintf(why, sizeof(service->over_state), "it has more than %u files in /state", ENTRIES);
    else if (l->bytes > l->limit)
        snprintf(why, sizeof(service->over_state),
                 "it holds %llu MiB in /state; at most %llu are allowed "
                 "(/services/%s/limits/state)",
                 (unsigned long long)(l->bytes >> 20), (unsigned long long)(l->limit >> 20),
                 service->package->manifest.name);
    if (*why && !before)
        log_error(service->sup->host.log, "service.state-over-limit",
                  KV("service", service->package->manifest.name), KV("why", (const char *)why));
    if (*why && l->pid && service->pid == l->pid)
        service_event(service, EVENT_FAULT, why);
}

static void watch(struct quota *quota, uint64_t wait_ms);

static void on_counted(uv_work_t *work, int status)
{
    struct quota_job *job = container_of(work, struct quota_job, work);
    struct quota *quota = job->quota;
    uint64_t pause = job->took_ms * PAUSE_TIMES;
    bool stopping = quota->stopped || quota->sup->stopping;

    for (unsigned i = 0; i < job->count; i++) {
        if (!status && !stopping)
            enforce_quota(&job->looks[i]);
        free(job->looks[i].dir);
    }
    free(job);
    if (!stopping)
        watch(quota, pause > LOOK_MS ? pause : LOOK_MS);
    quota->put(quota->arg);
}

static bool counts(const struct service *s)
{
    return !s->package->shipped && s->spec.plan.state_dir && (s->worker || s->over_state[0]);
}

/* The process was not waited for yet: its number is its own. */
static int open_pid(pid_t pid)
{
    return pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

static void on_look(uv_timer_t *timer)
{
    struct quota *quota = container_of(timer, struct quota, timer);
    struct quota_job *job = xcalloc(1, sizeof(*job));
    bool still = quota->counts++ % STILL_EVERY == STILL_EVERY - 1;

    job->quota = quota;
    for (unsigned i = 0; i < quota->sup->count; i++) {
        struct service *s = quota->sup->services[i];

        if (counts(s))
            job->looks[job->count++] = (struct look){.service = s,
                                                     .dir = xstrdup(s->spec.plan.state_dir),
                                                     .pid = s->pid,
                                                     .pidfd = still ? open_pid(s->pid) : -1,
                                                     .limit = s->spec.limits.state_bytes};
    }
    quota->runs = job->count > 0;
    if (!job->count || uv_queue_work(quota->loop, &job->work, on_count, on_counted) < 0) {
        for (unsigned i = 0; i < job->count; i++) {
            free(job->looks[i].dir);
            own_close(&job->looks[i].pidfd);
        }
        quota->runs = false;
        free(job);
        return;
    }
    quota->hold(quota->arg); /* the services must live until it is back */
}

static void watch(struct quota *quota, uint64_t wait_ms)
{
    quota->runs = true;
    uv_timer_start(&quota->timer, on_look, wait_ms, 0);
}

void quota_init(struct quota *quota, uv_loop_t *loop, struct loop_scope *scope,
                void (*hold)(void *arg), void (*put)(void *arg), void *arg)
{
    *quota = (struct quota){.loop = loop, .hold = hold, .put = put, .arg = arg};
    uv_timer_init(loop, &quota->timer);
    loop_scope_adopt(scope, (uv_handle_t *)&quota->timer);
    uv_unref((uv_handle_t *)&quota->timer);
}

void quota_stop(struct quota *quota)
{
    quota->stopped = true;
}

int quota_check(struct quota *quota, const struct service *service, struct orb_err *err)
{
    if (service->package->shipped || !service->spec.plan.state_dir)
        return 0;
    if (!quota->runs)
        watch(quota, LOOK_MS);
    return service->over_state[0] ? orb_fail(err, ORB_E_LIMIT, "%s", service->over_state) : 0;
}
