/* A part of the configuration that the host itself reads: as the config service has it when that
 * service has come, and anew after each commit. It is read whole, in slices when it is larger than
 * a frame; a commit while it is being read starts the reading again.
 */
#ifndef CORE_HOST_CONFPART_H
#define CORE_HOST_CONFPART_H

#include "core/json/tree.h"

struct confpart;
struct orbitald;
struct orb_err;

/* Once for each reading that ended. value: what stands at the path (NULL inside the tree: nothing
 * is configured), the callee's to look at; with err set it could not be read. */
typedef void confpart_fn(struct orbitald *host, const json_t *value, const struct orb_err *err);

/* path: a JSON pointer that lives as long as the part. Freed with confpart_free, before the
 * broker. Errors: those of host_subscribe. */
int confpart_new(struct orbitald *host, const char *path, confpart_fn *fn,
                 struct confpart **ret_part, struct orb_err *err);
/* part may be NULL. */
void confpart_free(struct confpart *part);
/* Reads it now; while it is being read: once more afterwards. */
void confpart_refresh(struct confpart *part);
/* A reading has begun, by a commit or confpart_refresh, and fn has not been called for it. */
bool confpart_is_being_read(const struct confpart *part);

#endif
