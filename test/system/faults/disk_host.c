/* Preloaded into orbitald itself by test_notes.py: file calls on one path fail. The file that
 * ORBT_DISK_FAULT names holds "PATTERN ERRNO HOW": HOW is r (reading), w (writing and renaming), or
 * rw; calls on paths that end in PATTERN fail with ERRNO. Without the file nothing fails. It is
 * read anew at each call, so a test can break and mend the disk under the running daemon. */
#undef _FILE_OFFSET_BITS /* else open is another name for open64 here */
#undef _FORTIFY_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static bool ends_in(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);

    return n >= m && !strcmp(path + n - m, end);
}

/* Does a call on this path fail now? errno is set then. */
static bool fails(const char *path, char how)
{
    const char *file = getenv("ORBT_DISK_FAULT");
    char text[256] = "", pattern[200], hows[8];
    int number, fd, kept = errno;
    ssize_t n;

    fd = file ? (int)syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC) : -1;
    n = fd < 0 ? -1 : syscall(SYS_read, fd, text, sizeof(text) - 1);
    if (fd >= 0)
        syscall(SYS_close, fd);
    errno = kept;
    if (n <= 0 || sscanf(text, "%199s %d %7s", pattern, &number, hows) != 3 || !strchr(hows, how) ||
        !ends_in(path, pattern))
        return false;
    errno = number;
    return true;
}

static bool fails_fd(int fd, char how)
{
    char link[40], path[4096];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n < 0)
        return false;
    path[n] = 0;
    return fails(path, how);
}

static int open_any(const char *path, int flags, unsigned mode)
{
    bool writes = (flags & O_ACCMODE) != O_RDONLY;

    if (fails(path, writes ? 'w' : 'r'))
        return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* glibc has two names for one call, and programs built for large files use the second. */
int open(const char *path, int flags, ...);
int open64(const char *path, int flags, ...);
int rename(const char *from, const char *to);
ssize_t write(int fd, const void *data, size_t len);
ssize_t read(int fd, void *data, size_t len);
int __open64_2(const char *path, int flags);
int __open_2(const char *path, int flags);

EXPORT int open(const char *path, int flags, ...)
{
    va_list more;
    unsigned mode = 0;

    va_start(more, flags);
    if (flags & (O_CREAT | O_TMPFILE))
        mode = va_arg(more, unsigned);
    va_end(more);
    return open_any(path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
    va_list more;
    unsigned mode = 0;

    va_start(more, flags);
    if (flags & (O_CREAT | O_TMPFILE))
        mode = va_arg(more, unsigned);
    va_end(more);
    return open_any(path, flags, mode);
}

EXPORT int __open64_2(const char *path, int flags)
{
    return open_any(path, flags, 0);
}

EXPORT int __open_2(const char *path, int flags)
{
    return open_any(path, flags, 0);
}

EXPORT int rename(const char *from, const char *to)
{
    return fails(to, 'w') ? -1 : (int)syscall(SYS_rename, from, to);
}

EXPORT ssize_t write(int fd, const void *data, size_t len)
{
    return fails_fd(fd, 'w') ? -1 : syscall(SYS_write, fd, data, len);
}

EXPORT ssize_t read(int fd, void *data, size_t len)
{
    return fails_fd(fd, 'r') ? -1 : syscall(SYS_read, fd, data, len);
}
