/* The directories a daemon works in, and the lock that keeps a second one out of them. */
#ifndef CORE_HOST_STATEDIR_H
#define CORE_HOST_STATEDIR_H

#include <stdbool.h>

#include "core/host/host_internal.h"

struct statedir {
    int dir_fd, lock_fd;     /* both locked where the file system supports it; -1: not open */
    struct orb_err error;    /* what could not be created; code 0: nothing failed */
    struct orb_err unlocked; /* why the file `lock` is not held; code 0: it is */
};

/* Makes what is missing of STATE, STATE/services and RUN, and locks STATE. A file system that is
 * read-only, full or dead is no failure, but sets error: what is stored can still run. ORB_E_STATE:
 * another daemon uses STATE. */
int statedir_open(const struct host_options *options, struct statedir *ret_dir,
                  struct orb_err *err);
/* Tries the file `lock` once more when it is not held. 0: it is held now. Blocks as long as the
 * disk.
 */
int statedir_lock(const char *state_dir, struct statedir *dir, struct orb_err *err);
void statedir_close(struct statedir *dir);
/* Can a file be made in STATE now? 0, or what keeps it from that. Blocks as long as the disk. */
int statedir_try(const char *state_dir, struct orb_err *err);
/* Are the rarely opened entries of STATE and RUN files and directories of the daemon's own user
 * that no other may write? false: err names one that is not. May take long. */
bool statedir_sound(const struct host_options *options, struct orb_err *err);
/* Whether the path still names the opened directory, with the services' directories in it. false:
 * err names what is missing. May take long. */
bool statedir_same(const char *state_dir, const struct statedir *dir, struct orb_err *err);

#endif
