/* Candidates: what a user has edited and not yet committed, as changes over the running tree. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/validate.h"

static void candidate_free(struct candidate *c)
{
    overlay_fini(&c->changes);
    buf_fini(&c->load);
    free(c->user);
    free(c);
}

void candidate_free_all(struct engine *engine)
{
    while (engine->candidates) {
        struct candidate *c = engine->candidates;

        engine->candidates = c->next;
        candidate_free(c);
    }
}

struct candidate *candidate_find(struct engine *engine, const char *user)
{
    for (struct candidate *c = engine->candidates; c; c = c->next)
        if (!strcmp(c->user, user))
            return c;
    return NULL;
}

struct candidate *candidate_new(struct engine *engine, const char *user)
{
    struct candidate *c = xcalloc(1, sizeof(*c));

    c->user = xstrdup(user);
    c->next = engine->candidates;
    engine->candidates = c;
    return c;
}

static bool has_room(const struct engine *engine, const char *user, struct orb_err *err)
{
    bool service = grants_is_service(user);
    unsigned n = 0, of_services = 0;

    for (const struct candidate *c = engine->candidates; c; c = c->next) {
        of_services += grants_is_service(c->user);
        n++;
    }
    if (n < ENGINE_MAX_CANDIDATES &&
        !(service && of_services >= ENGINE_MAX_CANDIDATES / ENGINE_FOR_PEOPLE))
        return true;
    orb_fail(err, ORB_E_LIMIT, "%u %s have uncommitted changes, and no more may",
             service ? of_services : n, service ? "services" : "users and services");
    return false;
}

struct candidate *candidate_edit(struct engine *engine, const char *user, struct orb_err *err)
{
    struct candidate *c = candidate_find(engine, user);

    if (c && c->committing) {
        orb_fail(err, ORB_E_BUSY, "your changes are being committed; edit again when that is done");
        return NULL;
    }
    if (methods_edit_check_lock(engine, user, err) < 0)
        return NULL;
    if (!c && !has_room(engine, user, err))
        return NULL;
    if (!c)
        c = candidate_new(engine, user);
    c->changes.stamp = engine->store.revision;
    return c;
}

void candidate_moved_all(struct engine *engine, uint64_t from, uint64_t to)
{
    for (struct candidate *c = engine->candidates; c; c = c->next) {
        for (size_t i = 0; i < c->changes.count; i++)
            if (c->changes.list[i].base == from)
                c->changes.list[i].base = to;
        candidate_file_rewrite(engine, c);
    }
}

void candidate_drop(struct engine *engine, const char *user)
{
    for (struct candidate **at = &engine->candidates; *at; at = &(*at)->next) {
        struct candidate *c = *at;

        if (strcmp(c->user, user))
            continue;
        *at = c->next;
        candidate_free(c);
        break;
    }
    candidate_file_forget(engine, user);
}

/* ---- edits ---- */

/* Sets or deletes one checked path and notes it in the file's lines. value is taken. */
static int put(struct engine *engine, struct candidate *c, const char *path, json_t *value,
               struct buf *lines, struct orb_err *err)
{
    int r = validate_edit(&engine->parts, &c->changes, engine->store.running, path, &value, err);

    if (r < 0) {
        json_decref(value);
        return r;
    }
    candidate_file_line(lines, c->changes.stamp, path, value);
    return overlay_set(&c->changes, engine->store.running, path, value, err);
}

/* RFC 7396 applied to nothing: nulls have nothing to delete. */
static void strip_nulls(json_t *value)
{
    const char *key;
    json_t *member;
    void *next;

    json_object_foreach_safe(value, next, key, member)
    {
        if (json_is_null(member))
            json_object_del(value, key);
        else
            strip_nulls(member);
    }
}

/* Is it an entry, or deeper, that is not there yet? Then it is set as a whole: one change instead
 * of one per leaf when thousands of entries are loaded. */
static bool is_new_entry(const struct engine *engine, const struct candidate *c, const char *path)
{
    return *path && strchr(path + 1, '/') && !overlay_has(&c->changes, engine->store.running, path);
}

/* RFC 7396: objects are merged member by member, null deletes. */
static int merge(struct engine *engine, struct candidate *c, const char *path, json_t *value,
                 struct buf *lines, struct orb_err *err)
{
    const char *key;
    json_t *member;

