#include "core/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "orbital/error.h"

static int read_all(int fd, const char *path, size_t limit, struct buf *ret_data,
                    struct orb_err *err)
{
    AUTO(buf) struct buf b = {0};

    for (;;) {
        ssize_t n = read(fd, buf_reserve(&b, 65536), 65536);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return orb_fail(err, -errno, "cannot read %s", path);
        b.len += (size_t)n;
        b.data[b.len] = '\0'; /* of an empty file, too */
        if (n == 0)
            break;
        if (b.len > limit)
            return orb_fail(err, ORB_E_LIMIT, "%s is larger than %zu bytes", path, limit);
    }
    buf_fini(ret_data);
    *ret_data = b;
    b = (struct buf){0};
    return 0;
}

int file_read(const char *path, size_t limit, struct buf *ret_data, struct orb_err *err)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return orb_fail(err, -errno, "cannot read %s", path);
    return read_all(fd, path, limit, ret_data, err);
}

/* A symbolic link without a target gives ENOENT although the name is listed in the directory: name
 * the cause. */
static int cannot_read(const char *path, struct orb_err *err)
{
    int r = -errno;
    char target[PATH_MAX];
    ssize_t n = r == -ENOENT ? readlink(path, target, sizeof(target) - 1) : -1;

    if (n < 0)
        return orb_fail(err, r, "cannot read %s", path);
    target[n] = '\0';
    return orb_fail(err, r,
                    "cannot read %s, a symbolic link to %s, which does not exist for this process",
                    path, target);
}

int file_open_regular(const char *path, size_t limit, size_t *ret_size, struct orb_err *err)
{
    /* Not blocking: opening a FIFO without a writer would wait for ever. */
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0)
        return cannot_read(path, err);
    if (fstat(fd, &st) < 0)
        return orb_fail(err, -errno, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return orb_fail(err, ORB_E_INVALID, "%s is no regular file", path);
    if ((uint64_t)st.st_size > limit)
        return orb_fail(err, ORB_E_LIMIT, "%s is larger than %zu bytes", path, limit);
    if (ret_size)
        *ret_size = (size_t)st.st_size;
    return take_fd(&fd);
}

int file_read_regular(const char *path, size_t limit, struct buf *ret_data, struct orb_err *err)
{
    AUTO_FD int fd = file_open_regular(path, limit, NULL, err);

    return fd < 0 ? fd : read_all(fd, path, limit, ret_data, err);
}

static int write_all(int fd, const char *p, size_t len)
{
    while (len) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int file_create(const char *path, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0 && errno == EEXIST) {
        if (unlink(path) < 0 && errno != ENOENT)
            return -errno;
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    }
    return fd < 0 ? -errno : fd;
}

int file_replace(const char *path, const void *data, size_t len, unsigned mode, struct orb_err *err)
{
    AUTO_FREE char *tmp = buf_format("%s.new", path);
    AUTO_FREE char *dir = xstrdup(path);
    AUTO_FD int fd = -1;
    AUTO_FD int dir_fd = -1;
    char *slash = strrchr(dir, '/');
    int r;

    fd = file_create(tmp, mode);
    if (fd < 0)
        return orb_fail(err, fd, "cannot create %s", tmp);
    r = write_all(fd, data, len);
    if (r == 0 && fdatasync(fd) < 0)
        r = -errno;
    if (r == 0 && rename(tmp, path) < 0)
        r = -errno;
    if (r < 0) {
        unlink(tmp);
        return orb_fail(err, r, "cannot write %s", path);
    }
    if (slash)
        *slash = '\0';
    dir_fd = open(slash ? (dir[0] ? dir : "/") : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || fsync(dir_fd) < 0)
        return orb_fail(err, -errno, "cannot make %s durable", path);
    return 0;
}

int file_make_dir(const char *path, unsigned mode, struct orb_err *err)
{
    AUTO_FREE char *copy = xstrdup(path);

    for (char *p = copy + 1; *copy; p++) {
        char c = *p;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            return orb_fail(err, -errno, "cannot create directory %s", copy);
        *p = c;
        if (!c)
            break;
    }
    return 0;
}
