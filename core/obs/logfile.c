/* The loop adds lines to a buffer, the thread takes the whole buffer and writes it. A file never
 * holds half a line: what a full disk took of one is cut off again. */
#include "core/obs/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/obs/logline.h"

#define RETRY_MS 1000 /* between tries to open or to write a file that cannot be */
#define CLOSE_MS 2000
#define ROOM_BYTES (64 * 1024) /* to call a full disk one with room again */
#define TAIL_BYTES (64u << 10)

struct logfile {
    char *path;
    unsigned share;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t added, finished; /* CLOCK_MONOTONIC */
    struct buf waiting;
    uint64_t lines_added, lines_finished;
    bool stop, stopped;
    int fresh_fd; /* opened by logfile_reopen, -1: none */
    struct logfile_state state;
    /* the thread's own */
    int fd;
    uint64_t bytes, limit;
    bool torn; /* the file ends in half a line that could not be cut off */
    uint64_t retry_ms;
};

static void drop(int *fd)
{
    if (*fd >= 0)
        close(take_fd(fd));
}

/* ---- the thread: one open file ---- */

static int open_regular(const char *path, struct orb_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0640);
    struct stat st;

    if (fd < 0)
        return orb_fail(err, -errno, "cannot open %s", path);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    close(fd);
    return orb_fail(err, ORB_E_INVALID, "%s is no regular file", path);
}

/* How large this file may become: its share of what all of them may hold. */
static uint64_t limit_of(int fd, unsigned parts)
{
    struct statvfs fs;
    uint64_t all = LOGFILE_BUDGET, share;

    if (fstatvfs(fd, &fs) == 0 && (uint64_t)fs.f_blocks * fs.f_frsize / 10 < all)
        all = (uint64_t)fs.f_blocks * fs.f_frsize / 10;
    share = all / parts / (LOGFILE_OLD + 1);
    return share < LOGFILE_LEAST ? LOGFILE_LEAST : share;
}

static void use(struct logfile *f, int fd)
{
    struct stat st;

    drop(&f->fd);
    f->fd = fd;
    f->bytes = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    f->limit = limit_of(fd, f->share);
    f->torn = false;
}

static void rotate(struct logfile *f)
{
    for (int i = LOGFILE_OLD - 1; i >= 0; i--) {
        AUTO_FREE char *from = i ? buf_format("%s.%d", f->path, i) : xstrdup(f->path);
        AUTO_FREE char *to = buf_format("%s.%d", f->path, i + 1);

        rename(from, to);
    }
    drop(&f->fd);
}

/* Is there a file with its name, opened now if need be? */
static bool ready(struct logfile *f, struct orb_err *err)
{
    struct stat st;
    uint64_t now = now_ms();
    int fd;

    if (f->fd >= 0 && fstat(f->fd, &st) == 0 && st.st_nlink > 0)
        return true;
    if (f->fd < 0 && now < f->retry_ms)
        return false; /* err is as it was */
    fd = open_regular(f->path, err);
    if (fd < 0) {
        f->retry_ms = now + RETRY_MS;
        return f->fd >= 0; /* the directory was removed: keep the open file */
    }
    use(f, fd);
    return true;
}

/* How many of the bytes are whole lines that fit into room; the first line always fits. */
static size_t whole_lines(const char *data, size_t len, uint64_t room)
{
    size_t n = len <= room ? len : (size_t)room;

    while (n && data[n - 1] != '\n')
        n--;
    return n;
}

static int write_lines(struct logfile *f, const char *data, size_t len, size_t *ret_whole,
                       struct orb_err *err)
{
    size_t done = 0, whole;
    struct stat st;
    ssize_t n = 0;
    int why;

