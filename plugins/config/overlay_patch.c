/* Patches, made of an overlay, and overlays made of patches: see overlay_patch.h. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/overlay_internal.h"
#include "plugins/config/overlay_patch.h"

static void add_op(json_t *patch, const char *path, json_t *old, json_t *value)
{
    json_t *op = json_object();

    json_object_set_new(op, "op", json_string(value ? "set" : "delete"));
    json_object_set_new(op, "path", json_string(path));
    if (value)
        json_object_set(op, "value", value);
    if (old)
        json_object_set(op, "old", old);
    json_array_append_new(patch, op);
}

static void diff_members(const struct parts *parts, json_t *patch, const char *path, json_t *old,
                         json_t *new)
{
    AUTO(buf) struct buf at = {0};
    const char *key;
    json_t *value;

    json_object_foreach (old, key, value) {
        buf_clear(&at);
        buf_adds(&at, path);
        buf_add_pointer(&at, key);
        overlay_patch_diff(parts, patch, buf_str(&at), value, json_object_get(new, key));
        parts_pause(parts);
    }
    json_object_foreach (new, key, value) {
        if (json_object_get(old, key))
            continue;
        buf_clear(&at);
        buf_adds(&at, path);
        buf_add_pointer(&at, key);
        add_op(patch, buf_str(&at), NULL, value);
    }
}

void overlay_patch_diff(const struct parts *parts, json_t *patch, const char *path, json_t *old,
                        json_t *new)
{
    if (old == new)
        return;
    if (json_is_object(old) && json_is_object(new))
        diff_members(parts, patch, path, old, new);
    else if (!overlay_is_same(parts, path, old, new))
        add_op(patch, path, old, new);
}

/* The last op if its path is the first len bytes of path. */
static json_t *last_op_at(json_t *patch, const char *path, size_t len)
{
    json_t *op = json_array_get(patch, json_array_size(patch) - 1);
    const char *at = op ? json_string_value(json_object_get(op, "path")) : NULL;

    return at && strlen(at) == len && !strncmp(at, path, len) ? op : NULL;
}

/* Adds a change below what base cannot hold: as (part of) one new object at the broken place. */
static void add_below(json_t *patch, const json_t *base, const struct change *c, size_t broken)
{
    AUTO_FREE char *at = xstrndup(c->path, broken);
    AUTO(json_t) json_t *made = NULL;
    json_t *op = last_op_at(patch, c->path, broken);

    if (!c->path[broken]) {
        add_op(patch, at, NULL, c->value);
        return;
    }
    if (!op) {
        made = json_object();
        add_op(patch, at, tree_get(base, at), made);
        op = json_array_get(patch, json_array_size(patch) - 1);
    }
    tree_set(json_object_get(op, "value"), c->path + broken, json_incref(c->value), NULL);
}

json_t *overlay_patch(const struct overlay *o, const json_t *base)
{
    json_t *patch = json_array();

    for (size_t i = 0; i < o->count; i++) {
        const struct change *c = &o->list[i];
        size_t broken = overlay_broken_prefix(base, c->path);

        if (!broken)
            overlay_patch_diff(o->parts, patch, c->path, tree_get(base, c->path), c->value);
        else if (c->value)
            add_below(patch, base, c, broken);
        parts_pause(o->parts);
    }
    return patch;
}

void overlay_patch_drop(const struct parts *parts, json_t **patch)
{
    json_t *all = *patch;

    *patch = NULL;
    parts_drop(parts, all);
}

int overlay_patch_apply(json_t *tree, const json_t *patch, bool inverse, struct orb_err *err)
{
    size_t count = json_array_size(patch);

    for (size_t i = 0; i < count; i++) {
        const json_t *op = json_array_get(patch, i);
        const char *path = json_string_value(json_object_get(op, "path"));
        json_t *value = json_object_get(op, inverse ? "old" : "value");
        int r;

        if (!path || !*path)
            return orb_fail(err, ORB_E_INVALID, "change %zu has no path", i);
        if (!value) {
            tree_delete(tree, path, false);
            continue;
        }
        r = tree_set(tree, path, json_incref(value), err);
        if (r < 0)
            return r;
    }
    return 0;
}

int overlay_patch_take(struct overlay *o, const json_t *base, const json_t *patch, bool inverse,
                       struct orb_err *err)
{
    for (size_t i = 0; i < json_array_size(patch); i++) {
        const json_t *op = json_array_get(patch, i);
        const char *path = json_string_value(json_object_get(op, "path"));
        json_t *value = json_object_get(op, inverse ? "old" : "value");
        int r;

        if (!path || !*path)
            return orb_fail(err, ORB_E_INVALID, "change %zu has no path", i);
        r = overlay_set(o, base, path, parts_copy(o->parts, value), err);
        if (r < 0)
            return r;
        parts_pause(o->parts);
    }
    return 0;
}

void overlay_patch_exact(struct overlay *o, const json_t *patch)
{
    for (size_t i = 0; i < json_array_size(patch); i++) {
        const json_t *op = json_array_get(patch, i);
        const char *path = json_string_value(json_object_get(op, "path"));

        bool last = !o->count || overlay_compare_paths(o->list[o->count - 1].path, path) < 0;

        overlay_insert(o, last ? o->count : overlay_lower(o, path), path,
                       json_incref(json_object_get(op, "value")));
        parts_pause(o->parts);
    }
}
