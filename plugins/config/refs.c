/* References in both directions. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"
#include "plugins/config/refs.h"

#define NAMES_SHOWN 8
#define NAMES_COMPARED 256

void refs_fini(struct refs *refs)
{
    json_decref(refs->index);
    refs->index = NULL;
}

struct noting {
    json_t *index;
    bool add;
};

static int on_note(void *arg, const char *path, const char *target, const char *value)
{
    struct noting *n = arg;
    AUTO(buf) struct buf at = {0};
    json_t *from;

    buf_adds(&at, target);
    buf_add_pointer(&at, value);
    from = json_object_get(n->index, buf_str(&at));
    if (!n->add) {
        json_object_del(from, path);
        if (from && json_object_size(from) == 0)
            json_object_del(n->index, buf_str(&at));
        return 0;
    }
    if (!from) {
        from = json_object();
        json_object_set_new(n->index, buf_str(&at), from);
    }
    json_object_set_new(from, path, json_true());
    return 0;
}

/* Calls cb for the references of a value that stands at path. */
static int each(const struct parts *parts, const char *path, const json_t *value, schema_ref_fn *cb,
                void *arg)
{
    const struct schema *schema = parts_schema(parts, path, NULL);
    AUTO(buf) struct buf text = {0};

    if (!schema || !value)
        return 0;
    tree_dump(value, &text);
    return schema_refs_each(schema, buf_str(&text), text.len, path, cb, arg);
}

void refs_build(struct refs *refs, const struct parts *parts, const json_t *tree)
{
    struct noting n = {.index = json_object(), .add = true};
    const char *key;
    json_t *value;

    refs_fini(refs);
    refs->index = n.index;
    json_object_foreach ((json_t *)tree, key, value) {
        AUTO(buf) struct buf at = {0};

        buf_add_pointer(&at, key);
        each(parts, buf_str(&at), value, on_note, &n);
    }
}

void refs_update(struct refs *refs, const struct parts *parts, const json_t *patch)
{
    for (int pass = 0; pass < 2; pass++) {
        struct noting n = {.index = refs->index, .add = pass == 1};

        for (size_t i = 0; i < json_array_size(patch); i++) {
            const json_t *op = json_array_get(patch, i);

            each(parts, json_string_value(json_object_get(op, "path")),
                 json_object_get(op, n.add ? "value" : "old"), on_note, &n);
        }
    }
}

/* ---- new values ---- */

struct checking {
    const struct parts *parts;
    const struct overlay *overlay;
    const json_t *base;
    struct orb_err *err;
};

static int on_check(void *arg, const char *path, const char *target, const char *value)
{
    struct checking *c = arg;
    AUTO(buf) struct buf at = {0}, known = {0};
    AUTO(json_t) json_t *map = NULL;
    const char *names[NAMES_COMPARED];
    const char *key, *near;
    json_t *member;
    size_t n = 0;

    buf_adds(&at, target);
    buf_add_pointer(&at, value);
    if (overlay_has(c->overlay, c->base, buf_str(&at)))
        return 0;
    if (parts_hide(c->parts, path))
        return orb_fail_at(c->err, ORB_E_SCHEMA, path,
                           "expected a name of %s (the value is a secret and not shown)", target);
    map = overlay_get(c->overlay, c->base, target);
    json_object_foreach (map, key, member) {
        if (n == NAMES_COMPARED)
            break;
        if (n < NAMES_SHOWN)
            buf_addf(&known, "%s%s", n ? ", " : "", key);
        names[n++] = key;
    }
    near = suggest_nearest(value, names, n);
    return orb_fail_at(c->err, ORB_E_SCHEMA, path, "expected a name of %s (%s%s); got \"%s\"%s%s%s",
                       target, n ? buf_str(&known) : "none is configured",
                       n > NAMES_SHOWN ? ", …" : "", value, SUGGEST_ARGS(near));
}

/* ---- what goes ---- */

static int check_gone(const struct refs *refs, const struct overlay *overlay, const char *path,
                      struct orb_err *err)
{
    json_t *from = json_object_get(refs->index, path), *flag;
    AUTO(buf) struct buf names = {0};
    const char *referrer;
    size_t n = 0;

    json_object_foreach (from, referrer, flag) {
        /* Taken back or replaced by the same patch: its new value was checked. */
        if (overlay_covers(overlay, referrer))
            continue;
        if (n == 3) {
            buf_adds(&names, ", …");
            break;
        }
        buf_addf(&names, "%s%s", n++ ? ", " : "", referrer);
    }
    if (!n)
        return 0;
    return orb_fail_at(err, ORB_E_SCHEMA, path, "cannot go: it is used by %s", buf_str(&names));
}

/* Every path in old that is not there any more. */
static int check_removed(const struct refs *refs, const struct overlay *overlay, const json_t *base,
                         const char *path, const json_t *old, struct orb_err *err)
{
    const char *key;
    json_t *member;
    int r = 0;

    if (json_object_get(refs->index, path) && !overlay_has(overlay, base, path))
        r = check_gone(refs, overlay, path, err);
    json_object_foreach ((json_t *)old, key, member) {
        AUTO(buf) struct buf at = {0};

        if (r < 0)
            return r;
        buf_adds(&at, path);
        buf_add_pointer(&at, key);
        r = check_removed(refs, overlay, base, buf_str(&at), member, err);
    }
    return r;
}

int refs_check(const struct refs *refs, const struct parts *parts, const struct overlay *overlay,
               const json_t *base, const json_t *patch, struct orb_err *err)
{
    struct checking c = {.parts = parts, .overlay = overlay, .base = base, .err = err};

    for (size_t i = 0; i < json_array_size(patch); i++) {
        const json_t *op = json_array_get(patch, i);
        const char *path = json_string_value(json_object_get(op, "path"));
        const json_t *old = json_object_get(op, "old");
        int r = each(parts, path, json_object_get(op, "value"), on_check, &c);

        if (r == ORB_E_LIMIT)
            return orb_fail_at(err, r, path,
                               "the value is too costly to search for names of other parts");
        if (r == 0 && old)
            r = check_removed(refs, overlay, base, path, old, err);
        if (r < 0)
            return r;
    }
    return 0;
}
