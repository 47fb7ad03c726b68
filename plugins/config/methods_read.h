/* The method get, and what get-part looks at. */
#ifndef CONFIG_METHODS_READ_H
#define CONFIG_METHODS_READ_H

#include "plugins/config/engine_internal.h"

method_fn methods_read_get;
/* The path of a request; "" is the whole tree. */
const char *methods_read_path(const json_t *in);
/* What the request may look at there: the running tree, the caller's candidate, an old revision.
 * *ret_value, which the caller releases, is NULL where nothing is; what is secret in it is to be
 * masked (grants_show). 1: not yet, the request goes on in another slice. */
int methods_read_view(struct ask *ask, const char *path, json_t **ret_value, uint64_t *ret_revision,
                      struct orb_err *err);

#endif
