/* Replaces the config service's shared object and wraps its file calls. The comment of a commit
 * selects the file call that fails, and how:
 *
 *     disk N KIND        the Nth file call that changes something, counted from this commit on
 *     snapshot N KIND    counted from the snapshot that follows this commit
 *
 * KIND: kill-before, kill-after (the process ends there), kill-half (in the middle of a write),
 * eio, enospc (once), half (a write takes half, and once no more), eio-on, enospc-on, erofs-on
 * (each call from there on, until the service is started again). */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test/system/faults/real.h"

#define MAX_METHODS 64

static struct {
    const struct orb_plugin *real;
    struct orb_method methods[MAX_METHODS];
    orb_handler *commit;
    struct orb_ctx *ctx;
    unsigned at, seen; /* at 0: nothing was requested */
    bool snapshot;     /* it has not begun yet */
    char kind[16];
} disk;

ORB_EXPORT extern struct orb_plugin orbital_plugin;
ORB_EXPORT struct orb_plugin orbital_plugin = {.abi = ORB_PLUGIN_ABI};

/* ---- one call ---- */

static bool is_kind(const char *kind)
{
    return !strcmp(disk.kind, kind);
}

static bool is_due(void)
{
    return disk.at && !disk.snapshot && disk.seen == disk.at;
}

/* True when the call that is about to be made fails, with errno. */
static bool fails(void)
{
    bool on = strstr(disk.kind, "-on") != NULL;

    if (!disk.at || disk.snapshot)
        return false;
    disk.seen++;
    if (is_kind("half") && disk.seen == disk.at + 1) {
        errno = ENOSPC;
        return true;
    }
    if (disk.seen != disk.at && !(on && disk.seen > disk.at))
        return false;
    if (disk.seen == disk.at)
        orb_log(disk.ctx, ORB_NOTICE, "fault.reached", KV("kind", disk.kind));
    if (is_kind("kill-before"))
        _exit(1);
    if (!strncmp(disk.kind, "kill", 4) || is_kind("half"))
        return false;
    errno = !strncmp(disk.kind, "eio", 3) ? EIO : !strncmp(disk.kind, "erofs", 5) ? EROFS : ENOSPC;
    return true;
}

/* The call was made. */
static void made(void)
{
    if (is_due() && !strncmp(disk.kind, "kill", 4))
        _exit(1);
}

/* How much of len a write takes. */
static size_t part(size_t len)
{
    return is_due() && (is_kind("half") || is_kind("kill-half")) ? len / 2 : len;
}

/* ---- the calls, under their names without the first three letters ---- */

ssize_t disk_pwrite(int fd, const void *data, size_t len, off64_t at) TAKEN("ite64");
ssize_t disk_pwrite(int fd, const void *data, size_t len, off64_t at)
{
    ssize_t r = fails() ? -1 : pwrite64(fd, data, part(len), at);

    made();
    return r;
}

ssize_t disk_write(int fd, const void *data, size_t len) TAKEN("te");
ssize_t disk_write(int fd, const void *data, size_t len)
{
    ssize_t r = fails() ? -1 : write(fd, data, part(len));

    made();
    return r;
}

int disk_fdatasync(int fd) TAKEN("tasync");
int disk_fdatasync(int fd)
{
    int r = fails() ? -1 : fdatasync(fd);

    made();
    return r;
}

int disk_fsync(int fd) TAKEN("nc");
int disk_fsync(int fd)
{
    int r = fails() ? -1 : fsync(fd);

    made();
    return r;
}

int disk_ftruncate(int fd, off64_t len) TAKEN("uncate64");
int disk_ftruncate(int fd, off64_t len)
{
    int r = fails() ? -1 : ftruncate64(fd, len);

    made();
    return r;
}

int disk_rename(const char *from, const char *to) TAKEN("ame");
int disk_rename(const char *from, const char *to)
{
    int r = fails() ? -1 : rename(from, to);

    made();
    return r;
}

int disk_unlink(const char *path) TAKEN("ink");
int disk_unlink(const char *path)
{
    int r;

    if (strstr(path, "/last-good-"))
        disk.snapshot = false; /* with the next journal it begins */
    r = fails() ? -1 : unlink(path);

    made();
    return r;
}

int disk_open(const char *path, int flags, ...) TAKEN("n64");
int disk_open(const char *path, int flags, ...)
{
    bool changes = (flags & O_ACCMODE) != O_RDONLY;
    mode_t mode = 0;
    va_list args;
    int fd;

    va_start(args, flags);
    if (flags & O_CREAT)
        mode = va_arg(args, mode_t);
    va_end(args);
    if (changes && strstr(path, "/journal-"))
        disk.snapshot = false;
    fd = changes && fails() ? -1 : open64(path, flags, mode);
    if (changes)
        made();
    return fd;
}

/* ---- in the place of the real one ---- */

static int on_commit(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    const char *text = orb_req_text(req, NULL);
    const char *comment = strstr(text, "\"disk ");
    bool snapshot = !comment;

    if (!comment)
        comment = strstr(text, "\"snapshot ");
    if (comment) {
        disk.ctx = ctx;
        disk.seen = 0;
        disk.snapshot = snapshot;
        if (sscanf(comment, "\"%*s %u %15[a-z-]", &disk.at, disk.kind) != 2)
            disk.at = 0;
    }
    return disk.commit(ctx, req, in, err);
}

static void __attribute__((constructor)) begin(void)
{
    disk.real = real_load(&disk);
    orbital_plugin = *disk.real;
    for (int i = 0; disk.real->methods[i].name && i < MAX_METHODS - 1; i++) {
        disk.methods[i] = disk.real->methods[i];
        if (strcmp(disk.methods[i].name, "commit"))
            continue;
        disk.commit = disk.methods[i].handle;
        disk.methods[i].handle = on_commit;
    }
    orbital_plugin.methods = disk.methods;
}
