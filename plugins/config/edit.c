/* Edits of a candidate: see edit.h. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/candidate.h"
#include "plugins/config/candidate_file.h"
#include "plugins/config/edit.h"
#include "plugins/config/grants.h"
#include "plugins/config/lock.h"
#include "plugins/config/overlay.h"
#include "plugins/config/validate.h"

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

struct candidate *edit_begin(struct engine *engine, const char *user, struct orb_err *err)
{
    struct candidate *c = candidate_find(engine, user);

    if (c && c->committing) {
        orb_fail(err, ORB_E_BUSY, "your changes are being committed; edit again when that is done");
        return NULL;
    }
    if (lock_check(engine, user, err) < 0)
        return NULL;
    if (!c && !has_room(engine, user, err))
        return NULL;
    if (!c)
        c = candidate_new(engine, user);
    c->changes.stamp = engine->store.revision;
    c->version = ++engine->edits;
    return c;
}

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

int edit_op(struct engine *engine, struct candidate *candidate, const char *op, const char *path,
            json_t *taken, struct orb_err *err)
{
    AUTO(json_t) json_t *value = taken;
    AUTO(buf) struct buf lines = {0};
    int r;

    if (strcmp(op, "delete") && !value)
        return orb_fail_at(err, ORB_E_INVALID, path, "%s needs a value", op);
    if (!strcmp(op, "set") && !*path)
        return edit_replace(engine, candidate, value, err);
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

int edit_replace(struct engine *engine, struct candidate *candidate, json_t *tree,
                 struct orb_err *err)
{
    AUTO(overlay) struct overlay next = {.stamp = engine->store.revision, .parts = &engine->parts};
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
    overlay_diff(&engine->parts, patch, "", engine->store.running, tree);
    r = overlay_take_patch(&next, base, patch, false, err);
    if (r < 0)
        return r;
    overlay_fini(&candidate->changes);
    candidate->changes = next;
    next = (struct overlay){0};
    candidate_file_rewrite(engine, candidate);
    return 0;
}

void edit_drop(struct engine *engine, const char *user)
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