    if (f->torn && write(f->fd, "\n", 1) == 1)
        f->torn = false;
    while (!f->torn && done < len) {
        n = write(f->fd, data + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    f->bytes += done;
    *ret_whole = done;
    if (done == len)
        return 0;
    why = n < 0 || f->torn ? errno : ENOSPC;
    whole = whole_lines(data, done, done);
    if (whole < done &&
        (fstat(f->fd, &st) < 0 || ftruncate(f->fd, st.st_size - (off_t)(done - whole)) < 0))
        f->torn = true;
    else
        f->bytes -= done - whole;
    *ret_whole = whole;
    return orb_fail(err, -why, "cannot write %s", f->path);
}

/* Writes whole lines, to several files if needed. Returns the number of bytes written. */
static size_t write_all(struct logfile *f, const char *data, size_t len, struct orb_err *err)
{
    size_t at = 0, n, whole;

    while (at < len) {
        if (!ready(f, err))
            return at;
        n = whole_lines(data + at, len - at, f->bytes < f->limit ? f->limit - f->bytes : 0);
        if (!n && f->bytes) {
            uint64_t before = f->bytes;

            rotate(f);
            if (!ready(f, err))
                return at;
            if (f->bytes < before)
                continue;
            orb_fail(err, ORB_E_IO, "cannot rename %s, and it is full", f->path);
            return at;
        }
        if (!n)
            n = (size_t)((const char *)memchr(data + at, '\n', len - at) - data) + 1 - at;
        if (write_lines(f, data + at, n, &whole, err) < 0)
            return at + whole;
        at += n;
    }
    return at;
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

/* Waits for something to do; false: for RETRY_MS there was nothing, and the last try had failed. */
static bool wait_for_lines(struct logfile *f)
{
    struct timespec until;

    if (!f->state.failing) {
        pthread_cond_wait(&f->added, &f->lock);
        return true;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += RETRY_MS / 1000;
    return pthread_cond_timedwait(&f->added, &f->lock, &until) == 0;
}

/* Whether a line could be written now. Records of the audit are rare: recovery should show before
 * the next one. Allocates space after the end and frees it; the file is unchanged. */
static bool takes_lines(struct logfile *f)
{
    struct orb_err ignored;
    struct stat st;

    if (!ready(f, &ignored) || fstat(f->fd, &st) < 0 ||
        fallocate(f->fd, FALLOC_FL_KEEP_SIZE, st.st_size, ROOM_BYTES) < 0)
        return false;
    return ftruncate(f->fd, st.st_size) == 0;
}

static void try_again(struct logfile *f)
{
    bool takes;

    pthread_mutex_unlock(&f->lock);
    takes = takes_lines(f);
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
            use(f, fresh);
        done = write_all(f, buf_str(&batch), batch.len, &err);
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

/* Sequence number of the last record in the bytes; *ret_end: after the last whole line. */
static uint64_t last_in(const char *data, size_t len, size_t *ret_end)
{
    size_t end = len;

    while (end && data[end - 1] != '\n')
        end--;
    *ret_end = end;
    while (end) {
        size_t start = end - 1;
        struct logline line;

        while (start && data[start - 1] != '\n')
            start--;
        if (logline_read(data + start, end - 1 - start, &line))
            return line.seq;
        end = start;
    }
    return 0;
}

/* Looks at the end of a file; cut: takes half a line away from it. */
static uint64_t last_of(const char *path, bool cut)
{
    AUTO_FD int fd = open(path, (cut ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    AUTO_FREE char *data = xcalloc(1, TAIL_BYTES);
    struct stat st;
    off_t from;
    ssize_t n;
    size_t end;
    uint64_t seq;

    if (fd < 0 && cut)
        return last_of(path, false);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    from = st.st_size > (off_t)TAIL_BYTES ? st.st_size - (off_t)TAIL_BYTES : 0;
    n = pread(fd, data, TAIL_BYTES, from);
    if (n <= 0)
        return 0;
    seq = last_in(data, (size_t)n, &end);
    if (cut && end < (size_t)n && (end || !from))
        (void)!ftruncate(fd, from + (off_t)end);
    return seq;
}

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
    uint64_t last = last_of(path, true), before = last_of(elder, false);
    struct orb_err why = {0};
    int fd = open_regular(path, &why);

    *ret_last = last > before ? last : before;
    f->path = xstrdup(path);
    f->share = share;
    f->fd = f->fresh_fd = -1;
    if (fd >= 0) {
        use(f, fd);
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
    drop(&f->fd);
    drop(&f->fresh_fd);
    buf_fini(&f->waiting);
    free(f->path);
    free(f);
}

int logfile_reopen(struct logfile *f, struct orb_err *err)
{
    int fd = open_regular(f->path, err);

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
