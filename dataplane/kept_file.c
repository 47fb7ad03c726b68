/* See kept_file.h.
 *
 * Note: what was opened belongs to the network namespace of then. An entry that the kernel removed
 * is not found by reading (ENOENT of a setting, EIO of another file), also where a new one has its
 * name. */
#include "dataplane/kept_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static ssize_t read_whole(int fd, char *text, size_t size)
{
    size_t len = 0;
    ssize_t n = 0;

    while (len < size - 1 && (n = pread(fd, text + len, size - 1 - len, (off_t)len)) > 0)
        len += (size_t)n;
    text[n < 0 ? 0 : len] = '\0';
    return n < 0 ? -errno : (ssize_t)len;
}

ssize_t kept_file_read(struct kept_file *kept, const char *path, char *text, size_t size)
{
    ssize_t n = -ENOENT;
    int fd;

    if (kept && kept->descriptor)
        n = read_whole(kept->descriptor - 1, text, size);
    if (n >= 0)
        return n;
    if (kept)
        kept_file_close(kept);
    text[0] = '\0';
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    n = read_whole(fd, text, size);
    if (kept && n >= 0)
        kept->descriptor = fd + 1;
    else
        close(fd);
    return n;
}

void kept_file_close(struct kept_file *kept)
{
    if (kept->descriptor)
        close(kept->descriptor - 1);
    kept->descriptor = 0;
}
