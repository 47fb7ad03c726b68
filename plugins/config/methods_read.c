/* Read-only methods: they answer from the running tree during a transaction, too, and never show
 * what a schema marks as secret. */
#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/candidate.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/longer.h"
#include "plugins/config/member.h"
#include "plugins/config/methods_read.h"
#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"
#include "plugins/config/read.h"
#include "plugins/config/reply.h"

const char *methods_read_path(const json_t *in)
{
    const char *path = member_text(in, "path", "");

    return !strcmp(path, "/") ? "" : path;
}

static int check_view(const struct ask *ask, const char *path, struct orb_err *err)
{
    const struct engine *e = ask->engine;

    /* Users may read a configuration that is withheld; services may not. */
    if (e->store.held && !grants_is_user(ask->caller))
        return orb_fail(err, ORB_E_UNAVAILABLE, "the configuration is held back: %s",
                        e->store.damage.text);
    if (*path && *path != '/')
        return orb_fail_at(err, ORB_E_INVALID, path,
                           "expected a path such as /firewall/rules/10; got \"%s\"", path);
    return grants_check_read(ask->caller, path, err);
}

int methods_read_view(struct ask *ask, const char *path, json_t **ret_value, uint64_t *ret_revision,
                      struct orb_err *err)
{
    struct engine *e = ask->engine;
    const struct candidate *c = candidate_find(e, ask->who);
    uint64_t revision = member_number(ask->in, "revision", e->store.revision);
    AUTO(overlay) struct overlay none = {0};
    const struct overlay *over = &none;
    AUTO(paths) char **secrets = NULL;
    AUTO_FREE char *seen = NULL;
    int r = check_view(ask, path, err);

    if (r < 0)
        return r;
    if (!strcmp(member_text(ask->in, "source", "running"), "candidate")) {
        if (c)
            over = &c->changes;
    } else if (revision != e->store.revision) {
        r = read_past(ask, 0, revision, &over, err);
        if (r)
            return r;
    }
    secrets = grants_secrets(ask->caller);
    seen =
        grants_path(e, secrets, path); /* whether there is something inside a secret is one, too */
    *ret_value = overlay_get(over, e->store.running, seen);
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

static int too_long(const char *path, size_t bytes, struct orb_err *err)
{
    return orb_fail_at(err, ORB_E_LIMIT, path,
                       "the value (%s%zu bytes) does not fit one answer; read it with get-part",
                       bytes ? "" : "over ", bytes ? bytes : SLICE_QUOTED);
}

void methods_read_get(struct ask *ask)
{
    struct engine *e = ask->engine;
    struct json_limits frame = parts_limits(&e->parts);
    const char *path = methods_read_path(ask->in);
    AUTO(json_t) json_t *value = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(json_t) json_t *problems = NULL;
    json_t *reply;
    AUTO(paths) char **secrets = grants_secrets(ask->caller);
    uint64_t revision = 0;
    struct orb_err err = {0};
    int r = methods_read_view(ask, path, &value, &revision, &err);

    if (r > 0)
        return;
    if (r == 0 && value && longer_than(&e->parts, value, SLICE_QUOTED, sizeof(SECRET_MASK) + 1))
        r = too_long(path, 0, &err);
    if (r == 0)
        value = grants_show(e, secrets, path, value);
    if (r == 0 && value && longer_than(&e->parts, value, SLICE_QUOTED, LONGER_ALL))
        r = too_long(path, 0, &err);
    if (r < 0) {
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
    parts_dump(&e->parts, reply, &text);
    parts_drop(&e->parts, reply);
    frame.depth = JSON_MAX_DEPTH - 2;
    frame.keys = JSON_MAX_KEYS;
    if (text.len > SLICE_QUOTED || scan_json(text.data, text.len, &frame, &err) < 0) {
        too_long(path, text.len, &err);
        reply_refuse(e, ask->req, &err);
        return;
    }
    reply_text(e, ask->req, &text);
}
