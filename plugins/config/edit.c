/* Edits of a candidate: see edit.h. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/candidate.h"
#include "plugins/config/candidate_file.h"
#include "plugins/config/candidate_room.h"
#include "plugins/config/edit.h"
#include "plugins/config/grants.h"
#include "plugins/config/lock.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/overlay_bytes.h"
#include "plugins/config/validate.h"

void edit_disown(struct ask *ask)
{
    struct engine *e = ask->engine;
    uint64_t made_us = ask->caller->made_us;
    struct candidate *c = made_us ? candidate_find(e, ask->who) : NULL;

    if (made_us && e->lock_user && e->lock_made_us != made_us && !strcmp(e->lock_user, ask->who)) {
        free(e->lock_user);
        e->lock_user = NULL;
    }
    if (!c || c->made_us == made_us ||
        c->committing) /* it ends with the commit, or is dropped then */
        return;
    if (!c->made_us) { /* of a version that did not write it */
        c->made_us = made_us;
        return;
    }
    log_notice(e->host.log, "config.candidate.disowned", KV("user", ask->who));
    edit_drop(e, ask->who);
}

struct candidate *edit_begin(const struct ask *ask, struct orb_err *err)
{
    struct engine *engine = ask->engine;
    const char *user = ask->who;
    struct candidate *c = candidate_find(engine, user);

    if (c && c->committing) {
        orb_fail(err, ORB_E_BUSY, "your changes are being committed; edit again when that is done");
        return NULL;
    }
    if (lock_check(engine, user, err) < 0)
        return NULL;
    if (!c && candidate_room_for_new(engine, user, err) < 0)
        return NULL;
    if (!c)
        c = candidate_new(engine, user);
    c->made_us = ask->caller->made_us;
    c->changes.stamp = engine->store.revision;
    c->version = ++engine->edits;
    return c;
}

struct edit edit_of(struct engine *engine, struct candidate *candidate)
{
    return (struct edit){.engine = engine, .candidate = candidate, .bytes = candidate->bytes};
}

void edit_keep(struct edit *edit)
{
    if (edit->replaced)
        candidate_file_rewrite(edit->engine, edit->candidate);
    else if (edit->lines.len)
        candidate_file_append(edit->engine, edit->candidate, &edit->lines);
    overlay_undo_fini(&edit->undo);
    edit->bytes = edit->candidate->bytes;
}

void edit_fini(struct edit *edit)
{
    if (edit->undo.count)
        overlay_undo_back(&edit->undo, &edit->candidate->changes);
    edit->candidate->bytes = edit->bytes;
    if (edit->candidate->counted > edit->bytes)
        edit->candidate->counted = edit->bytes;
    overlay_undo_fini(&edit->undo);
    buf_fini(&edit->lines);
}

/* Sets or deletes one checked path and notes it in the file's lines. value is taken. */
static int put(struct edit *edit, const char *path, json_t *value, struct orb_err *err)
{
    struct engine *engine = edit->engine;
    struct candidate *c = edit->candidate;
    int r = validate_edit(&engine->parts, &c->changes, engine->store.running, path, &value, err);

    if (r == 0)
        r = candidate_room_take(engine, c, path,
                                overlay_bytes_of_change(&engine->parts, path, value), err);
    if (r < 0) {
        json_decref(value);
        return r;
    }
    candidate_file_line(&engine->parts, &edit->lines, c->changes.stamp, path, value);
    overlay_undo_note(&edit->undo, &c->changes, path);
    return overlay_set(&c->changes, engine->store.running, path, value, err);
}

/* RFC 7396 applied to nothing: nulls have nothing to delete. */
static void strip_nulls(const struct parts *parts, json_t *value)
{
    const char *key;
    json_t *member;
    void *next;

    parts_pause(parts);
    json_object_foreach_safe(value, next, key, member)
    {
        if (json_is_null(member))
            json_object_del(value, key);
        else
            strip_nulls(parts, member);
    }
}

/* Is it an entry, or deeper, that is not there yet? Then it is set as a whole: one change instead
 * of one per leaf when thousands of entries are loaded. */
static bool is_new_entry(const struct engine *engine, const struct candidate *c, const char *path)
{
    return *path && strchr(path + 1, '/') && !overlay_has(&c->changes, engine->store.running, path);
}

