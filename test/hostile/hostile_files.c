/* Attacks on files, mounts and devices. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "test/hostile/attacks.h"

extern char **environ;

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0666);

    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int try_proc(const char *file, int flags)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)target.pid, file);
    return try_open(path, flags);
}

#define OPENS(name, path, flags)                                                                   \
    int attack_##name(void)                                                                        \
    {                                                                                              \
        return try_open(path, flags);                                                              \
    }
#define TRIES(name, call)                                                                          \
    int attack_##name(void)                                                                        \
    {                                                                                              \
        return TRY(call);                                                                          \
    }
#define TRIES_NR(name, ...)                                                                        \
    int attack_##name(void)                                                                        \
    {                                                                                              \
        return TRY_NR(__VA_ARGS__);                                                                \
    }

OPENS(read_shadow, "/etc/shadow", O_RDONLY)
OPENS(read_canary, target.canary, O_RDONLY)
TRIES(remove_canary, unlink(target.canary))
OPENS(read_libc, "/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY)
OPENS(proc_self_status, "/proc/self/status", O_RDONLY)
OPENS(dotdot, "/pkg/../../../../../../etc/passwd", O_RDONLY)
OPENS(sysrq, "/proc/sysrq-trigger", O_WRONLY)
OPENS(core_pattern, "/proc/sys/kernel/core_pattern", O_WRONLY)
OPENS(oom_score, "/proc/self/oom_score_adj", O_WRONLY)
OPENS(own_text, "/pkg/hostile.so", O_WRONLY)
OPENS(new_file_pkg, "/pkg/planted", O_CREAT | O_WRONLY)
OPENS(new_file_root, "/planted", O_CREAT | O_WRONLY)
OPENS(tmp_file, "/", O_TMPFILE | O_WRONLY)
TRIES(mkdir_root, mkdir("/planted", 0777))
TRIES(symlink_pkg, symlink("/etc/shadow", "/pkg/planted"))
TRIES(link_pkg, link("/pkg/attack", "/pkg/planted"))
TRIES(rename_pkg, rename("/pkg/attack", "/pkg/planted"))
TRIES(unlink_pkg, unlink("/pkg/attack"))
TRIES(chmod_pkg, chmod("/pkg/attack", 0777))
TRIES(chown_pkg, chown("/pkg/attack", 0, 0))
TRIES(truncate_pkg, truncate("/pkg/attack", 0))
TRIES(setuid_bit, chmod("/pkg", 06777))
OPENS(dev_mem, "/dev/mem", O_RDWR)
OPENS(dev_kmsg, "/dev/kmsg", O_RDWR)
OPENS(dev_tty, "/dev/tty", O_RDWR)
TRIES(mknod_disk, mknod("/planted", S_IFBLK | 0666, makedev(254, 0)))
TRIES(mknod_fifo, mkfifo("/pkg/planted", 0666))
OPENS(sys_cgroup, "/sys/fs/cgroup/cgroup.procs", O_WRONLY)
TRIES(mount_tmpfs, mount("none", "/", "tmpfs", 0, NULL))
TRIES(umount_pkg, umount2("/pkg", MNT_DETACH))
TRIES(remount_rw, mount(NULL, "/pkg", NULL, MS_REMOUNT | MS_BIND, NULL))
TRIES_NR(fsopen, SYS_fsopen, "tmpfs", 0)
TRIES_NR(open_tree, SYS_open_tree, AT_FDCWD, "/", 1)
TRIES_NR(move_mount, SYS_move_mount, AT_FDCWD, "/pkg", AT_FDCWD, "/", 0)
TRIES_NR(pivot_root, SYS_pivot_root, ".", ".")
TRIES(chroot_dot, chroot("."))
TRIES(inotify, inotify_init1(IN_CLOEXEC))
TRIES(fanotify, fanotify_init(FAN_CLASS_NOTIF, O_RDONLY))
TRIES(swapon, swapon("/pkg/attack", 0))
TRIES(quotactl, quotactl(QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL))
TRIES(acct, acct(NULL))

int attack_write_canary(void)
{
    int fd = open(target.canary, O_WRONLY | O_TRUNC | O_CLOEXEC), r;

    if (fd < 0)
        return -errno;
    r = write(fd, "changed", 7) == 7 ? 0 : -errno;
    close(fd);
    return r;
}

int attack_proc_host_mem(void)
{
    return try_proc("mem", O_RDWR);
}

int attack_proc_root(void)
{
    return try_proc("root/etc/shadow", O_RDONLY);
}

int attack_chdir_up(void)
{
    for (int i = 0; i < 8; i++)
        if (chdir("..") < 0)
            return -errno;
    return try_open("etc/passwd", O_RDONLY);
}

/* A directory descriptor left open would be a way out. */
int attack_openat_fds(void)
{
    int r = -ENOENT;

    for (int dir = 0; dir < 1024; dir++) {
        int fd = openat(dir, "../etc/passwd", O_RDONLY | O_CLOEXEC);

        if (fd >= 0) {
            close(fd);
            return 0;
        }
        if (errno != EBADF)
            r = -errno;
    }
    return r;
}

int attack_openat2_magic(void)
{
    uint64_t how[3] = {O_RDONLY, 0, 0};

    return TRY_NR(SYS_openat2, AT_FDCWD, "/proc/1/root/etc/passwd", how, sizeof(how));
}

int attack_open_handle(void)
{
    struct {
        unsigned bytes;
        int type;
        unsigned char data[8];
    } handle = {8, 1, {2}};

    return TRY_NR(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY);
}

int attack_mount_setattr(void)
{
    uint64_t attr[4] = {0, 1, 0, 0}; /* clear read-only */

    return TRY_NR(SYS_mount_setattr, AT_FDCWD, "/pkg", 0, attr, sizeof(attr));
}

/* Anything but sockets, pipes, /dev/null and nameless kernel objects would be a gift. */
int attack_inherited_fds(void)
{
    struct stat st;

    for (int fd = 0; fd < 1024; fd++) {
        if (fstat(fd, &st) < 0)
            continue;
        if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode) ||
            (S_ISCHR(st.st_mode) && st.st_rdev != makedev(1, 3)))
            return 0;
    }
    return -ENOENT;
}

int attack_environment(void)
{
    for (char **e = environ; e && *e; e++)
        if (strncmp(*e, "ASAN_OPTIONS=", 13))
            return 0;
    return -ENOENT;
}
