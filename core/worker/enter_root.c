/* The file system of a worker: a read-only, noexec tmpfs (core/sandbox/root.c) with /pkg, and
 * /state when granted; then Landlock over the same two, as a second layer. There is no /proc, no
 * /dev and no system library: loaded libraries are matched by SONAME in memory. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/worker/enter.h"

#ifndef MOUNT_ATTR_RDONLY
#error "the kernel headers lack mount_setattr (5.12)"
#endif

/* Detached copy of one host directory with extra mount flags. Private: what the host mounts below
 * the original later must not show up here. */
static int clone_dir(const char *path, uint64_t attributes)
{
    struct mount_attr attr = {.attr_set = attributes, .propagation = MS_PRIVATE};
    int fd = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    int r;

    if (fd < 0)
        return -errno;
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

/* A mount that is read-only because its file system is follows the file system: when that is
 * writable again the service can write without a restart. One that was made read-only itself stays
 * so. */
static int follow_file_system(int fd)
{
    struct mount_attr clear = {.attr_clr = MOUNT_ATTR_RDONLY},
                      set = {.attr_set = MOUNT_ATTR_RDONLY};
    struct statvfs st;

    if (fstatvfs(fd, &st) < 0)
        return -errno;
    if (!(st.f_flag & ST_RDONLY))
        return 0;
    if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &clear, sizeof(clear)) < 0 ||
        fstatvfs(fd, &st) < 0)
        return -errno;
    if (!(st.f_flag & ST_RDONLY) &&
        syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &set, sizeof(set)) < 0)
        return -errno;
    return 0;
}

static int attach(int fd, const char *path)
{
    return syscall(SYS_move_mount, fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno
                                                                                        : 0;
}

int enter_root(struct enter *e)
{
    AUTO_FD int package = -1, state = -1;
    int r;

    snprintf(e->detail, sizeof(e->detail), "%.95s", e->launch.package_dir);
    package =
        clone_dir(e->launch.package_dir, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (package < 0)
        return package;
    if (e->launch.state_dir[0]) {
        snprintf(e->detail, sizeof(e->detail), "%.95s", e->launch.state_dir);
        state = clone_dir(e->launch.state_dir,
                          MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        r = state < 0 ? state : follow_file_system(state);
        if (r < 0)
            return r;
    }
    e->detail[0] = '\0';
    /* Into the namespace the host prepared, which makes its root this process's, and then into a
     * copy of it. */
    if (setns(LAUNCH_FD_ROOT, CLONE_NEWNS) < 0 || unshare(CLONE_NEWNS) < 0)
        return -errno;
    close(LAUNCH_FD_ROOT);
    r = attach(package, "/pkg");
    if (!r && state >= 0)
        r = attach(state, "/state");
    return r;
}

/* The build machine's headers may be older than the running kernel: the later rights by number. */
struct ruleset {
    uint64_t fs, net, scoped;
};
#define FS_VERSION_1 ((1ull << 13) - 1)
#define FS_REFER (1ull << 13)     /* version 2 */
#define FS_TRUNCATE (1ull << 14)  /* 3 */
#define FS_IOCTL_DEV (1ull << 15) /* 5 */
#define NET_BIND_CONNECT_TCP 3ull /* 4 */
#define SCOPE_UNIX_SIGNAL 3ull    /* 6: abstract sockets and signals stay inside */

static int allow(int ruleset, const char *path, uint64_t rights)
{
    AUTO_FD int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = dir};

    if (dir < 0 ||
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
        return -errno;
    return 0;
}

int enter_root_landlock(struct enter *e)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset set = {.fs = FS_VERSION_1};
    uint64_t read_rights = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    uint64_t state_rights = read_rights | LANDLOCK_ACCESS_FS_WRITE_FILE |
                            LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                            LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR;
    size_t size = version >= 6 ? sizeof(set) : version >= 4 ? 16 : 8;
    AUTO_FD int fd = -1;
    int r;

    if (version < 1)
        return -ENOSYS;
    set.fs |= (version >= 2 ? FS_REFER : 0) | (version >= 3 ? FS_TRUNCATE : 0) |
              (version >= 5 ? FS_IOCTL_DEV : 0);
    state_rights |= set.fs & (FS_REFER | FS_TRUNCATE);
    set.net = version >= 4 ? NET_BIND_CONNECT_TCP : 0;
    set.scoped = version >= 6 ? SCOPE_UNIX_SIGNAL : 0;
    fd = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    if (fd < 0)
        return -errno;
    r = allow(fd, e->launch.tier >= 2 ? "/pkg" : e->launch.package_dir, read_rights);
    if (!r && e->launch.state_dir[0])
        r = allow(fd, e->launch.tier >= 2 ? "/state" : e->launch.state_dir, state_rights);
    if (!r && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
        r = -errno;
    return r;
}
