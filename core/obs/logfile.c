/* The loop adds lines to a buffer, the thread takes the whole buffer and writes it
 * (logfile_disk.c). */
#include "core/obs/logfile.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/obs/logfile_disk.h"

#define CLOSE_MS 2000

struct logfile {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t added, finished; /* CLOCK_MONOTONIC */
    struct buf waiting;
    uint64_t lines_added, lines_finished;
    bool stop, stopped;
    int fresh_fd; /* opened by logfile_reopen, -1: none */
    struct logfile_state state;
    struct logfile_disk disk; /* the thread's own */
};

static void drop(int *fd)
{
    if (*fd >= 0)
        close(take_fd(fd));
}

static uint64_t count_lines(const char *data, size_t len)
{
    uint64_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += data[i] == '\n';
    return n;
}

/* ---- the thread: what waits ---- */

static void note(struct logfile *f, const struct orb_err *err, uint64_t lines, uint64_t lost)
{
    bool failing = lost > 0;

    if (f->state.failing != failing)
        f->state.changes++;
    f->state.failing = failing;
    f->state.lost += lost;
    if (failing)
        snprintf(f->state.why, sizeof(f->state.why), "%s", err->text);
    f->lines_finished += lines;
    pthread_cond_broadcast(&f->finished);
}

/* Waits for something to do; false: for LOGFILE_DISK_RETRY_MS there was nothing, and the last try
 * had failed. */
static bool wait_for_lines(struct logfile *f)
{
    struct timespec until;

    if (!f->state.failing) {
        pthread_cond_wait(&f->added, &f->lock);
        return true;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOGFILE_DISK_RETRY_MS / 1000;
    return pthread_cond_timedwait(&f->added, &f->lock, &until) == 0;
}

static void try_again(struct logfile *f)
{
    bool takes;

    pthread_mutex_unlock(&f->lock);
    takes = logfile_disk_takes_lines(&f->disk);
    pthread_mutex_lock(&f->lock);
    if (!takes)
        return;
    f->state.failing = false;
    f->state.changes++;
}

static void *run(void *arg)
{
    struct logfile *f = arg;
    struct orb_err err = {0};

    snprintf(err.text, sizeof(err.text), "%s", f->state.why);
    pthread_mutex_lock(&f->lock);
    while (!f->stop || f->waiting.len) {
        struct buf batch = f->waiting;
        uint64_t lines = 0;
        size_t done;
        int fresh = take_fd(&f->fresh_fd);

        if (!batch.len && fresh < 0) {
            if (!wait_for_lines(f) && !f->stop)
                try_again(f);
            continue;
        }
        f->waiting = (struct buf){0};
        pthread_mutex_unlock(&f->lock);
        if (fresh >= 0)
            logfile_disk_use(&f->disk, fresh);
        done = logfile_disk_write(&f->disk, buf_str(&batch), batch.len, &err);
        lines = count_lines(buf_str(&batch), batch.len);
        pthread_mutex_lock(&f->lock);
        if (batch.len)
            note(f, &err, lines, count_lines(batch.data + done, batch.len - done));
        buf_fini(&batch);
    }
    f->stopped = true;
    pthread_cond_broadcast(&f->finished);
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

/* ---- start and end ---- */

static void start_thread(struct logfile *f)
{
    pthread_condattr_t monotonic;
    sigset_t all, before;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->added, &monotonic);
    pthread_cond_init(&f->finished, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    f->stopped = pthread_create(&f->thread, NULL, run, f) != 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct logfile *logfile_start(const char *path, unsigned share, uint64_t *ret_last,
                              struct orb_err *err)
{
    struct logfile *f = xcalloc(1, sizeof(*f));
    AUTO_FREE char *elder = buf_format("%s.1", path);
    uint64_t last = logfile_disk_last(path, true), before = logfile_disk_last(elder, false);
    struct orb_err why = {0};
    int fd = logfile_disk_open(path, &why);

    *ret_last = last > before ? last : before;
    f->disk = (struct logfile_disk){.path = xstrdup(path), .share = share, .fd = -1};
    f->fresh_fd = -1;
    if (fd >= 0) {
        logfile_disk_use(&f->disk, fd);
    } else {
        *err = why;
        f->state.failing = true;
        snprintf(f->state.why, sizeof(f->state.why), "%s", why.text);
    }
    start_thread(f);
    return f;
}

static struct timespec deadline_in(unsigned wait_ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += wait_ms / 1000;
    t.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

void logfile_close(struct logfile *f)
{
    struct timespec until = deadline_in(CLOSE_MS);
    bool never_ran, stopped;

    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    never_ran = f->stopped;
    f->stop = true;
    pthread_cond_signal(&f->added);
    while (!f->stopped && pthread_cond_timedwait(&f->finished, &f->lock, &until) == 0)
        ;
    stopped = f->stopped;
    pthread_mutex_unlock(&f->lock);
    if (!stopped) { /* it hangs in the kernel: what it uses must stay */
        pthread_detach(f->thread);
        return;
    }
    if (!never_ran)
        pthread_join(f->thread, NULL);
    pthread_cond_destroy(&f->added);
    pthread_cond_destroy(&f->finished);
    pthread_mutex_destroy(&f->lock);
    drop(&f->disk.fd);
    drop(&f->fresh_fd);
    buf_fini(&f->waiting);
    free(f->disk.path);
    free(f);
}

int logfile_reopen(struct logfile *f, struct orb_err *err)
{
    int fd = logfile_disk_open(f->disk.path, err);

    if (fd < 0)
        return fd;
    pthread_mutex_lock(&f->lock);
    drop(&f->fresh_fd);
    f->fresh_fd = fd;
    pthread_cond_signal(&f->added);
    pthread_mutex_unlock(&f->lock);
    return 0;
}

unsigned logfile_add(struct logfile *f, const char *line, size_t len)
{
    unsigned changes;

    pthread_mutex_lock(&f->lock);
    f->lines_added++;
    if (f->stopped || f->waiting.len + len + 1 > LOGFILE_WAITING) {
        struct orb_err err = {.text = "the disk does not take records as fast as they come"};

        note(f, &err, 1, 1);
    } else {
        buf_add(&f->waiting, line, len);
        buf_addc(&f->waiting, '\n');
        pthread_cond_signal(&f->added);
    }
    changes = f->state.changes;
    pthread_mutex_unlock(&f->lock);
    return changes;
}

void logfile_state(struct logfile *f, struct logfile_state *ret_state)
{
    pthread_mutex_lock(&f->lock);
    *ret_state = f->state;
    pthread_mutex_unlock(&f->lock);
}

bool logfile_settle(struct logfile *f, unsigned wait_ms)
{
    struct timespec until = deadline_in(wait_ms);
    uint64_t wanted;
    bool settled;

    pthread_mutex_lock(&f->lock);
    wanted = f->lines_added;
    while (f->lines_finished < wanted &&
           pthread_cond_timedwait(&f->finished, &f->lock, &until) == 0)
        ;
    settled = f->lines_finished >= wanted;
    pthread_mutex_unlock(&f->lock);
    return settled;
}
