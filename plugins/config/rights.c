/* What references may look at: see rights.h. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/grants.h"
#include "plugins/config/rights.h"

static void forget(struct rights *r)
{
    json_decref(r->entry);
    r->entry = NULL;
    free(r->target);
    r->part = NULL;
    r->target = NULL;
}

void rights_fini(struct rights *r)
{
    forget(r);
}

static void entry_path(const struct part *part, struct buf *to)
{
    buf_adds(to, "/services");
    buf_add_pointer(to, part->package);
}

static void take_part(struct rights *r, const struct part *part)
{
    AUTO(buf) struct buf at = {0};

    forget(r);
    entry_path(part, &at);
    r->part = part;
    r->entry = overlay_get(r->overlay, r->base, buf_str(&at));
    r->active = grants_enabled(r->parts, part->package, r->entry);
}

/* Whether path is in the part used last. Saves a search for each of many references of one part. */
static bool is_same(const struct rights *r, const char *path)
{
    size_t n = r->part ? strlen(r->part->name) : 0;

    return n && *path == '/' && !strncmp(path + 1, r->part->name, n) &&
           (path[1 + n] == '/' || !path[1 + n]);
}

static bool is_hidden(const struct parts *parts, const char *path)
{
    return parts_hide(parts, path) || parts_shows(parts, path) < strlen(path);
}

static bool looks(const struct rights *r, const char *target)
{
    const char *package = r->part->package;

    if (is_hidden(r->parts, target) &&
        !grants_entry_covers(r->parts, package, r->entry, GRANT_SECRET, target))
        return false;
    return parts_of(r->parts, target, NULL) == r->part ||
           grants_entry_covers(r->parts, package, r->entry, GRANT_READ, target);
}

bool rights_look(struct rights *r, const char *path, const char *target)
{
    if (!is_same(r, path)) {
        const struct part *part = parts_of(r->parts, path, NULL);

        if (!part)
            return false;
        take_part(r, part);
    }
    if (!r->active)
        return false;
    if (!r->target || strcmp(r->target, target)) {
        free(r->target);
        r->target = xstrdup(target);
        r->looks = looks(r, target);
    }
    return r->looks;
}

bool rights_read(const struct rights *r, const char *path)
{
    return !r->reads || grants_covered(r->reads, path);
}

bool rights_name(const struct rights *r, const char *path)
{
    return rights_read(r, path) && !is_hidden(r->parts, path);
}

static bool are_equal(const json_t *a, const json_t *b)
{
    return a == b || json_equal(a, b);
}

bool rights_gained(struct rights *r, const struct part *part)
{
    AUTO(buf) struct buf at = {0};
    const json_t *before;

    entry_path(part, &at);
    before = tree_get(r->base, buf_str(&at));
    take_part(r, part);
    if (!r->active)
        return false;
    return !grants_enabled(r->parts, part->package, before) ||
           !are_equal(json_object_get(before, "grants"), json_object_get(r->entry, "grants"));
}
