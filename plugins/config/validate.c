/* What an edit and a commit must satisfy. */
#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/masks.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_names.h"
#include "plugins/config/parts.h"
#include "plugins/config/refs.h"
#include "plugins/config/validate.h"

/* Neither the value nor the names inside it. */
static int hidden(const struct parts *parts, const struct orb_err *why, struct orb_err *err)
{
    AUTO_FREE char *at = xstrndup(why->path, parts_shows(parts, why->path));

    return orb_fail_at(err, why->code, at, "the value does not fit (it is a secret and not shown)");
}

static int check_value(const struct parts *parts, const struct schema *schema, const char *path,
                       const json_t *value, struct orb_err *err)
{
    struct buf text = {0};
    struct orb_err why = {0};
    int r;

    parts_dump(parts, value, &text);
    r = parts_check(parts, schema, buf_str(&text), text.len, path, &why);
    parts_free_text(parts, &text);
    if (r == 0)
        return 0;
    if (why.code == ORB_E_LIMIT)
        return orb_fail_at(err, why.code, path, "%s", why.text);
    if (strlen(why.path) == sizeof(why.path) - 1 || parts_hide(parts, why.path))
        return hidden(parts, &why, err);
    if (err)
        *err = why;
    return why.code;
}

/* ---- edits ---- */

struct edit {
    const struct parts *parts;
    const struct overlay *overlay;
    const json_t *base;
    struct orb_err *err;
};

static int walk(const struct edit *e, const struct schema *schema, const char *path,
                json_t **value);

static int walk_members(const struct edit *e, const char *path, json_t *object)
{
    const char *key;
    json_t *member;
    void *next;

    json_object_foreach_safe(object, next, key, member)
    {
        AUTO(buf) struct buf at = {0};
        const struct schema *schema;
        json_t *now = member;
        int r;

        parts_pause(e->parts);
        buf_adds(&at, path);
        buf_add_pointer(&at, key);
        schema = parts_schema(e->parts, buf_str(&at), e->err);
        if (!schema)
            return e->err ? e->err->code : ORB_E_SCHEMA;
        r = walk(e, schema, buf_str(&at), &now);
        if (r < 0)
            return r;
        if (now != member)
            json_object_set_new(object, key, now);
    }
    return 0;
}

/* *value is replaced (a new reference) only for a masked secret. */
static int walk(const struct edit *e, const struct schema *schema, const char *path, json_t **value)
{
    const char *type = schema_facts_type(schema);

    if (json_is_null(*value))
        return orb_fail_at(e->err, ORB_E_SCHEMA, path,
                           "null is no value here; use delete to take something away");
    if (json_is_object(*value) && (!type || !strcmp(type, "object")))
        return walk_members(e, path, *value);
    if (masks_is_mask(*value) && parts_hide(e->parts, path)) {
        json_t *now = overlay_get(e->overlay, e->base, path);

        if (!now)
            return orb_fail_at(e->err, ORB_E_SCHEMA, path,
                               "\"" SECRET_MASK "\" replaces a secret that is already "
                               "configured, and there is none");
        *value = now;
        return 0;
    }
    if (json_is_array(*value)) {
        int r = masks_keep_secrets(e->parts, e->overlay, e->base, path, value, e->err);

        if (r < 0)
            return r;
    }
    return check_value(e->parts, schema, path, *value, e->err);
}

/* Arrays are values: their items cannot be edited separately. */
static int refuse_items(const struct parts *parts, const json_t *base, const char *path,
                        struct orb_err *err)
{
    AUTO_FREE char *above = xstrdup(path);

    for (char *slash = strrchr(above, '/'); slash && slash != above; slash = strrchr(above, '/')) {
        const struct schema *schema;
        const char *type;

        *slash = '\0';
        schema = parts_schema(parts, above, NULL);
        type = schema ? schema_facts_type(schema) : NULL;
        if (json_is_array(tree_get(base, above)) || (type && !strcmp(type, "array")))
            return orb_fail_at(err, ORB_E_INVALID, path,
                               "%s is a list: set the whole of it, for example [\"a\", \"b\"]",
                               above);
    }
    return 0;
}

/* How many objects and lists are inside each other. */
static unsigned depth_of(const struct parts *parts, const json_t *value)
{
    const char *key;
    json_t *one;
    size_t i;
    unsigned most = 0, below;

    if (!json_is_object(value) && !json_is_array(value))
        return 0;
    parts_pause(parts);
    json_object_foreach ((json_t *)value, key, one) {
        below = depth_of(parts, one);
        most = below > most ? below : most;
    }
    json_array_foreach (value, i, one) {
        below = depth_of(parts, one);
        most = below > most ? below : most;
    }
    return most + 1;
}

/* What is nested deeper could be stored, but neither shown nor loaded again. */
static int check_depth(const struct parts *parts, const char *path, const json_t *value,
                       struct orb_err *err)
{
    unsigned depth = depth_of(parts, value);

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
        depth++;
    if (depth <= VALIDATE_DEPTH)
        return 0;
    return orb_fail_at(err, ORB_E_LIMIT, path,
                       "the configuration may be nested %d levels deep; this value has %u",
                       VALIDATE_DEPTH, depth);
}

