/* Methods that change the caller's candidate, or commit it. */
#include <inttypes.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/candidate.h"
#include "plugins/config/candidate_file.h"
#include "plugins/config/candidate_room.h"
#include "plugins/config/edit.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/member.h"
#include "plugins/config/methods_edit.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/past.h"
#include "plugins/config/read.h"
#include "plugins/config/rebase.h"
#include "plugins/config/reply.h"
#include "plugins/config/transaction.h"
#include "plugins/config/validate.h"

static void answer_changes(struct ask *ask, const struct candidate *c, bool ok)
{
    json_t *reply = json_object();

    if (ok)
        json_object_set_new(reply, "ok", json_true());
    json_object_set_new(reply, "changes", json_integer(c ? (json_int_t)c->changes.count : 0));
    if (!ok && candidate_file_unsaved(c))
        json_object_set_new(reply, "unsaved", json_string(candidate_file_unsaved(c)));
    reply_tree(ask->engine, ask->req, reply);
}

/* A service may edit within its grants; for users the broker has checked the role. */
static int check_ops(const struct ask *ask, const json_t *ops, struct orb_err *err)
{
    size_t i;
    json_t *op;

    if (json_is_true(json_object_get(ask->in, "replace")))
        return grants_check_write(ask->caller, "", err);
    json_array_foreach ((json_t *)ops, i, op) {
        const char *path = member_text(op, "path", ""), *what = member_text(op, "op", "");

        if (grants_check_write(ask->caller, strcmp(path, "/") ? path : "", err) < 0)
            return err->code;
        /* Whether it changes something discloses what the list has. */
        if ((!strcmp(what, "add") || !strcmp(what, "remove")) &&
            grants_check_read(ask->caller, path, err) < 0)
            return err->code;
    }
    return 0;
}

static int edit_ops(struct edit *edit, const json_t *ops, struct orb_err *err)
{
    size_t i;
    json_t *op;

    json_array_foreach ((json_t *)ops, i, op) {
        json_t *value = json_object_get(op, "value");
        int r = edit_op(edit, member_text(op, "op", ""), member_text(op, "path", ""),
                        json_incref(value), err);

        if (r < 0)
            return r;
        parts_pause(&edit->engine->parts);
    }
    return 0;
}

/* {replace: true}: the ops build a whole configuration from nothing. */
static int replace_ops(struct edit *edit, const json_t *ops, struct orb_err *err)
{
    AUTO(json_t) json_t *tree = json_object();
    size_t i;
    json_t *op;
    int r = 0;

    json_array_foreach ((json_t *)ops, i, op) {
        const char *path = member_text(op, "path", "");
        json_t *value = json_object_get(op, "value");

        if (!strcmp(member_text(op, "op", ""), "add") ||
            !strcmp(member_text(op, "op", ""), "remove"))
            return orb_fail_at(err, ORB_E_INVALID, path,
                               "with \"replace\", expected \"set\", \"merge\" or \"delete\"");
        if (!strcmp(member_text(op, "op", ""), "delete"))
            tree_delete(tree, path, false);
        else if (!value)
            return orb_fail_at(err, ORB_E_INVALID, path, "set and merge need a value");
        else if (!strcmp(member_text(op, "op", ""), "merge") && tree_get(tree, path) &&
                 json_is_object(value))
            json_object_update_recursive(tree_get(tree, path), value);
        else
            r = tree_set(tree, path, parts_copy(&edit->engine->parts, value), err);
        if (r < 0)
            return r;
        parts_pause(&edit->engine->parts);
    }
    return edit_replace(edit, tree, err);
}

void methods_edit_edit(struct ask *ask)
{
    struct engine *e = ask->engine;
    const json_t *ops = parts_integers(&e->parts, json_object_get(ask->in, "ops"));
    struct orb_err err;
    struct candidate *c = check_ops(ask, ops, &err) < 0 ? NULL : edit_begin(ask, &err);
    struct edit edit;
    int r;

    if (!c) {
        reply_refuse(e, ask->req, &err);
        return;
    }
    edit = edit_of(e, c);
    if (json_is_true(json_object_get(ask->in, "replace")))
        r = replace_ops(&edit, ops, &err);
    else
        r = edit_ops(&edit, ops, &err);
    if (r == 0)
        edit_keep(&edit);
    edit_fini(&edit);
    if (r < 0)
        reply_refuse(e, ask->req, &err);
    else
        answer_changes(ask, c, false);
}

