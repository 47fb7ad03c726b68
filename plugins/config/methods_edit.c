/* Methods that change the caller's candidate, and the lock. */
#include <inttypes.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/validate.h"

static void answer_changes(struct ask *ask, const struct candidate *c, bool ok)
{
    json_t *reply = json_object();

    if (ok)
        json_object_set_new(reply, "ok", json_true());
    json_object_set_new(reply, "changes", json_integer(c ? (json_int_t)c->changes.count : 0));
    if (!ok && candidate_file_unsaved(c))
        json_object_set_new(reply, "unsaved", json_string(candidate_file_unsaved(c)));
    engine_answer(ask->engine, ask->req, reply);
}

/* A copy to go back to when one of several ops fails. */
static void keep(struct overlay *to, const struct overlay *from)
{
    to->stamp = from->stamp;
    to->count = to->cap = from->count;
    to->list = xcalloc(from->count, sizeof(*to->list));
    for (size_t i = 0; i < from->count; i++)
        to->list[i] = (struct change){.path = xstrdup(from->list[i].path),
                                      .value = json_deep_copy(from->list[i].value),
                                      .base = from->list[i].base};
}

/* A service stays inside what it may change; for people the broker checked the role. */
static int check_ops(const struct ask *ask, const json_t *ops, struct orb_err *err)
{
    size_t i;
    json_t *op;

    if (json_is_true(json_object_get(ask->in, "replace")))
        return grants_check_write(ask->caller, "", err);
    json_array_foreach ((json_t *)ops, i, op) {
        const char *path = engine_text_in(op, "path", "");

        if (grants_check_write(ask->caller, strcmp(path, "/") ? path : "", err) < 0)
            return err->code;
    }
    return 0;
}

static int edit_ops(struct engine *e, struct candidate *c, const json_t *ops, struct orb_err *err)
{
    size_t i;
    json_t *op;

    json_array_foreach ((json_t *)ops, i, op) {
        json_t *value = json_object_get(op, "value");
        int r = candidate_op(e, c, engine_text_in(op, "op", ""), engine_text_in(op, "path", ""),
                             json_incref(value), err);

        if (r < 0)
            return r;
    }
    return 0;
}

/* {replace: true}: the ops build a whole configuration from nothing. */
static int edit_replace(struct engine *e, struct candidate *c, const json_t *ops,
                        struct orb_err *err)
{
    AUTO(json_t) json_t *tree = json_object();
    size_t i;
    json_t *op;
    int r = 0;

    json_array_foreach ((json_t *)ops, i, op) {
        const char *path = engine_text_in(op, "path", "");
        json_t *value = json_object_get(op, "value");

        if (!strcmp(engine_text_in(op, "op", ""), "delete"))
            tree_delete(tree, path, false);
        else if (!value)
            return orb_fail_at(err, ORB_E_INVALID, path, "set and merge need a value");
        else if (!strcmp(engine_text_in(op, "op", ""), "merge") && tree_get(tree, path) &&
                 json_is_object(value))
            json_object_update_recursive(tree_get(tree, path), value);
        else
            r = tree_set(tree, path, json_deep_copy(value), err);
        if (r < 0)
            return r;
    }
    return candidate_replace(e, c, tree, err);
}

void methods_edit_edit(struct ask *ask)
{
    struct engine *e = ask->engine;
    const json_t *ops = tree_integers(json_object_get(ask->in, "ops"));
    const json_t *first = json_array_get(ops, 0);
    AUTO(overlay) struct overlay before = {0};
    struct orb_err err;
    struct candidate *c = check_ops(ask, ops, &err) < 0 ? NULL : candidate_edit(e, ask->who, &err);
    bool several = json_array_size(ops) > 1 || !strcmp(engine_text_in(first, "op", ""), "merge");
    int r;

    if (!c) {
        engine_refuse(e, ask->req, &err);
        return;
    }
    if (json_is_true(json_object_get(ask->in, "replace"))) {
        r = edit_replace(e, c, ops, &err);
    } else {
        if (several)
            keep(&before, &c->changes);
        r = edit_ops(e, c, ops, &err);
        if (r < 0 && several) {
            struct overlay failed = c->changes;

            c->changes = before;
            before = failed;
            candidate_file_rewrite(e, c);
        }
    }
    if (r < 0)
        engine_refuse(e, ask->req, &err);
    else
        answer_changes(ask, c, false);
}

/* ---- load-part ---- */

static int load_whole(struct engine *e, struct candidate *c, const char *mode, struct orb_err *err)
{
    static const struct json_limits limits = {.depth = JSON_MAX_DEPTH, .keys = JSON_MAX_TREE_KEYS};
    AUTO(json_t) json_t *tree = NULL;
    AUTO(overlay) struct overlay before = {0};
    int r = tree_parse(buf_str(&c->load), c->load.len, &limits, &tree, err);

    if (r < 0)
        return r;
    tree = tree_integers(tree);
    if (!strcmp(mode, "replace"))
        return candidate_replace(e, c, tree, err);
    keep(&before, &c->changes);
    r = candidate_op(e, c, "merge", "", json_incref(tree), err);
    if (r < 0) {
        struct overlay failed = c->changes;

        c->changes = before;
        before = failed;
        candidate_file_rewrite(e, c);
    }
    return r;
}

