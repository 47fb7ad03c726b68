/* The mount namespaces that workers of tier 2 copy. */
#ifndef CORE_SANDBOX_ROOT_H
#define CORE_SANDBOX_ROOT_H

#include <stdbool.h>

#include "orbital/error.h"

/* Makes one that workers copy, with a place for /state or without. Takes some ms; once, at start.
 * *ret_fd: a descriptor of it, the caller's. Negative errno: this machine gives none. */
int root_make(bool state, int *ret_fd, struct orb_err *err);

#endif
