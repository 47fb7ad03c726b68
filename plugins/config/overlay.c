/* Changes over a tree: see overlay.h. The cost depends on the number of changes and
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

size_t overlay_token_len(const char *path, size_t skip)
{
    return strcspn(path + skip + 1, "/");
}

char *overlay_token_name(const char *text, size_t len)
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
        size_t len = overlay_token_len(path, depth), next = depth + 1 + len;
        AUTO_FREE char *name = overlay_token_name(path + depth + 1, len);
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
