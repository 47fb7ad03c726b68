/* Methods that only look. */
#ifndef CONFIG_METHODS_READ_H
#define CONFIG_METHODS_READ_H

#include "plugins/config/engine_internal.h"

/* get, diff, history. */
method_fn methods_read_get, methods_read_diff, methods_read_history;
/* The path of a request; "" is the whole tree. */
const char *methods_read_path(const json_t *in);
/* What the request may look at there: the running tree, the caller's candidate, an old revision.
 * *ret_value, which the caller releases, is NULL where nothing is. */
int methods_read_view(const struct ask *ask, const char *path, json_t **ret_value,
                      uint64_t *ret_revision, struct orb_err *err);

#endif
