/* References in both directions. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "core/base/xalloc.h"
#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"
#include "plugins/config/refs.h"

#define NAMES_SHOWN 8
#define NAMES_COMPARED 256
#define NAMES_OF_HOLDERS 3
#define TOO_COSTLY "the value is too costly to search for names of other parts"

void refs_fini(struct refs *refs)
{
    json_decref(refs->index);
    refs->index = NULL;
}

struct noting {
    const struct parts *parts;
    json_t *index;
    json_t *own; /* {target: true}: whose holders are of this index alone; NULL: all are */
    bool add;
};

/* The holders of the references to target, which may be changed. */
static json_t *holders(const struct noting *n, const char *target)
{
    json_t *from = json_object_get(n->index, target);

    if (!from && !n->add)
        return NULL;
    if (from && (!n->own || json_object_get(n->own, target)))
        return from;
    from = from ? parts_copy_members(n->parts, from) : json_object();
    json_object_set_new(n->index, target, from);
    if (n->own)
        json_object_set_new(n->own, target, json_true());
    return from;
}

static int on_note(void *arg, const char *path, const char *target, const char *value)
{
    struct noting *n = arg;
    AUTO(buf) struct buf at = {0};
    json_t *from;

    buf_adds(&at, target);
    buf_add_pointer(&at, value);
    from = holders(n, buf_str(&at));
    if (!n->add) {
        json_object_del(from, path);
        if (from && json_object_size(from) == 0)
            json_object_del(n->index, buf_str(&at));
        return 0;
    }
    json_object_set_new(from, path, json_true());
    return 0;
}

/* Calls cb for the references of a value at path. */
static int each(const struct parts *parts, const char *path, const json_t *value, schema_ref_fn *cb,
                void *arg)
{
    const struct schema *schema = parts_schema(parts, path, NULL);
    struct buf text = {0};
    int r;

    if (!schema || !value || !schema_refs_any(schema))
        return 0;
    parts_dump(parts, value, &text);
    r = parts_refs(parts, schema, buf_str(&text), text.len, path, cb, arg);
    parts_free_text(parts, &text);
    return r;
}

