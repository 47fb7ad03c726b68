/* A part of the configuration that the host reads itself: when the config service becomes
 * available, and after each commit. It is read as a whole, in slices when larger than a frame; a
 * commit during the read restarts it. */
#ifndef CORE_HOST_CONFPART_H
#define CORE_HOST_CONFPART_H

#include "core/json/tree.h"

struct confpart;
struct orbitald;
struct orb_err;

/* Called once per completed read. value: the value at the path (NULL inside the tree: not
 * configured), borrowed; with err set it could not be read. */
typedef void confpart_fn(struct orbitald *host, const json_t *value, const struct orb_err *err);

/* path: a JSON pointer that outlives the part. Freed with confpart_free, before the broker. Errors:
 * those of host_subscribe. */
int confpart_new(struct orbitald *host, const char *path, confpart_fn *fn,
                 struct confpart **ret_part, struct orb_err *err);
/* part may be NULL. */
void confpart_free(struct confpart *part);
/* Reads it now; while it is being read: once more afterwards. */
void confpart_refresh(struct confpart *part);
/* A reading has begun, by a commit or confpart_refresh, and fn has not been called for it. */
bool confpart_is_being_read(const struct confpart *part);

#endif
