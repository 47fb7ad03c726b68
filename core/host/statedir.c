/* Two locks: flock() of the directory works on a read-only file system; the file `lock` is the one
 * versions before 0.2 use, and works on file systems that cannot lock directories. */
#include "core/host/statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"

#define LOCK_TRIES 20 /* of 10 ms: a child of the daemon before may hold it until its exec */

static int taken(const char *state_dir, struct orb_err *err)
{
    return orb_fail(err, ORB_E_STATE, "another orbitald uses %s; stop it or give another --state",
                    state_dir);
}

/* 1: locked; 0: not supported by this file system, see errno. */
static int lock_directory(const char *path, struct statedir *dir, struct orb_err *err)
{
    const struct timespec pause = {.tv_nsec = 10000000};

    dir->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->dir_fd < 0)
        return 0;
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(dir->dir_fd, LOCK_EX | LOCK_NB) == 0)
            return 1;
        if (errno != EWOULDBLOCK)
            return 0;
        nanosleep(&pause, NULL);
    }
    return taken(path, err);
}

int statedir_lock(const char *state_dir, struct statedir *dir, struct orb_err *err)
{
    AUTO_FREE char *path = buf_format("%s/lock", state_dir);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    AUTO_FD int fd = -1;

    if (dir->lock_fd >= 0)
        return 0;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return orb_fail(err, -errno, "cannot open %s", path);
    if (fcntl(fd, F_SETLK, &lock) < 0)
        return errno == EAGAIN || errno == EACCES ? taken(state_dir, err)
                                                  : orb_fail(err, -errno, "cannot lock %s", path);
    dir->lock_fd = take_fd(&fd);
    return 0;
}

static int lock(const char *state_dir, struct statedir *dir, struct orb_err *err)
{
    int directory = lock_directory(state_dir, dir, err);
    int file = directory < 0 ? 0 : statedir_lock(state_dir, dir, &dir->unlocked);

    if (directory < 0)
        return ORB_E_STATE;
    if (file == ORB_E_STATE) {
        *err = dir->unlocked;
        return ORB_E_STATE;
    }
    if (file < 0 && !directory)
        orb_wrap(&dir->unlocked, "nothing keeps a second daemon away from %s", state_dir);
    return 0;
}

static void need_dir(const char *path, unsigned mode, struct statedir *dir)
{
    struct orb_err err = {0};

    if (file_make_dir(path, mode, &err) < 0 && !dir->error.code)
        dir->error = err;
}

/* For all users: the sockets and files in it have modes of their own, and clients need no more. */
static void need_run_dir(const char *path, struct statedir *dir)
{
    bool is_new = access(path, F_OK) < 0;

    need_dir(path, 0755, dir);
    if (is_new && chmod(path, 0755) < 0 && !dir->error.code)
        orb_fail(&dir->error, -errno, "cannot set the mode of %s", path);
}

int statedir_try(const char *state_dir, struct orb_err *err)
{
    AUTO_FREE char *path = buf_format("%s/.try-%d", state_dir, (int)getpid());
    AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0 && errno != EEXIST)
        return orb_fail(err, -errno, "cannot write below %s", state_dir);
    if (unlink(path) < 0)
        return orb_fail(err, -errno, "cannot write below %s", state_dir);
    return 0;
}

bool statedir_same(const char *state_dir, const struct statedir *dir, struct orb_err *err)
{
    AUTO_FREE char *services = buf_format("%s/services", state_dir);
    struct stat was, is;

    if (dir->dir_fd < 0 || fstat(dir->dir_fd, &was) < 0)
        return true; /* missing at start, which was reported already */
    if (stat(state_dir, &is) == 0 && (is.st_dev != was.st_dev || is.st_ino != was.st_ino)) {
        orb_fail(err, ORB_E_STATE,
                 "%s was replaced by another directory since the daemon was started", state_dir);
        return false;
    }
    if (stat(services, &is) == 0 || (errno != ENOENT && errno != ENOTDIR))
        return true;
    orb_fail(err, ORB_E_STATE, "%s was removed while the daemon ran", services);
    return false;
}

/* open: it may be a link, and whose it is does not matter. */
static bool is_sound(const char *path, mode_t kind, bool open, struct orb_err *err)
{
    struct stat st;

    if ((open ? stat(path, &st) : lstat(path, &st)) < 0)
        return errno == ENOENT || errno == ENOTDIR ||
               orb_fail(err, -errno, "cannot look at %s", path) > 0;
    if ((st.st_mode & S_IFMT) != kind)
        orb_fail(err, ORB_E_INVALID, "%s is no %s", path,
                 kind == S_IFDIR ? "directory" : "regular file");
    else if (!open && st.st_uid != geteuid())
        orb_fail(err, ORB_E_DENIED, "%s belongs to uid %u, not to the daemon's", path,
                 (unsigned)st.st_uid);
    else if (!open && (st.st_mode & (S_IWGRP | S_IWOTH)))
        orb_fail(err, ORB_E_DENIED, "%s may be written by others (mode %04o)", path,
                 (unsigned)st.st_mode & 07777);
    else
        return true;
    return false;
}

bool statedir_sound(const struct host_options *options, struct orb_err *err)
{
    static const struct {
        bool run;
        const char *name;
        mode_t kind;
        bool open;
    } entries[] = {
        {false, "services", S_IFDIR},
        {false, "crashes", S_IFDIR},
        {false, "auth", S_IFDIR},
        {false, "good-revision", S_IFREG},
        {false, "found-settings", S_IFREG},
        {false, "table-digest", S_IFREG},
        {false, "uids", S_IFREG},
        {true, "starts", S_IFREG},
        {true, "enforced", S_IFREG},
        /* Replacing it makes records go to a file that is removed. */
        {false, "log.jsonl", S_IFREG, true},
    };

    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        AUTO_FREE char *path = buf_format(
            "%s/%s", entries[i].run ? options->run_dir : options->state_dir, entries[i].name);

        if (!is_sound(path, entries[i].kind, entries[i].open, err))
            return false;
    }
    return true;
}

int statedir_open(const struct host_options *options, struct statedir *ret_dir, struct orb_err *err)
{
    AUTO_FREE char *services = buf_format("%s/services", options->state_dir);
    struct orb_err local = {0};

    *ret_dir = (struct statedir){.dir_fd = -1, .lock_fd = -1};
    need_dir(options->state_dir, 0755, ret_dir);
    need_dir(services, 0700, ret_dir); /* what a service makes there, no other user reaches */
    (void)chmod(services, 0700);       /* of an older version; fails where nothing can be written */
    need_run_dir(options->run_dir, ret_dir);
    if (lock(options->state_dir, ret_dir, err) < 0)
        return ORB_E_STATE;
    if (!ret_dir->error.code && statedir_try(options->state_dir, &local) < 0)
        ret_dir->error = local;
    return 0;
}

void statedir_close(struct statedir *dir)
{
    if (dir->dir_fd >= 0)
        close(dir->dir_fd);
    if (dir->lock_fd >= 0)
        close(dir->lock_fd);
}