/* RFC 7396: objects are merged member by member, null deletes. */
static int merge(struct edit *edit, const char *path, json_t *value, struct orb_err *err)
{
    const struct engine *engine = edit->engine;
    const struct candidate *c = edit->candidate;
    const char *key;
    json_t *member;

    if (json_is_null(value))
        return put(edit, path, NULL, err);
    if (is_new_entry(engine, c, path)) {
        strip_nulls(&engine->parts, value);
        return put(edit, path, json_incref(value), err);
    }
    if (*path && (!json_is_object(value) || json_object_size(value) == 0)) {
        /* Merging {} into what is there changes nothing. */
        if (json_is_object(value) && overlay_has(&c->changes, engine->store.running, path))
            return 0;
        return put(edit, path, json_incref(value), err);
    }
    json_object_foreach (value, key, member) {
        AUTO(buf) struct buf at = {0};
        int r;

        buf_adds(&at, path);
        buf_add_pointer(&at, key);
        r = merge(edit, buf_str(&at), member, err);
        if (r < 0)
            return r;
        parts_pause(&engine->parts);
    }
    return 0;
}

#define LIST_PAUSE 1000 /* elements compared between pauses */

/* Index of an element; the size of the list: it is not there. */
static size_t index_of(const struct parts *parts, const json_t *list, const json_t *element)
{
    size_t at = 0;

    for (; at < json_array_size(list) && !json_equal(json_array_get(list, at), element); at++)
        if (at % LIST_PAUSE == LIST_PAUSE - 1)
            parts_pause(parts);
    return at;
}

/* "add" and "remove": one element of a list, whose other elements the caller need not know. What is
 * there already is not added again, and a list goes with its last element. */
static int change_list(struct edit *edit, bool add, const char *path, json_t *element,
                       struct orb_err *err)
{
    const struct parts *parts = &edit->engine->parts;
    AUTO(json_t)
    json_t *now = overlay_get(&edit->candidate->changes, edit->engine->store.running, path);
    AUTO(json_t) json_t *list = NULL;
    size_t at;

    if (json_is_object(now))
        return orb_fail_at(err, ORB_E_SCHEMA, path,
                           "expected the path of a list; this is an object");
    if (parts_has_secret(parts, path, now))
        return orb_fail_at(err, ORB_E_INVALID, path, "a list with secrets is set as a whole");
    list = json_is_array(now) ? json_copy(now) : now ? json_pack("[O]", now) : json_array();
    at = index_of(parts, list, element);
    if (add && at < json_array_size(list))
        return 0;
    if (!add && at == json_array_size(list))
        return orb_fail_at(err, ORB_E_NOT_FOUND, path, "the list does not have this value");
    if (add)
        json_array_append(list, element);
    else
        json_array_remove(list, at);
    return put(edit, path, json_array_size(list) ? take_ptr(list) : NULL, err);
}

int edit_op(struct edit *edit, const char *op, const char *path, json_t *taken, struct orb_err *err)
{
    AUTO(json_t) json_t *value = taken;

    if (strcmp(op, "delete") && !value)
        return orb_fail_at(err, ORB_E_INVALID, path, "%s needs a value", op);
    if (!strcmp(op, "add") || !strcmp(op, "remove"))
        return change_list(edit, !strcmp(op, "add"), path, value, err);
    if (!strcmp(op, "set") && !*path)
        return edit_replace(edit, value, err);
    if (!strcmp(op, "merge") && !*path && !json_is_object(value))
        return orb_fail(err, ORB_E_SCHEMA, "expected an object of parts, {\"system\": {…}, …}");
    if (!strcmp(op, "merge"))
        return merge(edit, path, value, err);
    if (!strcmp(op, "set"))
        return put(edit, path, json_incref(value), err);
    if (!overlay_has(&edit->candidate->changes, edit->engine->store.running, path))
        return orb_fail_at(err, ORB_E_NOT_FOUND, path, "there is nothing to delete");
    return put(edit, path, NULL, err);
}

int edit_replace(struct edit *edit, json_t *tree, struct orb_err *err)
{
    struct engine *engine = edit->engine;
    struct candidate *candidate = edit->candidate;
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
    overlay_patch_diff(&engine->parts, patch, "", engine->store.running, tree);
    r = overlay_patch_take(&next, base, patch, false, err);
    if (r == 0)
        r = candidate_room_replace(engine, candidate, overlay_bytes(&next), err);
    if (r < 0)
        return r;
    overlay_undo_replace(&edit->undo, &candidate->changes, &next);
    candidate_room_count(candidate);
    edit->replaced = true;
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
