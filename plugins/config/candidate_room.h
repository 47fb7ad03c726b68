/* How much may be edited and not committed: by one, by all services, by all. */
#ifndef CONFIG_CANDIDATE_ROOM_H
#define CONFIG_CANDIDATE_ROOM_H

#include "plugins/config/candidate.h"

/* May user have a candidate, being new? ORB_E_LIMIT: there are too many. */
int candidate_room_for_new(const struct engine *engine, const char *user, struct orb_err *err);
/* Charges bytes more, for what is set at path; ORB_E_LIMIT: there is no room, nothing is charged.
 */
int candidate_room_take(struct engine *engine, struct candidate *c, const char *path, size_t bytes,
                        struct orb_err *err);
/* May c have changes of so many bytes in the place of those it has? */
int candidate_room_replace(struct engine *engine, struct candidate *c, size_t bytes,
                           struct orb_err *err);
/* Counts what it has, once it was made otherwise. */
void candidate_room_count(struct candidate *c);

#endif
