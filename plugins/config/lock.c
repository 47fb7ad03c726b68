/* The lock: see lock.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/xalloc.h"
#include "plugins/config/lock.h"
#include "plugins/config/reply.h"

int lock_check(struct engine *engine, const char *user, struct orb_err *err)
{
    uint64_t age = engine->host.now_ms(engine->host.arg) - engine->lock_at;

    if (!engine->lock_user || !strcmp(engine->lock_user, user) || age > ENGINE_LOCK_MS)
        return 0;
    return orb_fail(err, ORB_E_LOCKED, "%s has locked the configuration since %" PRIu64 " s%s",
                    engine->lock_user, age / 1000,
                    "; contact them, or wait: a lock ends after an hour");
}

void lock_take(struct ask *ask)
{
    struct engine *e = ask->engine;
    struct orb_err err;

    if (lock_check(e, ask->who, &err) < 0) {
        reply_refuse(e, ask->req, &err);
        return;
    }
    free(e->lock_user);
    e->lock_user = xstrdup(ask->who);
    e->lock_at = e->host.now_ms(e->host.arg);
    e->lock_made_us = ask->caller->made_us;
    reply_tree(e, ask->req, json_object());
}

void lock_release(struct ask *ask)
{
    struct engine *e = ask->engine;
    struct orb_err err;

    if (!json_is_true(json_object_get(ask->in, "force")) && lock_check(e, ask->who, &err) < 0) {
        reply_refuse(e, ask->req, &err);
        return;
    }
    free(e->lock_user);
    e->lock_user = NULL;
    reply_tree(e, ask->req, json_object());
}