int validate_edit(const struct parts *parts, const struct overlay *overlay, const json_t *base,
                  const char *path, json_t **value, struct orb_err *err)
{
    struct orb_err unused = {0};
    struct edit e = {.parts = parts, .overlay = overlay, .base = base, .err = err ? err : &unused};
    const struct schema *schema;
    json_t *now = *value;
    int r;

    if (*path != '/')
        return orb_fail_at(err, ORB_E_INVALID, path,
                           "expected a path such as /firewall/rules/10; got \"%s\"", path);
    r = refuse_items(parts, base, path, e.err);
    if (r < 0)
        return r;
    /* What no package describes any more may still be taken out. */
    if (!*value && tree_get(base, path))
        return 0;
    schema = parts_schema(parts, path, e.err);
    if (!schema)
        return e.err->code;
    if (!*value)
        return 0;
    r = check_depth(parts, path, *value, e.err);
    if (r < 0)
        return r;
    r = walk(&e, schema, path, &now);
    if (r == 0 && now != *value) {
        parts_drop(parts, *value);
        *value = now;
    }
    return r;
}

/* ---- commits ---- */

struct check {
    const struct parts *parts;
    const struct overlay *overlay;
    const json_t *base;
    const char *before; /* path of the op checked before this one */
    struct orb_err *err;
};

static int check_required(const struct check *c, const json_t *node, const char *path)
{
    json_t *name;
    size_t i;

    json_array_foreach (json_object_get(node, "required"), i, name) {
        AUTO(buf) struct buf at = {0};

        buf_adds(&at, path);
        buf_add_pointer(&at, json_string_value(name) ? json_string_value(name) : "");
        if (!overlay_has(c->overlay, c->base, buf_str(&at)))
            return orb_fail_at(c->err, ORB_E_SCHEMA, path, "expected a member %s; it is missing",
                               json_string_value(name));
    }
    return 0;
}

static int check_count(const struct check *c, const json_t *node, const char *path)
{
    const json_t *min = json_object_get(node, "minProperties");
    const json_t *max = json_object_get(node, "maxProperties");
    size_t n;

    if (!min && !max)
        return 0;
    n = overlay_names_count(c->overlay, c->base, path);
    if (max && n > (size_t)json_integer_value(max))
        return orb_fail_at(c->err, ORB_E_SCHEMA, path,
                           "expected at most %" PRId64 " members; got %zu",
                           (int64_t)json_integer_value(max), n);
    if (min && n < (size_t)json_integer_value(min))
        return orb_fail_at(c->err, ORB_E_SCHEMA, path,
                           "expected at least %" PRId64 " members; got %zu",
                           (int64_t)json_integer_value(min), n);
    return 0;
}

static int check_whole(const struct check *c, const char *path)
{
    AUTO(json_t) json_t *value = overlay_get(c->overlay, c->base, path);
    const struct schema *schema = value ? parts_schema(c->parts, path, c->err) : NULL;

    if (!value)
        return 0;
    if (!schema)
        return c->err ? c->err->code : ORB_E_SCHEMA;
    return check_value(c->parts, schema, path, value, c->err);
}

/* Checks the object at the first end bytes of path, above an op. 1: it was checked as a whole. */
static int check_above(const struct check *c, const struct part *part, const json_t **node,
                       const char *path, size_t end)
{
    AUTO_FREE char *at = xstrndup(path, end);
    size_t next = end + 1 + strcspn(path + end + 1, "/");
    AUTO_FREE char *step = xstrndup(path + end, next - end);
    const char *tokens[1];
    AUTO_FREE char *storage = NULL;
    bool done = c->before && overlay_path_under(c->before, at) && c->before[end];
    bool clear = true;
    const json_t *here = *node;
    int r = 0;

    if (tree_split_pointer(step, tokens, 1, &storage) != 1)
        return orb_fail_at(c->err, ORB_E_INVALID, path, "not a path");
    *node = here ? parts_shape_member(part, here, tokens[0], &clear) : NULL;
    if (!here || !clear || parts_shape_combines(here)) {
        r = done ? 0 : check_whole(c, at);
        return r < 0 ? r : 1;
    }
    if (done)
        return 0;
    r = check_required(c, here, at);
    return r < 0 ? r : check_count(c, here, at);
}

static int check_op(const struct check *c, const char *path, const json_t *value)
{
    const char *rest = "";
    const struct part *part = parts_of(c->parts, path, &rest);
    const json_t *node = part ? parts_shape_root(part) : NULL;
    const struct schema *schema;
    size_t end = (size_t)(rest - path);

    if (!part && !value)
        return 0;
    while (part && path[end]) {
        int r = check_above(c, part, &node, path, end);

        if (r != 0)
            return r < 0 ? r : 0;
        end += 1 + strcspn(path + end + 1, "/");
    }
    if (!value)
        return 0;
    schema = parts_schema(c->parts, path, c->err);
    if (!schema)
        return c->err ? c->err->code : ORB_E_SCHEMA;
    return check_value(c->parts, schema, path, value, c->err);
}

int validate_patch(const struct parts *parts, const struct refs *refs, const struct overlay *exact,
                   const json_t *base, const json_t *patch, char *const *reads, struct orb_err *err)
{
    AUTO(rights)
    struct rights rights = {.parts = parts, .overlay = exact, .base = base, .reads = reads};
    struct check c = {.parts = parts, .overlay = exact, .base = base, .err = err};

    for (size_t i = 0; i < json_array_size(patch); i++) {
        const json_t *op = json_array_get(patch, i);
        const char *path = json_string_value(json_object_get(op, "path"));
        int r = check_op(&c, path, json_object_get(op, "value"));

        if (r < 0)
            return r;
        c.before = path;
        parts_pause(parts);
    }
    return refs_check(refs, &rights, patch, err);
}

int validate_part(const struct parts *parts, const char *name, const json_t *value,
                  struct orb_err *err)
{
    AUTO(buf) struct buf at = {0};
    const struct schema *schema;

    buf_add_pointer(&at, name);
    schema = parts_schema(parts, buf_str(&at), err);
    if (!schema)
        return err ? err->code : ORB_E_SCHEMA;
    return check_value(parts, schema, buf_str(&at), value, err);
}
