/* Commits that must be confirmed. A session opened after the change was applied proves that the
 * appliance can still be reached; without one the change is undone at its deadline by an ordinary
 * transaction, and after any restart before a service attaches: the session that could have
 * confirmed it is gone by then. */
#include <inttypes.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/commit.h"
#include "plugins/config/confirm.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/follow.h"
#include "plugins/config/history.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/refs.h"
#include "plugins/config/reply.h"
#include "plugins/config/store.h"
#include "plugins/config/subscriber.h"

void confirm_started(struct engine *engine)
{
    const struct revision *last = &engine->store.list[engine->store.count - 1];

    for (struct subscriber *s = engine->subscribers; s; s = s->next)
        s->tried = s->presence == SUB_ATTACHED;
    engine->applied_us = engine->host.now_us(engine->host.arg);
    engine->confirm_at = engine->host.now_ms(engine->host.arg) + (uint64_t)last->confirm_s * 1000;
}

struct job *confirm_due(struct engine *engine)
{
    const struct revision *last;
    struct job *job;

    if (!engine->confirm_at || engine->host.now_ms(engine->host.arg) < engine->confirm_at)
        return NULL;
    engine->confirm_at = 0;
    if (!history_unconfirmed(&engine->store))
        return NULL;
    last = &engine->store.list[engine->store.count - 1];
    log_warn(engine->host.log, "config.commit.not-confirmed", KV("revision", last->revision),
             KV("seconds", last->confirm_s));
    job = xcalloc(1, sizeof(*job));
    job->user = xstrdup(ENGINE_ITSELF);
    job->comment = buf_format("not confirmed in %" PRIu32 " s", last->confirm_s);
    job->undoes = last->revision;
    return job;
}

int confirm_at_boot(struct engine *engine, struct orb_err *err)
{
    const struct revision *last;
    AUTO(json_t) json_t *patch = NULL;
    AUTO(json_t) json_t *inverse = json_array();
    AUTO(overlay) struct overlay undo = {0};
    struct revision meta = {.user = (char *)ENGINE_ITSELF,
                            .comment = (char *)"not confirmed before a restart"};
    int r;

    if (!history_unconfirmed(&engine->store))
        return 0;
    last = &engine->store.list[engine->store.count - 1];
    meta.undoes = last->revision;
    log_warn(engine->host.log, "config.commit.not-confirmed", KV("revision", last->revision),
             KV("seconds", last->confirm_s), KV("when", "restart"));
    r = history_patch(&engine->store, NULL, last->revision, &patch, err);
    if (r == 0)
        r = overlay_patch_take(&undo, engine->store.running, patch, true, err);
    if (r < 0)
        return r;
    json_decref(inverse);
    inverse = overlay_patch(&undo, engine->store.running);
    engine->undone = json_incref(inverse);
    if (commit_alone(engine, &meta, inverse, err) == 0)
        return 0;
    /* It was not confirmed, so it must not run, whether or not the disk takes the undo. */
    log_error(engine->host.log, "config.undo.not-written", KV("why", err ? err->text : ""));
    meta.time_us = engine->host.wall_us(engine->host.arg);
    r = store_commit_unwritten(&engine->store, &meta, inverse, err);
    if (r == 0)
        refs_update(&engine->refs, &engine->parts, inverse);
    return r;
}

void confirm_method(struct ask *ask)
{
    struct engine *e = ask->engine;
    struct orb_err err;
    json_t *reply;
    int r = 0;

    if (!history_unconfirmed(&e->store))
        r = orb_fail(&err, ORB_E_STATE, "no commit waits for a confirmation");
    else if (e->confirm_at <= e->host.now_ms(e->host.arg))
        r = orb_fail(&err, ORB_E_STATE, "too late: revision %" PRIu64 " is being undone",
                     e->store.revision);
    else if (ask->caller->opened_us <= e->applied_us)
        r = orb_fail(&err, ORB_E_STATE,
                     "this session was open before the change was applied, so it proves nothing; "
                     "open a new connection and confirm from there (%" PRIu64 " s left)",
                     (e->confirm_at - e->host.now_ms(e->host.arg)) / 1000);
    else
        r = store_confirm(&e->store, &err);
    if (r < 0) {
        reply_refuse(e, ask->req, &err);
        return;
    }
    e->confirm_at = 0;
    follow_engine(e);
    log_notice(e->host.log, "config.commit.confirmed", KV("revision", e->store.revision),
               KV("user", (const char *)ask->who));
    reply = json_object();
    json_object_set_new(reply, "revision", json_integer((json_int_t)e->store.revision));
    reply_tree(e, ask->req, reply);
}
