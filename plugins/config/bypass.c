/* Services left out of a transaction although they read what changes. A commit that disables a
 * service, or revokes something from it, must not depend on it. Nor must any commit depend on one
 * that hangs or dies each time: it is left out, which is a problem of the appliance until it has
 * followed again. A service that was left out and still runs is restarted after the commit, and
 * attaches to the stored configuration. */
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "plugins/config/bypass.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/member.h"
#include "plugins/config/parts.h"
#include "plugins/config/service.h"
#include "plugins/config/strikes.h"
#include "plugins/config/subscriber.h"

/* ---- the word of /services ---- */

static const json_t *entry_now(const struct engine *engine, const char *name)
{
    return json_object_get(json_object_get(engine->store.running, "services"), name);
}

/* The entry of /services as the patch leaves it; NULL: none. */
static json_t *entry_after(const struct engine *engine, const char *name, const json_t *patch)
{
    AUTO(buf) struct buf path = {0};
    AUTO(json_t) json_t *tree = json_object();
    AUTO(json_t) json_t *ops = NULL;
    const json_t *now = entry_now(engine, name);
    char *at;

    buf_adds(&path, "/services");
    buf_add_pointer(&path, name);
    at = path.data;
    if (now)
        tree_set(tree, at, json_deep_copy(now), NULL);
    ops = grants_patch_within(NULL, patch, &at, 1);
    for (size_t i = 0; i < json_array_size(ops); i++) {
        const json_t *op = json_array_get(ops, i);
        json_t *value = json_object_get(op, "value");

        if (value)
            tree_set(tree, member_text(op, "path", ""), json_deep_copy(value), NULL);
        else
            tree_delete(tree, member_text(op, "path", ""), false);
    }
    return json_incref(tree_get(tree, at));
}

static bool has_all(const json_t *list, const json_t *of)
{
    json_t *item, *other;
    size_t i, k;
    bool found;

    json_array_foreach ((json_t *)of, i, item) {
        found = false;
        json_array_foreach ((json_t *)list, k, other)
            found = found || json_equal(item, other);
        if (!found)
            return false;
    }
    return true;
}

/* Whether the commit ends the service, or restarts it with less than it has. */
static bool takes_away(const struct engine *engine, const char *name, const json_t *now,
                       const json_t *after)
{
    const json_t *grants = json_object_get(now, "grants"), *left = json_object_get(after, "grants");
    const json_t *limits = json_object_get(now, "limits");
    const json_t *bounds = json_object_get(after, "limits");

    if (grants_enabled(&engine->parts, name, now) && !grants_enabled(&engine->parts, name, after))
        return true;
    if (limits != bounds && !(limits && bounds && json_equal(limits, bounds)))
        return true;
    if (!left)
        return grants && parts_third_party(&engine->parts, name);
    return grants ? !has_all(left, grants) : !parts_third_party(&engine->parts, name);
}

bool bypass_takes_away(const struct engine *engine, const char *name, const json_t *patch)
{
    AUTO(json_t) json_t *after = entry_after(engine, name, patch);

    return takes_away(engine, name, entry_now(engine, name), after);
}

const char *bypass_reason(const struct tx *tx, const struct subscriber *s, bool *ret_stays)
{
    const struct engine *e = tx->engine;
    const json_t *now = entry_now(e, s->name);
    AUTO(json_t)
    json_t *after = entry_after(e, s->name, tx->services ? tx->services : tx->patch);

    *ret_stays = grants_enabled(&e->parts, s->name, after) && grants_cover(e, s, after);
    if (takes_away(e, s->name, now, after))
        return *ret_stays ? "is left out, as its grants change; it is restarted with them"
                          : "is left out, as it is disabled or loses what it read";
    if (!grants_enabled(&e->parts, s->name, now) || !grants_cover(e, s, now))
        return "is left out, as it is not granted what it read";
    if (s->left_out && e->host.now_ms(e->host.arg) < s->probe_at)
        return "is left out of commits (see `orbctl show health`); it is restarted";
    return NULL;
}

/* ---- after it ---- */

void bypass_committed(struct tx *tx)
{
    struct engine *e = tx->engine;

    for (struct subscriber *s = e->subscribers; s; s = s->next) {
        AUTO(buf) struct buf path = {0};
        char *at;

        buf_adds(&path, "/services");
        buf_add_pointer(&path, s->name);
        at = path.data;
        if (s->strikes || s->refused || s->left_out) { /* the administrator has looked at it */
            AUTO(json_t)
            json_t *ops =
                grants_patch_within(NULL, tx->services ? tx->services : tx->patch, &at, 1);

            if (json_array_size(ops))
                strikes_forgive(e, s);
        }
    }
    for (size_t i = 0; i < tx->count; i++)
        if (tx->parts[i].anew)
            service_restart(e, tx->parts[i].name, "it was left out of a commit");
}
