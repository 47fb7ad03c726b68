/* Methods that only look: they answer from the running tree while a transaction is on its way, and
 * never show what a schema marks as secret. */
#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/candidate.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/history.h"
#include "plugins/config/member.h"
#include "plugins/config/methods_read.h"
#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"
#include "plugins/config/reply.h"

#define DIFF_MAX_BYTES (180u * 1024)
#define DIFF_MAX_LINES 1000u
#define DIFF_LINE_BYTES 16384u /* what is larger is told member by member */
#define HISTORY_DEFAULT 50u
#define HISTORY_MAX 500u
#define HISTORY_READ 50u /* revisions whose changes are looked at for one service */

const char *methods_read_path(const json_t *in)
{
    const char *path = member_text(in, "path", "");

    return !strcmp(path, "/") ? "" : path;
}

int methods_read_view(const struct ask *ask, const char *path, json_t **ret_value,
                      uint64_t *ret_revision, struct orb_err *err)
{
    struct engine *e = ask->engine;
    const struct candidate *c = candidate_find(e, ask->who);
    uint64_t revision = member_number(ask->in, "revision", e->store.revision);
    AUTO(overlay) struct overlay old = {0};
    AUTO(overlay) struct overlay none = {0};
    const struct overlay *over = &none;
    AUTO(paths) char **secrets = NULL;
    AUTO_FREE char *seen = NULL;
    int r;

    /* A person may look at what is held back; nothing may go by it. */
    if (e->store.held && !grants_is_person(ask->caller))
        return orb_fail(err, ORB_E_UNAVAILABLE, "the configuration is held back: %s",
                        e->store.damage.text);
    if (*path && *path != '/')
        return orb_fail_at(err, ORB_E_INVALID, path,
                           "expected a path such as /firewall/rules/10; got \"%s\"", path);
    if (grants_check_read(ask->caller, path, err) < 0)
        return err->code;
    if (!strcmp(member_text(ask->in, "source", "running"), "candidate")) {
        if (c)
            over = &c->changes;
    } else if (revision != e->store.revision) {
        r = history_overlay(&e->store, revision, &old, err);
        if (r < 0)
            return r;
        over = &old;
    }
    secrets = grants_secrets(ask->caller);
    seen =
        grants_path(e, secrets, path); /* whether there is something inside a secret is one, too */
    *ret_value = grants_show(e, secrets, path, overlay_get(over, e->store.running, seen));
    *ret_revision = revision;
    if (!*ret_value && *path && !parts_schema(&e->parts, path, err))
        return err->code; /* an unknown name rather than "not configured" */
    return 0;
}

/* Stored parts that fit no schema, as far as path shows them and the caller may see them. */
static json_t *problems_at(const struct ask *ask, const char *path)
{
    const struct engine *e = ask->engine;
    json_t *list = json_array();
    const char *name;
    json_t *why;

    json_object_foreach (e->unfit, name, why) {
        AUTO(buf) struct buf at = {0};
        json_t *entry;

        buf_add_pointer(&at, name);
        if (!overlay_path_touches(path, buf_str(&at)) || !grants_reads(ask->caller, buf_str(&at)))
            continue;
        entry = json_object();
        json_object_set_new(entry, "path", json_string(buf_str(&at)));
        json_object_set(entry, "text", why);
        json_array_append_new(list, entry);
    }
    return list;
}

void methods_read_get(struct ask *ask)
{
    static const struct json_limits frame = {.depth = JSON_MAX_DEPTH - 2, .keys = JSON_MAX_KEYS};
    struct engine *e = ask->engine;
    const char *path = methods_read_path(ask->in);
    AUTO(json_t) json_t *value = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(json_t) json_t *problems = NULL;
    AUTO(json_t) json_t *reply = NULL;
    uint64_t revision = 0;
    struct orb_err err = {0};

    if (methods_read_view(ask, path, &value, &revision, &err) < 0) {
        reply_refuse(e, ask->req, &err);
        return;
    }
    reply = json_object();
    json_object_set_new(reply, "revision", json_integer((json_int_t)revision));
    json_object_set_new(reply, "path", json_string(path));
    json_object_set_new(reply, "value", value ? json_incref(value) : json_null());
    problems = problems_at(ask, path);
    if (json_array_size(problems))
        json_object_set(reply, "problems", problems);
    tree_dump(reply, &text);
    if (text.len > SLICE_QUOTED || scan_json(text.data, text.len, &frame, &err) < 0) {
        orb_fail_at(&err, ORB_E_LIMIT, path,
                    "the value (%zu bytes) does not fit one answer; read it with get-part",
                    text.len);
        reply_refuse(e, ask->req, &err);
        return;
    }
    reply_text(e, ask->req, &text);
}