void methods_edit_load_part(struct ask *ask)
{
    struct engine *e = ask->engine;
    const json_t *data = json_object_get(ask->in, "data");
    size_t offset = engine_number_in(ask->in, "offset", 0), len = json_string_length(data);
    struct orb_err err;
    struct candidate *c = candidate_edit(e, ask->who, &err);
    int r = 0;

    if (!c) {
        engine_refuse(e, ask->req, &err);
        return;
    }
    if (offset == 0)
        buf_clear(&c->load);
    if (offset != c->load.len)
        r = orb_fail(&err, ORB_E_STATE, "expected the part at byte %zu; got %zu", c->load.len,
                     offset);
    else if (c->load.len + len > ENGINE_MAX_LOAD)
        r = orb_fail(&err, ORB_E_LIMIT, "a configuration has at most %u bytes", ENGINE_MAX_LOAD);
    else
        buf_add(&c->load, json_string_value(data), len);
    if (r == 0 && json_is_true(json_object_get(ask->in, "last"))) {
        r = load_whole(e, c, engine_text_in(ask->in, "mode", "merge"), &err);
        buf_fini(&c->load);
    }
    if (r < 0)
        engine_refuse(e, ask->req, &err);
    else
        answer_changes(ask, c, false);
}

/* ---- whole candidates ---- */

void methods_edit_discard(struct ask *ask)
{
    struct candidate *c = candidate_find(ask->engine, ask->who);
    struct orb_err err;

    if (c && c->committing) {
        orb_fail(&err, ORB_E_BUSY, "your changes are being committed");
        engine_refuse(ask->engine, ask->req, &err);
        return;
    }
    candidate_drop(ask->engine, ask->who);
    engine_answer(ask->engine, ask->req, json_object());
}

void methods_edit_rollback(struct ask *ask)
{
    struct engine *e = ask->engine;
    uint64_t n = engine_number_in(ask->in, "n", 0);
    struct orb_err err;
    struct candidate *c = NULL;
    AUTO(overlay) struct overlay back = {.stamp = e->store.revision};
    int r;

    if (n > e->store.revision)
        r = orb_fail_at(&err, ORB_E_NOT_FOUND, "/n",
                        "there are only %" PRIu64 " revisions to go back; got %" PRIu64,
                        e->store.revision, n);
    else
        r = store_overlay(&e->store, e->store.revision - n, &back, &err);
    if (r == 0 && !(c = candidate_edit(e, ask->who, &err)))
        r = err.code;
    if (r < 0) {
        engine_refuse(e, ask->req, &err);
        return;
    }
    overlay_fini(&c->changes);
    c->changes = back;
    back = (struct overlay){0};
    candidate_file_rewrite(e, c);
    answer_changes(ask, c, false);
}

void methods_edit_validate(struct ask *ask)
{
    struct engine *e = ask->engine;
    struct candidate *c = candidate_find(e, ask->who);
    AUTO(overlay) struct overlay exact = {0};
    AUTO(json_t) json_t *patch = NULL;
    struct orb_err err;
    int r = 0;

    if (c) {
        r = candidate_conflicts(e, c, &err);
        patch = overlay_patch(&c->changes, e->store.running);
        overlay_exact(&exact, patch);
        if (r == 0)
            r = validate_patch(&e->parts, &e->refs, &exact, e->store.running, patch, &err);
    }
    if (r < 0)
        engine_refuse(e, ask->req, &err);
    else
        answer_changes(ask, c, true);
}

/* ---- the lock ---- */

int methods_edit_check_lock(struct engine *engine, const char *user, struct orb_err *err)
{
    uint64_t age = engine->host.now_ms(engine->host.arg) - engine->lock_at;

    if (!engine->lock_user || !strcmp(engine->lock_user, user) || age > ENGINE_LOCK_MS)
        return 0;
    return orb_fail(err, ORB_E_LOCKED, "%s has locked the configuration since %" PRIu64 " s%s",
                    engine->lock_user, age / 1000,
                    "; ask them, or wait: a lock ends after an hour");
}

void methods_edit_lock(struct ask *ask)
{
    struct engine *e = ask->engine;
    struct orb_err err;

    if (methods_edit_check_lock(e, ask->who, &err) < 0) {
        engine_refuse(e, ask->req, &err);
        return;
    }
    free(e->lock_user);
    e->lock_user = xstrdup(ask->who);
    e->lock_at = e->host.now_ms(e->host.arg);
    engine_answer(e, ask->req, json_object());
}

void methods_edit_unlock(struct ask *ask)
{
    struct engine *e = ask->engine;
    struct orb_err err;

    if (!json_is_true(json_object_get(ask->in, "force")) &&
        methods_edit_check_lock(e, ask->who, &err) < 0) {
        engine_refuse(e, ask->req, &err);
        return;
    }
    free(e->lock_user);
    e->lock_user = NULL;
    engine_answer(e, ask->req, json_object());
}
