/* Walking through a directory that a service may have filled: a link is an entry, never a way. */
#include "core/sandbox/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without a trace: the directories' owner must not see where the walk has been. */
#define WAY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* false: visit stopped it. */
static bool walk(int dir_fd, const char *name, unsigned depth, walk_fn *visit, void *arg)
{
    int fd = openat(dir_fd, name, WAY | O_NOATIME);
    enum walk next = WALK_ON;
    struct dirent *entry;
    struct stat st;
    DIR *dir;

    if (fd < 0 && errno == EPERM)
        fd = openat(dir_fd, name, WAY);
    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir && fd >= 0)
        close(fd);
    while (dir && next != WALK_STOP && (entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        next = visit(arg, dirfd(dir), entry->d_name, &st, depth);
        if (next == WALK_ON && S_ISDIR(st.st_mode) &&
            !walk(dirfd(dir), entry->d_name, depth + 1, visit, arg))
            next = WALK_STOP;
    }
    if (dir)
        closedir(dir);
    return next != WALK_STOP;
}

void walk_dir(const char *dir, walk_fn *visit, void *arg)
{
    walk(AT_FDCWD, dir, 0, visit, arg);
}
