/* Changes over a tree, and patches made of them. The cost depends on the number of changes and
 * their depth, not on the size of the tree: at most a chain of shallow copies, and only when a
 * caller reads a value with changes inside. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/pointer.h"
#include "core/base/xalloc.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_internal.h"
#include "plugins/config/parts.h"

static int weight(char c)
{
    return c == '\0' ? 0 : c == '/' ? 1 : 2 + (unsigned char)c;
}

int overlay_compare_paths(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return weight(*a) - weight(*b);
}

bool overlay_path_under(const char *path, const char *top)
{
    size_t n = strlen(top);

    return !strncmp(path, top, n) && (path[n] == '\0' || path[n] == '/');
}

bool overlay_path_touches(const char *a, const char *b)
{
    return overlay_path_under(a, b) || overlay_path_under(b, a);
}

void overlay_fini(struct overlay *o)
{
    struct overlay all = *o;

    *o = (struct overlay){.parts = all.parts};
    for (size_t i = 0; i < all.count; i++) {
        free(all.list[i].path);
        parts_drop(all.parts, all.list[i].value);
    }
    free(all.list);
}

/* Index of the first change that is not before path. */
size_t overlay_lower(const struct overlay *o, const char *path)
{
    size_t lo = 0, hi = o->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (overlay_compare_paths(o->list[mid].path, path) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The change at path or an ancestor; rest: the remainder of path. At most one exists: the exact
 * one, or the last change before path that is a prefix of it. */
struct change *overlay_above(const struct overlay *o, const char *path, const char **ret_rest)
{
    size_t i = overlay_lower(o, path);

    if (i < o->count && !strcmp(o->list[i].path, path)) {
        *ret_rest = "";
        return &o->list[i];
    }
    if (i > 0 && overlay_path_under(path, o->list[i - 1].path)) {
        *ret_rest = path + strlen(o->list[i - 1].path);
        return &o->list[i - 1];
    }
    return NULL;
}

/* The changes strictly below path: [first, ret_end). */
size_t overlay_below(const struct overlay *o, const char *path, size_t *ret_end)
{
    size_t i = overlay_lower(o, path), n;

    if (i < o->count && !strcmp(o->list[i].path, path))
        i++;
    n = i;
    while (n < o->count && overlay_path_under(o->list[n].path, path))
        n++;
    *ret_end = n;
    return i;
}

void overlay_drop(struct overlay *o, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        free(o->list[i].path);
        json_decref(o->list[i].value);
    }
    if (end > first)
        memmove(o->list + first, o->list + end, (o->count - end) * sizeof(*o->list));
    o->count -= end - first;
}

void overlay_insert(struct overlay *o, size_t at, const char *path, json_t *value)
{
    if (o->count == o->cap) {
        o->cap = o->cap ? 2 * o->cap : 8;
        o->list = xrealloc(o->list, o->cap * sizeof(*o->list));
    }
    memmove(o->list + at + 1, o->list + at, (o->count - at) * sizeof(*o->list));
    o->list[at] = (struct change){.path = xstrdup(path), .value = value, .base = o->stamp};
    o->count++;
}

/* Length of the shortest prefix of path at which base has no value, or (above path) a value that is
 * no object, so that it cannot have what is below. 0 when path itself exists. */
size_t overlay_broken_prefix(const json_t *base, const char *path)
{
    AUTO_FREE char *copy = xstrdup(path);

    for (char *p = copy + 1;; p++) {
        char c = *p;
        json_t *at;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        at = tree_get(base, copy);
        *p = c;
        if (!at || (c && !json_is_object(at)))
            return (size_t)(p - copy);
        if (!c)
            return 0;
    }
}

/* Of two that are equal: the very value is the same whatever it is: it was not given, it stayed, or
 * was masked. One that was given is if there is no secret in it. Elements of lists are looked at
 * one by one. */
static bool same_shown(const struct parts *parts, json_t *old, json_t *value, json_t *shown)
{
    json_t *item;
    size_t i;

    if (old == value)
        return true;
    if (!json_is_array(value))
        return parts_equal(parts, shown, value);
    json_array_foreach (value, i, item) {
        parts_pause(parts);
        if (!same_shown(parts, json_array_get(old, i), item, json_array_get(shown, i)))
            return false;
    }
    return true;
}

bool overlay_is_same(const struct parts *parts, const char *path, json_t *old, json_t *value)
{
    AUTO(json_t) json_t *shown = NULL;
    const struct part *part;

    if (old == value)
        return true;
    if (!old || !value || !parts_equal(parts, old, value))
        return false;
    part = parts ? parts_of(parts, path, NULL) : NULL;
    if (!part || !part->has_secrets)
        return true;
    shown = parts_mask(parts, path, json_incref(value));
    return same_shown(parts, old, value, shown);
}

int overlay_set(struct overlay *o, const json_t *base, const char *path, json_t *value,
                struct orb_err *err)
{
    const char *rest = NULL;
    struct change *c = overlay_above(o, path, &rest);
    json_t *old = tree_get(base, path);
    size_t first, end, broken;

    if (c && *rest) {
        if (!value) {
            if (c->value)
                tree_delete(c->value, rest, false);
            return 0;
        }
        if (!json_is_object(c->value)) {
            json_decref(c->value);
            c->value = json_object();
        }
        /* A member of what was no object makes it one. */
        broken = overlay_broken_prefix(c->value, rest);
        if (broken && rest[broken]) {
            AUTO_FREE char *at = xstrndup(rest, broken);
            int r = tree_set(c->value, at, json_object(), err);

            if (r < 0) {
                json_decref(value);
                return r;
            }
        }
        return tree_set(c->value, rest, value, err);
    }
    first = overlay_below(o, path, &end);
    if (c)
        first--;
    overlay_drop(o, first, end);
    if (overlay_is_same(o->parts, path, old, value)) {
        json_decref(value);
        return 0;
    }
    overlay_insert(o, first, path, value);
    return 0;
}

/* The next token of path after its first skip bytes (which end before a '/'): its length. */
static size_t token_len(const char *path, size_t skip)
{
    return strcspn(path + skip + 1, "/");
}

/* The member name of the token of len bytes at text, unescaped. */
static char *token_name(const char *text, size_t len)
{
    char *name = xstrndup(text, len);

    pointer_unescape(name);
    return name;
}

/* Builds the value at depth bytes into the paths of list[first, end): copies of the objects on the
 * way to the changes, everything else shared. */
static json_t *build(const struct overlay *o, json_t *base, size_t depth, size_t first, size_t end)
{
    json_t *result = parts_copy_members(o->parts, base);

    for (size_t i = first; i < end;) {
        const char *path = o->list[i].path;
        size_t len = token_len(path, depth), next = depth + 1 + len;
        AUTO_FREE char *name = token_name(path + depth + 1, len);
        size_t last = i + 1;

        while (last < end && !strncmp(o->list[last].path, path, next) &&
               (o->list[last].path[next] == '/' || o->list[last].path[next] == '\0'))
            last++;
        if (path[next] == '\0') {
            if (o->list[i].value)
                json_object_set(result, name, o->list[i].value);
            else
                json_object_del(result, name);
        } else {
            json_t *child = build(o, json_object_get(base, name), next, i, last);

            if (child)
                json_object_set_new(result, name, child);
        }
        i = last;
        parts_pause(o->parts);
    }
    if (!base && json_object_size(result) == 0) {
        json_decref(result);
        return NULL;
    }
    return result;
}

json_t *overlay_get(const struct overlay *o, const json_t *base, const char *path)
{
    const char *rest = NULL;
    struct change *c = overlay_above(o, path, &rest);
    json_t *old = tree_get(base, path);
    size_t first, end;

    if (c)
        return c->value ? json_incref(tree_get(c->value, rest)) : NULL;
    first = overlay_below(o, path, &end);
    if (first == end)
        return json_incref(old);
    return build(o, old, strlen(path), first, end);
}

bool overlay_has(const struct overlay *o, const json_t *base, const char *path)
{
    const char *rest = NULL;
    struct change *c = overlay_above(o, path, &rest);
    size_t first, end;

    if (c)
        return c->value && tree_get(c->value, rest);
    if (tree_get(base, path))
        return true;
    first = overlay_below(o, path, &end);
    for (; first < end; first++)
        if (o->list[first].value)
            return true;
    return false;
}

/* Names that are looked for. */
struct names {
    json_t *list;
    const char *prefix;
    size_t most;
};

static bool wants_name(const struct names *names, const char *name)
{
    return !strncmp(name, names->prefix, strlen(names->prefix));
}

/* Those of value that are there in o; value is at path in its base, or, o NULL, is what is
 * there. */
static void add_names(const struct names *names, json_t *value, const struct overlay *o,
                      const json_t *base, const char *path)
{
    const char *key;
    json_t *member;

    json_object_foreach (value, key, member) {
        AUTO(buf) struct buf at = {0};

        if (json_array_size(names->list) >= names->most)
            return;
        if (wants_name(names, key)) {
            buf_adds(&at, path);
            buf_add_pointer(&at, key);
        }
        if (at.len && (!o || overlay_has(o, base, buf_str(&at))))
            json_array_append_new(names->list, json_string(key));
        parts_pause(o ? o->parts : NULL);
    }
}

json_t *overlay_names(const struct overlay *o, const json_t *base, const char *path,
                      const char *prefix, size_t most)
{
    const struct names names = {json_array(), prefix, most};
    json_t *old = tree_get(base, path);
    const char *rest = NULL;
    const struct change *c = overlay_above(o, path, &rest);
    size_t first, end, depth = strlen(path);

    if (c)
        add_names(&names, c->value ? tree_get(c->value, rest) : NULL, NULL, NULL, "");
    first = c ? 0 : overlay_below(o, path, &end);
    if (!c)
        add_names(&names, old, first < end ? o : NULL, base, path);
    while (!c && first < end && json_array_size(names.list) < most) {
        const char *at = o->list[first].path;
        size_t len = token_len(at, depth);
        AUTO_FREE char *name = token_name(at + depth + 1, len);
        AUTO_FREE char *child = xstrndup(at, depth + 1 + len);

        if (wants_name(&names, name) && !json_object_get(old, name) && overlay_has(o, base, child))
            json_array_append_new(names.list, json_string(name));
        while (first < end && overlay_path_under(o->list[first].path, child))
            first++;
        parts_pause(o->parts);
    }
    return names.list;
}

size_t overlay_size(const struct overlay *o, const json_t *base, const char *path)
{
    const char *rest = NULL;
    struct change *c = overlay_above(o, path, &rest);
    json_t *old = tree_get(base, path);
    size_t first, end, depth = strlen(path);
    size_t n = json_object_size(old);

    if (c)
        return c->value ? json_object_size(tree_get(c->value, rest)) : 0;
    first = overlay_below(o, path, &end);
    while (first < end) {
        const char *at = o->list[first].path;
        size_t len = token_len(at, depth);
        AUTO_FREE char *child = xstrndup(at, depth + 1 + len);
        bool was = tree_get(base, child), is = overlay_has(o, base, child);

        n = n + (is && !was) - (was && !is);
        while (first < end && overlay_path_under(o->list[first].path, child))
            first++;
    }
    return n;
}

int overlay_touching(const struct overlay *o, const char *path,
                     int (*cb)(void *arg, struct change *change), void *arg)
{
    const char *rest;
    struct change *c = overlay_above(o, path, &rest);
    size_t first, end;
    int r = c ? cb(arg, c) : 0;

    first = overlay_below(o, path, &end);
    for (; r == 0 && first < end; first++)
        r = cb(arg, &o->list[first]);
    return r;
}

bool overlay_covers(const struct overlay *o, const char *path)
{
    const char *rest;

    return overlay_above(o, path, &rest) != NULL;
}

void overlay_exact(struct overlay *o, const json_t *patch)
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

/* ---- patches ---- */

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
        overlay_diff(parts, patch, buf_str(&at), value, json_object_get(new, key));
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

void overlay_diff(const struct parts *parts, json_t *patch, const char *path, json_t *old,
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
            overlay_diff(o->parts, patch, c->path, tree_get(base, c->path), c->value);
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

int overlay_apply(json_t *tree, const json_t *patch, bool inverse, struct orb_err *err)
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

int overlay_take_patch(struct overlay *o, const json_t *base, const json_t *patch, bool inverse,
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