/* ---- diff ---- */

/* Does a change of o stand strictly above path? */
static bool covered_above(const struct overlay *o, const char *path)
{
    AUTO_FREE char *above = xstrndup(path, (size_t)(strrchr(path, '/') - path));

    return *above && overlay_covers(o, above);
}

/* Adds what differs between two overlays of the running tree at the paths of one of them; where
 * both have changes the upper path is compared, once. */
static void diff_at(json_t *patch, const struct engine *e, const struct overlay *from,
                    const struct overlay *to, bool at_from)
{
    const struct overlay *list = at_from ? from : to;

    for (size_t i = 0; i < list->count; i++) {
        const char *path = list->list[i].path;
        json_t *a, *b;

        if (at_from ? overlay_covers(to, path) : covered_above(from, path))
            continue;
        a = overlay_get(from, e->store.running, path);
        b = overlay_get(to, e->store.running, path);
        overlay_diff(&e->parts, patch, path, a, b);
        json_decref(a);
        json_decref(b);
    }
}

struct lines {
    json_t *list;
    size_t bytes, count;
    bool cut;
};

/* One line, or, for a large object that comes or goes, one for each of its members: a line that
 * does not fit would tell nothing. */
static void add_lines(struct lines *lines, const char *op, const char *path, json_t *value,
                      json_t *old)
{
    json_t *line = json_object(), *member;
    AUTO(buf) struct buf text = {0};
    const char *key;

    json_object_set_new(line, "op", json_string(op));
    json_object_set_new(line, "path", json_string(path));
    if (value)
        json_object_set(line, "value", value);
    if (old)
        json_object_set(line, "old", old);
    tree_dump(line, &text);
    if (text.len > DIFF_LINE_BYTES && json_object_size(value ? value : old) && !(value && old)) {
        json_decref(line);
        json_object_foreach (value ? value : old, key, member) {
            AUTO(buf) struct buf at = {0};

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

static void masked_lines(const struct ask *ask, const json_t *patch, struct lines *lines)
{
    AUTO(paths) char **secrets = grants_secrets(ask->caller);
    AUTO(json_t) json_t *told = json_object();

    for (size_t i = 0; i < json_array_size(patch); i++) {
        const json_t *op = json_array_get(patch, i);
        const char *path = member_text(op, "path", "");
        AUTO_FREE char *seen = grants_path(ask->engine, secrets, path);
        AUTO(json_t) json_t *value = NULL, *old = NULL;

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
}

static json_t *diff(const struct ask *ask, struct orb_err *err)
{
    struct engine *e = ask->engine;
    const struct candidate *c = candidate_find(e, ask->who);
    bool from_given = json_object_get(ask->in, "from");
    bool to_given = json_object_get(ask->in, "to");
    AUTO(overlay) struct overlay from = {.parts = &e->parts};
    AUTO(overlay) struct overlay to = {.parts = &e->parts};
    json_t *patch;

    if (!from_given && !to_given)
        return c ? overlay_patch(&c->changes, e->store.running) : json_array();
    if (from_given && history_overlay(&e->store, member_number(ask->in, "from", 0), &from, err) < 0)
        return NULL;
    if (to_given && history_overlay(&e->store, member_number(ask->in, "to", 0), &to, err) < 0)
        return NULL;
    patch = json_array();
    diff_at(patch, e, &from, &to, true);
    diff_at(patch, e, &from, &to, false);
    return patch;
}

void methods_read_diff(struct ask *ask)
{
    struct orb_err err = {0};
    AUTO(json_t) json_t *all = diff(ask, &err);
    AUTO(json_t) json_t *patch = all ? grants_patch_readable(ask->caller, all) : NULL;
    struct lines lines = {0};
    json_t *reply;

    if (!patch) {
        reply_refuse(ask->engine, ask->req, &err);
        return;
    }
    reply = json_object();
    lines.list = json_array();
    masked_lines(ask, patch, &lines);
    json_object_set_new(reply, "changes", lines.list);
    json_object_set_new(reply, "count", json_integer((json_int_t)lines.count));
    if (lines.cut)
        json_object_set_new(reply, "truncated", json_true());
    reply_tree(ask->engine, ask->req, reply);
}

/* ---- history ---- */

static const char *state_of(const struct engine *e, size_t i)
{
    const struct revision *r = &e->store.list[i];
    bool last = i + 1 == e->store.count;

    if (!last && e->store.list[i + 1].undoes == r->revision)
        return "undone";
    if (r->confirm_s)
        return r->confirmed ? "confirmed" : "unconfirmed";
    return "committed";
}

static void add_entry(json_t *list, const struct revision *r, const char *state)
{
    json_t *entry = json_object();

    json_object_set_new(entry, "revision", json_integer((json_int_t)r->revision));
    json_object_set_new(entry, "time", json_integer((json_int_t)(r->time_us / 1000000)));
    json_object_set_new(entry, "user", json_string(r->user));
    json_object_set_new(entry, "comment", json_string(r->comment));
    json_object_set_new(entry, "state", json_string(state));
    json_object_set_new(entry, "changes", json_integer((json_int_t)r->changes));
    json_array_append_new(list, entry);
}

/* Lines of their own, newest first, that stand in front of revision below. */
static void add_notes(const struct store *s, size_t *left, uint64_t below, json_t *list)
{
    for (; *left && s->notes[*left - 1].revision >= below; --*left) {
        const struct note *n = &s->notes[*left - 1];

        add_entry(list,
                  &(struct revision){.revision = n->revision,
                                     .time_us = n->time_us,
                                     .user = n->user,
                                     .comment = n->text},
                  "noted");
    }
}

/* A service sees the revisions that changed what it may read, without comments and names of
 * people. */
static void service_history(struct ask *ask, uint64_t limit, json_t *list)
{
    const struct store *s = &ask->engine->store;
    size_t last = s->count > HISTORY_READ ? s->count - HISTORY_READ : 0;

    for (size_t i = s->count; i-- > last && limit;) {
        struct revision r = s->list[i];
        AUTO(json_t) json_t *patch = NULL;
        AUTO(json_t) json_t *mine = NULL;

        if (history_patch(s, r.revision, &patch, NULL) < 0)
            continue;
        mine = grants_patch_readable(ask->caller, patch);
        r.changes = json_array_size(mine);
        r.comment = (char *)"";
        if (strcmp(r.user, ask->who))
            r.user = (char *)"";
        if (!r.changes)
            continue;
        add_entry(list, &r, state_of(ask->engine, i));
        limit--;
    }
}

static void answer_history(struct ask *ask, json_t *list)
{
    json_t *reply = json_object();

    json_object_set_new(reply, "entries", list);
    reply_tree(ask->engine, ask->req, reply);
}

void methods_read_history(struct ask *ask)
{
    struct engine *e = ask->engine;
    const struct store *s = &e->store;
    uint64_t limit = member_number(ask->in, "limit", HISTORY_DEFAULT);
    json_t *list = json_array();
    size_t bytes = 0, notes = s->note_count;

    if (limit > HISTORY_MAX)
        limit = HISTORY_MAX;
    if (!grants_reads(ask->caller, "")) {
        service_history(ask, limit, list);
        answer_history(ask, list);
        return;
    }
    if (s->damage.text[0])
        add_entry(list,
                  &(struct revision){.revision = s->revision,
                                     .time_us = s->damage.found_us,
                                     .user = (char *)"system",
                                     .comment = (char *)s->damage.text},
                  "damaged");
    for (size_t i = s->count; i-- > 0 && limit && bytes < DIFF_MAX_BYTES; limit--) {
        const struct revision *r = &s->list[i];

        add_notes(s, &notes, r->revision, list);
        add_entry(list, r, state_of(e, i));
        bytes += strlen(r->comment) + 200;
    }
    if (limit)
        add_notes(s, &notes, 0, list);
    answer_history(ask, list);
}
