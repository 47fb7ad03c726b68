/* A configuration tree in cJSON that patches change in place. Each step keeps what it replaced, so
 * undoing costs no copy of the tree. Values are copied into the tree rather than shared with the
 * patch: a later step of the same patch may change inside them. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/pointer.h"
#include "core/base/xalloc.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_tree.h"

#define MAX_SEGMENTS 32
#define MAX_KEY 256

static bool is_pointer(const char *path)
{
    char key[MAX_KEY];
    unsigned depth = 0;

    while (path && *path && depth++ < MAX_SEGMENTS)
        path = pointer_next(path, key, MAX_KEY);
    return path && !*path && depth > 0;
}

cJSON *sdk_tree_at(cJSON *tree, const char *path)
{
    char key[MAX_KEY];

    while (tree && *path) {
        path = pointer_next(path, key, MAX_KEY);
        if (!path || !cJSON_IsObject(tree))
            return NULL;
        tree = cJSON_GetObjectItemCaseSensitive(tree, key);
    }
    return tree;
}

/* Walks to the object that has the last segment of path (a pointer), returned in ret_key. Missing
 * objects are created when make is set; *ret_made is then the length of path's part that named the
 * first new one (0: none), so that undo can remove that as a whole. NULL: there is none. */
static cJSON *parent_of(cJSON *tree, const char *path, bool make, char ret_key[MAX_KEY],
                        size_t *ret_made)
{
    const char *at = path;

    *ret_made = 0;
    while (cJSON_IsObject(tree) && (at = pointer_next(at, ret_key, MAX_KEY)) && *at) {
        cJSON *next;

        next = cJSON_GetObjectItemCaseSensitive(tree, ret_key);
        if (!next && !make)
            return NULL;
        if (!next) {
            next = cJSON_AddObjectToObject(tree, ret_key);
            if (!*ret_made)
                *ret_made = (size_t)(at - path);
        }
        tree = next;
    }
    return cJSON_IsObject(tree) ? tree : NULL;
}

static cJSON *detach(cJSON *parent, const char *key)
{
    return cJSON_DetachItemFromObjectCaseSensitive(parent, key);
}

static int apply_one(cJSON *tree, const cJSON *step, struct sdk_undo *ret_undo, struct orb_err *err)
{
    const char *op = sdk_text_of(step, "op");
    const char *path = sdk_text_of(step, "path");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(step, "value");
    bool set = !strcmp(op, "set");
    char key[MAX_KEY];
    cJSON *copy = NULL;
    cJSON *parent;
    size_t made;

    if ((!set && strcmp(op, "delete")) || set != (value != NULL))
        return orb_fail_at(err, ORB_E_INVALID, path,
                           "op \"%.20s\" %s value; expected set with one or delete without", op,
                           value ? "with" : "without");
    if (!is_pointer(path))
        return orb_fail_at(err, ORB_E_INVALID, path,
                           "\"%.120s\" is no JSON pointer of at most %d segments", path,
                           MAX_SEGMENTS);
    parent = parent_of(tree, path, set, key, &made);
    if (!parent && set)
        return orb_fail_at(err, ORB_E_INVALID, path,
                           "the path leads through a value that has no members");
    if (set && !(copy = cJSON_Duplicate(value, true)))
        return orb_fail(err, ORB_E_NOMEM, "no memory for the value of %s", path);
    /* New objects on the way: undo removes the first of them with all below. */
    ret_undo->path = made ? xstrndup(path, made) : xstrdup(path);
    ret_undo->old = parent && !made ? detach(parent, key) : NULL;
    if (set)
        cJSON_AddItemToObject(parent, key, copy);
    return 0;
}

/* Undoes one step. Returns the value replaced (NULL: none). */
static cJSON *undo_one(cJSON *tree, struct sdk_undo *undo)
{
    char key[MAX_KEY];
    size_t made;
    cJSON *parent = parent_of(tree, undo->path, undo->old != NULL, key, &made);
    cJSON *now = parent ? detach(parent, key) : NULL;

    if (parent && undo->old)
        cJSON_AddItemToObject(parent, key, undo->old);
    return now;
}

static void add_inverse(cJSON *list, const char *path, const cJSON *old, cJSON *now)
{
    cJSON *step;

    if (!old && !now)
        return;
    step = cJSON_CreateObject();
    cJSON_AddStringToObject(step, "op", old ? "set" : "delete");
    cJSON_AddStringToObject(step, "path", path);
    if (old)
        cJSON_AddItemToObject(step, "value", cJSON_Duplicate(old, true));
    if (now)
        cJSON_AddItemToObject(step, "old", now);
    cJSON_AddItemToArray(list, step);
}

void sdk_tree_undo(cJSON *tree, struct sdk_undo *undo, size_t count, cJSON **ret_inverse)
{
    cJSON *list = ret_inverse ? cJSON_CreateArray() : NULL;

    for (size_t i = count; i-- > 0;) {
        cJSON *now = undo_one(tree, &undo[i]);

        if (list)
            add_inverse(list, undo[i].path, undo[i].old, now);
        else
            cJSON_Delete(now);
        undo[i].old = NULL; /* the tree's again */
    }
    sdk_tree_undo_free(undo, count);
    if (ret_inverse)
        *ret_inverse = list;
}

void sdk_tree_undo_free(struct sdk_undo *undo, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cJSON_Delete(undo[i].old);
        free(undo[i].path);
    }
    free(undo);
}

int sdk_tree_apply(cJSON *tree, const cJSON *patch, struct sdk_undo **ret_undo, size_t *ret_count,
                   struct orb_err *err)
{
    struct sdk_undo *undo;
    size_t count = 0;
    size_t steps = 0;
    const cJSON *step;

    if (!cJSON_IsArray(patch))
        return orb_fail(err, ORB_E_INVALID, "the patch is no array");
    cJSON_ArrayForEach (step, patch)
        steps++;
    if (steps > SDK_MAX_OPS)
        return orb_fail(err, ORB_E_LIMIT, "the patch has %zu steps, the limit is %u", steps,
                        SDK_MAX_OPS);
    undo = calloc(steps + 1, sizeof(*undo));
    if (!undo)
        return orb_fail(err, ORB_E_NOMEM, "no memory to undo %zu steps", steps);
    cJSON_ArrayForEach (step, patch) {
        int r = apply_one(tree, step, &undo[count], err);

        if (r < 0) {
            sdk_tree_undo(tree, undo, count, NULL);
            return r;
        }
        count++;
    }
    *ret_undo = undo;
    *ret_count = count;
    return 0;
}

cJSON *sdk_tree_parts(cJSON *was, cJSON *is, const char *const *paths)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; paths && paths[i]; i++) {
        cJSON *before = was ? sdk_tree_at(was, paths[i]) : NULL;
        cJSON *after = sdk_tree_at(is, paths[i]);
        cJSON *step;

        if ((!before && !after) || (before && after && cJSON_Compare(before, after, true)))
            continue;
        step = cJSON_CreateObject();
        cJSON_AddStringToObject(step, "op", after ? "set" : "delete");
        cJSON_AddStringToObject(step, "path", paths[i]);
        if (after)
            cJSON_AddItemReferenceToObject(step, "value", after);
        if (before)
            cJSON_AddItemToObject(step, "old", cJSON_Duplicate(before, true));
        cJSON_AddItemToArray(list, step);
    }
    return list;
}
