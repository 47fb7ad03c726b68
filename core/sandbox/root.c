/* The root file system of workers, made once: a mount namespace with nothing but a read-only tmpfs
 * with the mount points /pkg and, for those with state, /state. A worker enters it, unshares a copy
 * and mounts its package there. Reason: leaving the host's mounts by pivot_root and umount costs a
 * worker a copy of all of them and then an RCU grace period, which on a busy machine exceeds
 * everything else together. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/sandbox/root.h"
#include "core/sandbox/sandbox_internal.h"

#ifndef MOUNT_ATTR_RDONLY
#error "the kernel headers lack mount_setattr (5.12)"
#endif

static int make_tmpfs(void)
{
    AUTO_FD int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    int fd;

    if (fs < 0)
        return -errno;
    if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", "64k", 0) < 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "nr_inodes", "16", 0) < 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
                      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return fd < 0 ? -errno : fd;
}

/* The new root needs a place to hang for a moment; any directory will do. */
static int hang(int root)
{
    static const char *const places[] = {"/tmp", "/run", "/proc"};

    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (syscall(SYS_move_mount, root, "", AT_FDCWD, places[i], MOVE_MOUNT_F_EMPTY_PATH) == 0)
            return chdir(places[i]) < 0 ? -errno : 0;
    return -errno;
}

static int swap_root(void)
{
    if (syscall(SYS_pivot_root, ".", ".") < 0) {
        /* A root that is the initramfs cannot be pivoted away from. */
        if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
            return -errno;
    } else if (umount2(".", MNT_DETACH) < 0)
        return -errno;
    return chdir("/") < 0 ? -errno : 0;
}

/* All workers share this file system: neither the mount nor anything below it is writable. */
static int shut(void)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    AUTO_FD int fs = (int)syscall(SYS_fspick, AT_FDCWD, "/", FSPICK_CLOEXEC);

    if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0 ||
        syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attr, sizeof(attr)) < 0)
        return -errno;
    return 0;
}

static int build(bool state)
{
    AUTO_FD int root = -1;
    int r;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -errno;
    root = make_tmpfs();
    if (root < 0)
        return root;
    r = hang(root);
    if (r < 0)
        return r;
    if (mkdir("pkg", 0555) < 0 || (state && mkdir("state", 0755) < 0))
        return -errno;
    r = swap_root();
    return r < 0 ? r : shut();
}

/* The helper exists until its end of go is closed: before that, its namespace has no other
 * reference. */
static void __attribute__((noreturn)) helper(bool state, int told, int go)
{
    int r = build(state);
    char c;

    if (write(told, &r, sizeof(r)) == (ssize_t)sizeof(r))
        while (read(go, &c, 1) < 0 && errno == EINTR)
            ;
    _exit(0);
}

static int adopt(pid_t pid, int told, int *ret_fd, struct orb_err *err)
{
    AUTO_FREE char *path = buf_format("/proc/%d/ns/mnt", (int)pid);
    int r = -EIO;

    while (read(told, &r, sizeof(r)) < 0 && errno == EINTR)
        ;
    if (r < 0)
        return orb_fail(err, r, "cannot make the file system workers start from");
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*ret_fd < 0)
        return orb_fail(err, -errno, "cannot open %s", path);
    return 0;
}

int root_make(bool state, int *ret_fd, struct orb_err *err)
{
    int told[2], go[2], r;
    pid_t pid;

    if (pipe2(told, O_CLOEXEC) < 0)
        return orb_fail(err, -errno, "cannot make a pipe");
    if (pipe2(go, O_CLOEXEC) < 0) {
        r = orb_fail(err, -errno, "cannot make a pipe");
        close(told[0]);
        close(told[1]);
        return r;
    }
    pid = fork(); /* not a visit of the host itself: coming back would reset its directory */
    if (pid == 0) {
        close(go[1]);
        helper(state, told[1], go[0]);
    }
    r = pid < 0 ? orb_fail(err, -errno, "cannot start a process") : 0;
    close(told[1]);
    close(go[0]);
    if (!r)
        r = adopt(pid, told[0], ret_fd, err);
    close(told[0]);
    close(go[1]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return r;
}
