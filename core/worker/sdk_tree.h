/* A cJSON tree changed by patches, and back. */
#ifndef CORE_WORKER_SDK_TREE_H
#define CORE_WORKER_SDK_TREE_H

#include <stddef.h>

#include "orbital/orbital.h"

/* One step of the undo list: path had the value old (NULL: none). */
struct sdk_undo {
    char *path;
    cJSON *old;
};

/* Applies patch to tree and notes how to undo it. On error the tree is as before. */
int sdk_tree_apply(cJSON *tree, const cJSON *patch, struct sdk_undo **ret_undo, size_t *ret_count,
                   struct orb_err *err);
/* Undoes and frees the list. ret_inverse (may be NULL): the patch that was applied by this. */
void sdk_tree_undo(cJSON *tree, struct sdk_undo *undo, size_t count, cJSON **ret_inverse);
/* Frees the list without undoing it: the change stays. */
void sdk_tree_undo_free(struct sdk_undo *undo, size_t count);
/* Node at a JSON pointer, NULL when there is none. */
cJSON *sdk_tree_at(cJSON *tree, const char *path);
/* Patch that turns was into is, whole parts of paths at a time; was NULL: everything is set. Its
 * values refer into is: delete it before is changes. */
cJSON *sdk_tree_parts(cJSON *was, cJSON *is, const char *const *paths);

#endif
