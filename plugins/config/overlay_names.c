/* Names of members: see overlay_names.h. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/overlay_internal.h"
#include "plugins/config/overlay_names.h"

/* Names that are looked for. */
struct names {
    json_t *list;
    const char *prefix;
    size_t most;
};

static bool needs_name(const struct names *names, const char *name)
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
        if (needs_name(names, key)) {
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
        size_t len = overlay_token_len(at, depth);
        AUTO_FREE char *name = overlay_token_name(at + depth + 1, len);
        AUTO_FREE char *child = xstrndup(at, depth + 1 + len);

        if (needs_name(&names, name) && !json_object_get(old, name) && overlay_has(o, base, child))
            json_array_append_new(names.list, json_string(name));
        while (first < end && overlay_path_under(o->list[first].path, child))
            first++;
        parts_pause(o->parts);
    }
    return names.list;
}

size_t overlay_names_count(const struct overlay *o, const json_t *base, const char *path)
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
        size_t len = overlay_token_len(at, depth);
        AUTO_FREE char *child = xstrndup(at, depth + 1 + len);
        bool was = tree_get(base, child), is = overlay_has(o, base, child);

        n = n + (is && !was) - (was && !is);
        while (first < end && overlay_path_under(o->list[first].path, child))
            first++;
    }
    return n;
}