/* ---- load-part ---- */

static int load_whole(struct engine *e, struct candidate *c, const char *mode, struct orb_err *err)
{
    const struct json_limits limits = parts_limits(&e->parts);
    AUTO(edit) struct edit edit = edit_of(e, c);
    json_t *tree = NULL;
    int r = tree_parse(buf_str(&c->load), c->load.len, &limits, &tree, err);

    if (r < 0)
        return r;
    buf_fini(&c->load);
    tree = parts_integers(&e->parts, tree);
    if (!strcmp(mode, "replace"))
        r = edit_replace(&edit, tree, err);
    else
        r = edit_op(&edit, "merge", "", json_incref(tree), err);
    if (r == 0)
        edit_keep(&edit);
    parts_drop(&e->parts, tree);
    return r;
}

void methods_edit_load_part(struct ask *ask)
{
    struct engine *e = ask->engine;
    const json_t *data = json_object_get(ask->in, "data");
    size_t offset = member_number(ask->in, "offset", 0), len = json_string_length(data);
    struct orb_err err;
    struct candidate *c = edit_begin(ask, &err);
    int r = 0;

    if (!c) {
        reply_refuse(e, ask->req, &err);
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
        r = candidate_room_take(e, c, "/", len, &err);
    if (r == 0) {
        c->bytes -= len; /* they are those of the text so far */
        buf_add(&c->load, json_string_value(data), len);
    }
    if (r == 0 && json_is_true(json_object_get(ask->in, "last"))) {
        r = load_whole(e, c, member_text(ask->in, "mode", "merge"), &err);
        buf_fini(&c->load);
    }
    if (r < 0)
        reply_refuse(e, ask->req, &err);
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
        reply_refuse(ask->engine, ask->req, &err);
        return;
    }
    edit_drop(ask->engine, ask->who);
    reply_tree(ask->engine, ask->req, json_object());
}

void methods_edit_rollback(struct ask *ask)
{
    struct engine *e = ask->engine;
    uint64_t n = member_number(ask->in, "n", 0);
    struct orb_err err;
    struct candidate *c = NULL;
    struct overlay back = {.stamp = e->store.revision, .parts = &e->parts};
    const struct overlay *past = NULL;
    int r;

    if (n > e->store.revision)
        r = orb_fail_at(&err, ORB_E_NOT_FOUND, "/n",
                        "there are only %" PRIu64 " revisions to go back; got %" PRIu64,
                        e->store.revision, n);
    else
        r = read_past(ask, 0, e->store.revision - n, &past, &err);
    if (r > 0)
        return;
    if (r == 0 && !(c = edit_begin(ask, &err)))
        r = err.code;
    if (r < 0) {
        reply_refuse(e, ask->req, &err);
        return;
    }
    past_copy(past, &back);
    overlay_fini(&c->changes);
    c->changes = back;
    candidate_room_count(c);
    candidate_file_rewrite(e, c);
    answer_changes(ask, c, false);
}

/* What the candidate is compared with is read first, in slices. true: not all was yet. */
static bool looks(struct ask *ask)
{
    struct candidate *c = candidate_find(ask->engine, ask->who);

    ask->more = c && rebase_look(ask->engine, c, false, NULL) > 0;
    return ask->more;
}

void methods_edit_commit(struct ask *ask)
{
    if (!looks(ask))
        transaction_commit(ask);
}

void methods_edit_validate(struct ask *ask)
{
    struct engine *e = ask->engine;
    struct candidate *c = candidate_find(e, ask->who);
    AUTO(overlay) struct overlay exact = {.parts = &e->parts};
    AUTO(json_t) json_t *patch = NULL;
    AUTO(paths) char **reads = grants_read_paths(ask->caller);
    struct orb_err err;
    int r = 0;

    if (looks(ask))
        return;
    if (c) {
        r = rebase_conflicts(e, c, &err);
        patch = overlay_patch(&c->changes, e->store.running);
        overlay_patch_exact(&exact, patch);
        if (r == 0)
            r = validate_patch(&e->parts, &e->refs, &exact, e->store.running, patch, reads, &err);
    }
    if (r < 0)
        reply_refuse(e, ask->req, &err);
    else
        answer_changes(ask, c, true);
    overlay_fini(&exact);
    overlay_patch_drop(&e->parts, &patch);
}
