/* Edits of a candidate. Errors: ORB_E_SCHEMA, ORB_E_INVALID and ORB_E_NOT_FOUND with the path. */
#ifndef CONFIG_EDIT_H
#define CONFIG_EDIT_H

#include "plugins/config/candidate.h"
#include "plugins/config/overlay_undo.h"

/* A token has the name of an earlier one: what that one left, its candidate and its lock, is not
 * the new one's and is dropped. */
void edit_disown(struct ask *ask);
/* The caller's candidate, made when there is none; NULL with err when it may not be edited now: it
 * is being committed, the configuration is locked, or there are too many. */
struct candidate *edit_begin(const struct ask *ask, struct orb_err *err);
/* Ops of one request: all are done, or none. */
struct edit {
    struct engine *engine;
    struct candidate *candidate;
    struct buf lines; /* for the file */
    struct overlay_undo undo;
    size_t bytes; /* of the candidate before */
    bool replaced;
};

/* Frees it; reverts its ops first unless edit_keep() was called. */
void edit_fini(struct edit *edit);
static inline void own_edit(struct edit *edit)
{
    edit_fini(edit);
}
/* Of a candidate that edit_begin() gave. */
struct edit edit_of(struct engine *engine, struct candidate *candidate);
/* op: "set", "merge", "delete", or "add" and "remove" of one element of a list; value is taken. */
int edit_op(struct edit *edit, const char *op, const char *path, json_t *value,
            struct orb_err *err);
/* Makes the candidate's tree exactly tree (borrowed). */
int edit_replace(struct edit *edit, json_t *tree, struct orb_err *err);
/* Writes what was done to the file. */
void edit_keep(struct edit *edit);
/* Drops the candidate of user, and its file. */
void edit_drop(struct engine *engine, const char *user);

#endif