    if (json_is_null(value))
        return put(engine, c, path, NULL, lines, err);
    if (is_new_entry(engine, c, path)) {
        strip_nulls(value);
        return put(engine, c, path, json_incref(value), lines, err);
    }
    if (*path && (!json_is_object(value) || json_object_size(value) == 0)) {
        /* Merging {} into what is there changes nothing. */
        if (json_is_object(value) && overlay_has(&c->changes, engine->store.running, path))
            return 0;
        return put(engine, c, path, json_incref(value), lines, err);
    }
    json_object_foreach (value, key, member) {
        AUTO(buf) struct buf at = {0};
        int r;

        buf_adds(&at, path);
        buf_add_pointer(&at, key);
        r = merge(engine, c, buf_str(&at), member, lines, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int candidate_op(struct engine *engine, struct candidate *candidate, const char *op,
                 const char *path, json_t *taken, struct orb_err *err)
{
    AUTO(json_t) json_t *value = taken;
    AUTO(buf) struct buf lines = {0};
    int r;

    if (strcmp(op, "delete") != 0 && !value)
        return orb_fail_at(err, ORB_E_INVALID, path, "%s needs a value", op);
    if (!strcmp(op, "set") && !*path)
        return candidate_replace(engine, candidate, value, err);
    if (!strcmp(op, "merge") && !*path && !json_is_object(value))
        return orb_fail(err, ORB_E_SCHEMA, "expected an object of parts, {\"system\": {…}, …}");
    if (!strcmp(op, "merge"))
        r = merge(engine, candidate, path, value, &lines, err);
    else if (!strcmp(op, "set"))
        r = put(engine, candidate, path, json_incref(value), &lines, err);
    else if (!overlay_has(&candidate->changes, engine->store.running, path))
        r = orb_fail_at(err, ORB_E_NOT_FOUND, path, "there is nothing to delete");
    else
        r = put(engine, candidate, path, NULL, &lines, err);
    if (lines.len)
        candidate_file_append(engine, candidate, &lines);
    return r;
}

int candidate_replace(struct engine *engine, struct candidate *candidate, json_t *tree,
                      struct orb_err *err)
{
    AUTO(overlay) struct overlay next = {.stamp = engine->store.revision};
    AUTO(json_t) json_t *patch = json_array();
    const json_t *base = engine->store.running;
    const char *key;
    json_t *value;
    void *safe;
    int r = 0;

    if (!json_is_object(tree))
        return orb_fail(err, ORB_E_SCHEMA, "expected an object of parts, {\"system\": {…}, …}");
    json_object_foreach_safe(tree, safe, key, value)
    {
        AUTO(buf) struct buf at = {0};
        json_t *now = json_incref(value);

        buf_add_pointer(&at, key);
        r = validate_edit(&engine->parts, &candidate->changes, base, buf_str(&at), &now, err);
        json_decref(now);
        if (r < 0)
            return r;
    }
    overlay_diff(patch, "", engine->store.running, tree);
    r = overlay_take_patch(&next, base, patch, false, err);
    if (r < 0)
        return r;
    overlay_fini(&candidate->changes);
    candidate->changes = next;
    next = (struct overlay){0};
    candidate_file_rewrite(engine, candidate);
    return 0;
}

/* ---- rebase ---- */

struct rebase {
    const struct engine *engine;
    const struct candidate *candidate;
    const struct revision *revision;
    const json_t *op; /* of that revision */
    struct buf paths;
    unsigned count;
};

/* The op stands above the change and left its place alone, as when it made the map around it. An op
 * that deleted what is around the change did not. */
static bool left_alone(const json_t *op, const char *path)
{
    const char *top = engine_text_in(op, "path", "");
    const char *rest = path + strlen(top);
    const json_t *value = json_object_get(op, "value");
    json_t *was, *is;

    if (!value || !*rest || !overlay_path_under(path, top))
        return false;
    was = tree_get(json_object_get(op, "old"), rest);
    is = tree_get(value, rest);
    return was && is ? json_equal(was, is) : was == is;
}

static int on_touching(void *arg, const struct change *change)
{
    struct rebase *b = arg;
    json_t *now = tree_get(b->engine->store.running, change->path);
    AUTO_FREE char *path = NULL;

    if (change->base >= b->revision->revision || left_alone(b->op, change->path))
        return 0;
    if ((!now && !change->value) || (now && change->value && json_equal(now, change->value)))
        return 0; /* both want the same */
    path = grants_path(b->engine, NULL, change->path);
    if (b->count < 5 && !strstr(buf_str(&b->paths), path))
        buf_addf(&b->paths, "%s%s (revision %" PRIu64 " by %s)", b->count++ ? ", " : "", path,
                 b->revision->revision, b->revision->user);
    return 0;
}

int candidate_conflicts(struct engine *engine, const struct candidate *candidate,
                        struct orb_err *err)
{
    struct rebase b = {.engine = engine, .candidate = candidate};
    AUTO(buf) struct buf first = {0};
    uint64_t base = engine->store.revision;

    for (size_t i = 0; i < candidate->changes.count; i++)
        if (candidate->changes.list[i].base < base)
            base = candidate->changes.list[i].base;
    for (uint64_t n = base + 1; n <= engine->store.revision; n++) {
        AUTO(json_t) json_t *patch = NULL;

        b.revision = store_find(&engine->store, n);
        if (!b.revision || store_patch(&engine->store, n, &patch, err) < 0) {
            buf_fini(&b.paths);
            return orb_fail(err, ORB_E_CONFLICT,
                            "your changes start from revision %" PRIu64
                            ", which the history no longer holds; discard them",
                            base);
        }
        for (size_t i = 0; i < json_array_size(patch); i++) {
            b.op = json_array_get(patch, i);
            overlay_touching(&candidate->changes, engine_text_in(b.op, "path", "/"), on_touching,
                             &b);
        }
    }
    if (!b.count) {
        buf_fini(&b.paths);
        return 0;
    }
    buf_adds(&first, buf_str(&b.paths));
    if (strchr(first.data, ' '))
        *strchr(first.data, ' ') = '\0';
    orb_fail_at(err, ORB_E_CONFLICT, first.data,
                "others changed the same since you did: %s; set these again, or discard",
                buf_str(&b.paths));
    buf_fini(&b.paths);
    return ORB_E_CONFLICT;
}
