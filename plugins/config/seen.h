/* How much of the newest revisions a service may read: found out once for each, as it means reading
 * their changes from the disk. */
#ifndef CONFIG_SEEN_H
#define CONFIG_SEEN_H

#include "plugins/config/engine_internal.h"

#define SEEN_REVISIONS 50u
#define SEEN_MAX 32u /* sets of grants, sorted by last use */

struct seen;

/* What is known by the grants of this service. */
struct seen *seen_of(struct engine *engine, const struct engine_caller *caller);
/* Of the revision with this id (history_id). false: it is not known. */
bool seen_get(const struct seen *seen, uint64_t id, int *ret_changes);
/* changes: how many of its changes the service may read; the oldest entry is forgotten for it. */
void seen_put(struct seen *seen, uint64_t id, int changes);
void seen_free_all(struct engine *engine);

#endif
