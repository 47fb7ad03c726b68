/* A file never holds half a line: what a full disk took of one is cut off again. */
#include "core/obs/logfile_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/obs/logfile.h"
#include "core/obs/logline.h"

#define ROOM_BYTES (64 * 1024) /* to call a full disk one with room again */
#define TAIL_BYTES (64u << 10)

static void drop(int *fd)
{
    if (*fd >= 0)
        close(take_fd(fd));
}

int logfile_disk_open(const char *path, struct orb_err *err)
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

void logfile_disk_use(struct logfile_disk *f, int fd)
{
    struct stat st;

    drop(&f->fd);
    f->fd = fd;
    f->bytes = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    f->limit = limit_of(fd, f->share);
    f->torn = false;
}

static void rotate(struct logfile_disk *f)
{
    for (int i = LOGFILE_OLD - 1; i >= 0; i--) {
        AUTO_FREE char *from = i ? buf_format("%s.%d", f->path, i) : xstrdup(f->path);
        AUTO_FREE char *to = buf_format("%s.%d", f->path, i + 1);

        rename(from, to);
    }
    drop(&f->fd);
}

/* Is there a file with its name, opened now if need be? */
static bool ready(struct logfile_disk *f, struct orb_err *err)
{
    struct stat st;
    uint64_t now = now_ms();
    int fd;

    if (f->fd >= 0 && fstat(f->fd, &st) == 0 && st.st_nlink > 0)
        return true;
    if (f->fd < 0 && now < f->retry_ms)
        return false; /* err is as it was */
    fd = logfile_disk_open(f->path, err);
    if (fd < 0) {
        f->retry_ms = now + LOGFILE_DISK_RETRY_MS;
        return f->fd >= 0; /* the directory was removed: keep the open file */
    }
    logfile_disk_use(f, fd);
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

static int write_lines(struct logfile_disk *f, const char *data, size_t len, size_t *ret_whole,
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

size_t logfile_disk_write(struct logfile_disk *f, const char *data, size_t len, struct orb_err *err)
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

/* Allocates space after the end and frees it. */
bool logfile_disk_takes_lines(struct logfile_disk *f)
{
    struct orb_err ignored;
    struct stat st;

    if (!ready(f, &ignored) || fstat(f->fd, &st) < 0 ||
        fallocate(f->fd, FALLOC_FL_KEEP_SIZE, st.st_size, ROOM_BYTES) < 0)
        return false;
    return ftruncate(f->fd, st.st_size) == 0;
}

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

uint64_t logfile_disk_last(const char *path, bool cut)
{
    AUTO_FD int fd = open(path, (cut ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    AUTO_FREE char *data = xcalloc(1, TAIL_BYTES);
    struct stat st;
    off_t from;
    ssize_t n;
    size_t end;
    uint64_t seq;

    if (fd < 0 && cut)
        return logfile_disk_last(path, false);
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
