/* The method get, and what get-part looks at. */
#ifndef CONFIG_METHODS_READ_H
#define CONFIG_METHODS_READ_H

#include "plugins/config/engine_internal.h"

method_fn methods_read_get;
/* The path of a request; "" is the whole tree. */
const char *methods_read_path(const json_t *in);
/* The value a request may read: of the running tree, the caller's candidate, or an old revision.
 * *ret_value, released by the caller, is NULL where there is none; secrets in it are to be masked
 * (grants_show). 1: not complete, the request continues in another slice. */
int methods_read_view(struct ask *ask, const char *path, json_t **ret_value, uint64_t *ret_revision,
                      struct orb_err *err);

#endif
