/* The state directory of a service: everything in it belongs to the service. A file copied back by
 * root, or with wrong modes, could not be read or written by the service; so owner and modes are
 * checked before every start. What is correct is not touched: a read-only file system does not
 * prevent a start. Files that no user may read stay so: that was intended, and the service reports
 * it. */
#include "core/sandbox/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/sandbox/walk.h"

#define MAX_DEPTH 8
/* Looked at in one start when the directory is the service's already; a service may have made any
 * number. When its uid changed all of them are. */
#define MAX_ENTRIES 4096u

struct giving {
    uint32_t uid;
    unsigned left;
};

/* Brings one entry to owner and at least mode. name is relative to dir_fd, never followed. */
static int own_entry(const struct giving *g, int dir_fd, const char *name, const struct stat *st,
                     struct orb_err *err)
{
    mode_t want = S_ISDIR(st->st_mode) ? 0700 : 0600;

    if ((st->st_uid != g->uid || st->st_gid != g->uid) &&
        fchownat(dir_fd, name, g->uid, g->uid, AT_SYMLINK_NOFOLLOW) < 0)
        return orb_fail(err, -errno, "cannot give %s to uid %" PRIu32, name, g->uid);
    if ((!S_ISDIR(st->st_mode) && !S_ISREG(st->st_mode)) || (st->st_mode & want) == want ||
        !(st->st_mode & 0444))
        return 0;
    if (fchmodat(dir_fd, name, (st->st_mode & 07777) | want, 0) < 0)
        return orb_fail(err, -errno, "cannot change the mode of %s", name);
    return 0;
}

static enum walk on_entry(void *arg, int dir_fd, const char *name, const struct stat *st,
                          unsigned depth)
{
    struct giving *g = arg;

    own_entry(g, dir_fd, name, st, NULL);
    if (--g->left == 0)
        return WALK_STOP;
    return depth < MAX_DEPTH ? WALK_ON : WALK_PAST;
}

int state_dir_give(const char *dir, uint32_t uid, struct orb_err *err)
{
    struct giving giving = {.uid = uid};
    struct stat st;
    int r;

    if (lstat(dir, &st) < 0)
        return orb_fail(err, -errno, "cannot look at the state directory %s", dir);
    if (!S_ISDIR(st.st_mode))
        return orb_fail(err, -ENOTDIR, "the state directory %s", dir);
    giving.left = st.st_uid == uid ? MAX_ENTRIES : UINT32_MAX;
    /* An entry whose owner cannot be set does not prevent the start; the service reports it by
     * name. The directory itself is done last, so its owner shows that all below was done. */
    walk_dir(dir, on_entry, &giving);
    r = own_entry(&giving, AT_FDCWD, dir, &st, err);
    /* Not a bit more or less: without its own it is of no use to the service. */
    if (r == 0 && (st.st_mode & 0777) != 0700 && chmod(dir, 0700) < 0)
        r = orb_fail(err, -errno, "cannot close %s", dir);
    return r;
}

static bool belongs_to(const char *dir, uint32_t uid)
{
    struct stat st;

    return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) &&
           ((st.st_uid == uid && st.st_gid == uid) || geteuid() != 0);
}

int state_dir_prepare(const char *dir, uint32_t uid, struct orb_err *ret_incomplete,
                      struct orb_err *err)
{
    int r = file_make_dir(dir, 0700, err);

    *ret_incomplete = (struct orb_err){0};
    if (r < 0)
        return r;
    r = state_dir_give(dir, uid, ret_incomplete);
    if (r == 0 || belongs_to(dir, uid))
        return 0;
    if (err)
        *err = *ret_incomplete;
    return r;
}