void refs_build(struct refs *refs, const struct parts *parts, const json_t *tree)
{
    struct noting n = {.parts = parts, .index = json_object(), .add = true};
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

static void follow(struct noting *n, const json_t *patch)
{
    for (int pass = 0; pass < 2; pass++) {
        n->add = pass == 1;
        for (size_t i = 0; i < json_array_size(patch); i++) {
            const json_t *op = json_array_get(patch, i);

            each(n->parts, json_string_value(json_object_get(op, "path")),
                 json_object_get(op, n->add ? "value" : "old"), on_note, n);
            parts_pause(n->parts);
        }
    }
}

void refs_update(struct refs *refs, const struct parts *parts, const json_t *patch)
{
    struct noting n = {.parts = parts, .index = refs->index};

    follow(&n, patch);
}

json_t *refs_next(const struct refs *refs, const struct parts *parts, const json_t *patch)
{
    AUTO(json_t) json_t *own = json_object();
    struct noting n = {.parts = parts, .index = parts_copy_members(parts, refs->index), .own = own};

    follow(&n, patch);
    return n.index;
}

/* ---- new values ---- */

struct checking {
    struct rights *rights;
    const char *own; /* path of the op that gives the value; NULL: it was there */
    struct orb_err *err;
};

/* The names of the map, as far as the caller may know them, and a suggestion. */
static int refuse_name(const struct checking *c, const char *path, const char *target,
                       const char *value)
{
    const struct rights *r = c->rights;
    AUTO(buf) struct buf known = {0};
    AUTO(json_t) json_t *map = NULL;
    const char *names[NAMES_COMPARED];
    const char *key, *near;
    json_t *member;
    size_t n = 0;

    map = overlay_get(r->overlay, r->base, target);
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

static int on_check(void *arg, const char *path, const char *target, const char *value)
{
    struct checking *c = arg;
    struct rights *r = c->rights;
    AUTO(buf) struct buf at = {0};

    if (!rights_look(r, path, target))
        return 0;
    buf_adds(&at, target);
    buf_add_pointer(&at, value);
    if (overlay_has(r->overlay, r->base, buf_str(&at)))
        return 0;
    if (!rights_read(r, path) && !(c->own && overlay_path_under(path, c->own)))
        return orb_fail_at(c->err, ORB_E_SCHEMA, "/services",
                           "the configuration of %s refers to a name that does not exist",
                           r->part->package);
    if (parts_hide(r->parts, path))
        return orb_fail_at(c->err, ORB_E_SCHEMA, path,
                           "expected a name of %s (the value is a secret and not shown)", target);
    if (!rights_name(r, target))
        return orb_fail_at(c->err, ORB_E_SCHEMA, path,
                           "expected a name of %s (which there are is not shown); got \"%s\"",
                           target, value);
    return refuse_name(c, path, target, value);
}

/* ---- deletions ---- */

/* Names the holder of a reference: its path, or only its owner. */
static void add_holder(const struct rights *r, const char *path, struct buf *to)
{
    size_t shown = parts_shows(r->parts, path);

    buf_adds(to, to->len ? ", " : "");
    if (rights_read(r, path))
        buf_addf(to, "%.*s", (int)shown, path);
    else
        buf_addf(to, "the configuration of %s", r->part->package);
}

static int check_gone(const struct refs *refs, const struct checking *c, const char *path)
{
    const char *last = strrchr(path, '/');
    AUTO_FREE char *target = xstrndup(path, last ? (size_t)(last - path) : 0);
    json_t *from = json_object_get(refs->index, path), *flag;
    AUTO(buf) struct buf names = {0};
    const char *holder;
    size_t n = 0;

    json_object_foreach (from, holder, flag) {
        /* Deleted or replaced by the same patch: its new value was checked. */
        if (overlay_covers(c->rights->overlay, holder))
            continue;
        if (!rights_look(c->rights, holder, target))
            continue;
        if (n++ == NAMES_OF_HOLDERS) {
            buf_adds(&names, ", …");
            break;
        }
        add_holder(c->rights, holder, &names);
    }
    if (!n)
        return 0;
    return orb_fail_at(c->err, ORB_E_SCHEMA, rights_read(c->rights, path) ? path : c->own,
                       "cannot go: it is used by %s", buf_str(&names));
}

/* Every path in old that is not there any more. */
static int check_removed(const struct refs *refs, const struct checking *c, const char *path,
                         const json_t *old)
{
    const char *key;
    json_t *member;
    int r = 0;

    if (json_object_get(refs->index, path) &&
        !overlay_has(c->rights->overlay, c->rights->base, path))
        r = check_gone(refs, c, path);
    json_object_foreach ((json_t *)old, key, member) {
        AUTO(buf) struct buf at = {0};

        if (r < 0)
            return r;
        buf_adds(&at, path);
        buf_add_pointer(&at, key);
        r = check_removed(refs, c, buf_str(&at), member);
    }
    return r;
}

/* ---- packages that look at more than before ---- */

static int check_gained(struct rights *rights, struct orb_err *err)
{
    struct checking c = {.rights = rights, .err = err};

    for (size_t i = 0; i < rights->parts->count; i++) {
        const struct part *part = &rights->parts->list[i];
        AUTO(json_t) json_t *value = NULL;
        AUTO(buf) struct buf at = {0};
        int r;

        if (!rights_gained(rights, part))
            continue;
        buf_add_pointer(&at, part->name);
        value = overlay_get(rights->overlay, rights->base, buf_str(&at));
        r = each(rights->parts, buf_str(&at), value, on_check, &c);
        if (r < 0)
            return r == ORB_E_LIMIT ? orb_fail_at(err, r, buf_str(&at), TOO_COSTLY) : r;
    }
    return 0;
}

static int check_op(const struct refs *refs, struct rights *rights, const json_t *op,
                    struct orb_err *err)
{
    struct checking c = {.rights = rights, .err = err};
    const json_t *old = json_object_get(op, "old");
    int r;

    c.own = json_string_value(json_object_get(op, "path"));
    r = each(rights->parts, c.own, json_object_get(op, "value"), on_check, &c);
    if (r == ORB_E_LIMIT)
        return orb_fail_at(err, r, c.own, TOO_COSTLY);
    return r == 0 && old ? check_removed(refs, &c, c.own, old) : r;
}

int refs_check(const struct refs *refs, struct rights *rights, const json_t *patch,
               struct orb_err *err)
{
    bool services = false;
    int r = 0;

    for (size_t i = 0; r == 0 && i < json_array_size(patch); i++) {
        const json_t *op = json_array_get(patch, i);

        parts_pause(rights->parts);
        services |=
            overlay_path_touches(json_string_value(json_object_get(op, "path")), "/services");
        r = check_op(refs, rights, op, err);
    }
    return r == 0 && services ? check_gained(rights, err) : r;
}
