/* The method diff: what differs between the running tree, the caller's candidate and older
 * revisions. It never shows what a schema marks as secret. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/candidate.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/longer.h"
#include "plugins/config/member.h"
#include "plugins/config/methods_diff.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/read.h"
#include "plugins/config/reply.h"

#define DIFF_MAX_BYTES (180u * 1024)
#define DIFF_MAX_LINES 1000u
#define DIFF_LINE_BYTES 16384u /* larger values are listed member by member */

/* Whether o has a change of an ancestor of path. */
static bool covered_above(const struct overlay *o, const char *path)
{
    AUTO_FREE char *above = xstrndup(path, (size_t)(strrchr(path, '/') - path));

    return *above && overlay_covers(o, above);
}

/* Adds the differences between two overlays of the running tree at the paths of one of them; where
 * both have changes the upper path is compared, once. true: continue at read->at in another slice.
 * */
static bool diff_at(struct ask *ask, const struct overlay *from, const struct overlay *to,
                    bool at_from)
{
    const struct engine *e = ask->engine;
    const struct overlay *list = at_from ? from : to;
    struct read *read = *ask->read;

    for (; read->at < list->count; read->at++) {
        const char *path = list->list[read->at].path;
        json_t *a, *b;

        if (at_from ? overlay_covers(to, path) : covered_above(from, path))
            continue;
        a = overlay_get(from, e->store.running, path);
        b = overlay_get(to, e->store.running, path);
        overlay_patch_diff(&e->parts, read->list, path, a, b);
        json_decref(a);
        json_decref(b);
        if (read_pause(ask)) { /* after a step, so that each slice makes progress */
            read->at++;
            return true;
        }
    }
    read->at = 0;
    read->phase++;
    return false;
}

struct lines {
    const struct parts *parts;
    json_t *list;
    size_t bytes, count;
    bool cut;
};

/* One line, or, for a large object that is added or deleted, one for each of its members, since a
 * line that is too long is not shown. */
static void add_lines(struct lines *lines, const char *op, const char *path, json_t *value,
                      json_t *old)
{
    json_t *line = json_object(), *member, *whole = value && old ? NULL : value ? value : old;
    AUTO(buf) struct buf text = {0};
    const char *key;
    bool large;

    json_object_set_new(line, "op", json_string(op));
    json_object_set_new(line, "path", json_string(path));
    if (value)
        json_object_set(line, "value", value);
    if (old)
        json_object_set(line, "old", old);
    large =
        json_object_size(whole) && longer_than(lines->parts, whole, DIFF_LINE_BYTES, LONGER_ALL);
    if (!large)
        parts_dump(lines->parts, line, &text);
    if (large || (text.len > DIFF_LINE_BYTES && json_object_size(whole))) {
        json_decref(line);
        json_object_foreach (whole, key, member) {
            AUTO(buf) struct buf at = {0};

            parts_pause(lines->parts);
            if (lines->cut) { /* the rest is counted by the value, not by its lines */
                lines->count++;
                continue;
            }
            buf_adds(&at, path);
            buf_add_pointer(&at, key);
            add_lines(lines, op, buf_str(&at), value ? member : NULL, old ? member : NULL);
        }
        return;
    }
    lines->count++;
    lines->bytes += text.len;
    lines->cut |= lines->bytes > DIFF_MAX_BYTES || lines->count > DIFF_MAX_LINES;
    if (lines->cut)
        json_decref(line);
    else
        json_array_append_new(lines->list, line);
}

/* Something inside a secret changed: that one, once. */
static void add_secret(struct lines *lines, json_t *told, const char *path)
{
    AUTO(json_t) json_t *mask = json_string(SECRET_MASK);

    if (json_object_get(told, path))
        return;
    json_object_set_new(told, path, json_true());
    add_lines(lines, "set", path, mask, mask);
}

/* After the last line that is shown, changes are only counted. */
static void masked_lines(const struct ask *ask, const json_t *patch, struct lines *lines)
{
    AUTO(paths) char **secrets = grants_secrets(ask->caller);
    AUTO(json_t) json_t *told = json_object();
    size_t i;

    for (i = 0; i < json_array_size(patch) && !lines->cut; i++) {
        const json_t *op = json_array_get(patch, i);
        const char *path = member_text(op, "path", "");
        AUTO_FREE char *seen = grants_path(ask->engine, secrets, path);
        AUTO(json_t) json_t *value = NULL, *old = NULL;

        parts_pause(&ask->engine->parts);
        if (strcmp(seen, path)) {
            add_secret(lines, told, seen);
            continue;
        }
        value = json_object_get(op, "value");
        old = json_object_get(op, "old");
        value = grants_show(ask->engine, secrets, path, json_incref(value));
        old = grants_show(ask->engine, secrets, path, json_incref(old));
        add_lines(lines, member_text(op, "op", "set"), path, value, old);
    }
    lines->count += json_array_size(patch) - i;
}

/* Between two revisions, or one and the running tree; 1: not yet. */
static int diff_revisions(struct ask *ask, struct orb_err *err)
{
    static const char *const names[] = {"from", "to"};
    AUTO(overlay) struct overlay none = {0};
    const struct overlay *side[] = {&none, &none};
    struct read *read = read_of(ask);
    uint64_t running = ask->engine->store.revision;

    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        int r = json_object_get(ask->in, names[i])
                    ? read_past(ask, i, member_number(ask->in, names[i], 0), &side[i], err)
                    : 0;

        if (r)
            return r;
    }
    if (read->list && read->revision != running) { /* both are laid over another tree now */
        json_decref(read->list);
        read->list = NULL;
        read->at = read->phase = 0;
    }
    read->revision = running;
    if (!read->list)
        read->list = json_array();
    if (read->phase == 0 && diff_at(ask, side[0], side[1], true))
        return 1;
    return read->phase == 1 && diff_at(ask, side[0], side[1], false);
}

static int diff(struct ask *ask, json_t **ret_patch, struct orb_err *err)
{
    struct engine *e = ask->engine;
    const struct candidate *c = candidate_find(e, ask->who);
    int r = 0;

    if (json_object_get(ask->in, "from") || json_object_get(ask->in, "to")) {
        r = diff_revisions(ask, err);
        if (r == 0)
            *ret_patch = json_incref((*ask->read)->list);
    } else {
        *ret_patch = c ? overlay_patch(&c->changes, e->store.running) : json_array();
    }
    return r;
}

void methods_diff(struct ask *ask)
{
    struct orb_err err = {0};
    AUTO(json_t) json_t *all = NULL;
    AUTO(json_t) json_t *patch = NULL;
    struct lines lines = {.parts = &ask->engine->parts};
    int r = diff(ask, &all, &err);
    json_t *reply;

    if (r > 0)
        return;
    if (r < 0) {
        reply_refuse(ask->engine, ask->req, &err);
        return;
    }
    patch = grants_patch_readable(lines.parts, ask->caller, all);
    reply = json_object();
    lines.list = json_array();
    masked_lines(ask, patch, &lines);
    json_object_set_new(reply, "changes", lines.list);
    json_object_set_new(reply, "count", json_integer((json_int_t)lines.count));
    if (lines.cut)
        json_object_set_new(reply, "truncated", json_true());
    reply_tree_in_slices(ask->engine, ask->req, reply);
    overlay_patch_drop(lines.parts, &all); /* one of them has the ops */
    overlay_patch_drop(lines.parts, &patch);
}
