/* The state directory of a service (capability fs.state). */
#ifndef CORE_SANDBOX_STATE_DIR_H
#define CORE_SANDBOX_STATE_DIR_H

#include <stdint.h>

#include "orbital/error.h"

/* Makes dir and all below it belong to uid, with at least the modes 0700 and 0600. Symbolic links
 * are not followed; what is right already is not touched. Blocks on the disk. Errors: negative
 * errno, of dir itself; an entry below that cannot be given is the service's to notice. */
int state_dir_give(const char *dir, uint32_t uid, struct orb_err *err);
/* Prepares a service's state directory: creates dir (mode 0700, with the directories above it) and
 * sets its owner to uid. 0: the service may start; *ret_incomplete has the reason for what could
 * not be set (code 0: nothing). Below 0 with err: there is no directory of uid's at dir. Blocks on
 * the disk. */
int state_dir_prepare(const char *dir, uint32_t uid, struct orb_err *ret_incomplete,
                      struct orb_err *err);

#endif
