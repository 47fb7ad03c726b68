/* The state directory of a service (capability fs.state). */
#ifndef CORE_SUP_STATE_DIR_H
#define CORE_SUP_STATE_DIR_H

#include <stdint.h>

#include "orbital/error.h"

/* Makes dir and all below it belong to uid, with at least the modes 0700 and 0600. Symbolic links
 * are not followed; what is right already is not touched. Blocks on the disk. Errors: negative
 * errno, of dir itself; an entry below that cannot be given is the service's to notice. */
int state_dir_give(const char *dir, uint32_t uid, struct orb_err *err);

#endif
