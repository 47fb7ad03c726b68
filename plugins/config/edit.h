/* Edits of a candidate. Errors: ORB_E_SCHEMA, ORB_E_INVALID and ORB_E_NOT_FOUND with the path. */
#ifndef CONFIG_EDIT_H
#define CONFIG_EDIT_H

#include "plugins/config/candidate.h"

/* The user's candidate, made when there is none; NULL with err when it may not be edited now: it
 * is being committed, the configuration is locked, or there are too many. */
struct candidate *edit_begin(struct engine *engine, const char *user, struct orb_err *err);
/* op: "set", "merge" or "delete"; value is taken. */
int edit_op(struct engine *engine, struct candidate *candidate, const char *op, const char *path,
            json_t *value, struct orb_err *err);
/* Makes the candidate's tree exactly tree (borrowed). */
int edit_replace(struct engine *engine, struct candidate *candidate, json_t *tree,
                 struct orb_err *err);
/* Forgets the candidate of user, and its file. */
void edit_drop(struct engine *engine, const char *user);

#endif
