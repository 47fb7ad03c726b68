/* The state directory of a service (capability fs.state). */
#ifndef CORE_SANDBOX_STATE_DIR_H
#define CORE_SANDBOX_STATE_DIR_H

#include <stdint.h>

#include "orbital/error.h"

/* Makes dir and all below it belong to uid, with at least the modes 0700 and 0600. Symbolic links
 * are not followed; what is right already is not touched. Blocks on the disk. Errors: negative
 * errno, of dir itself; an entry below that cannot be given is the service's to notice. */
int state_dir_give(const char *dir, uint32_t uid, struct orb_err *err);
/* What a service needs before it starts: makes dir where it is missing (mode 0700, with the
 * directories above it) and gives it to uid. 0: the service may start; *ret_incomplete says what
 * could not be given all the same (code 0: nothing). Below 0, err says why: there is no directory
 * of uid's at dir. Blocks on the disk. */
int state_dir_prepare(const char *dir, uint32_t uid, struct orb_err *ret_incomplete,
                      struct orb_err *err);

#endif
