/* Commits that must be confirmed. Proof that the box can still be reached is a session opened after
 * the change was applied; without it the change is undone at its deadline by an ordinary
 * transaction, and after any restart before a service attaches: the session that could have
 * confirmed it is gone by then. */
#include <inttypes.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"

#define SAFE_PROBLEM "safe-mode"

void confirm_started(struct engine *engine)
{
    const struct revision *last = &engine->store.list[engine->store.count - 1];

    for (struct subscriber *s = engine->subscribers; s; s = s->next)
        s->tried = s->presence == SUB_ATTACHED;
    engine->applied_us = engine->host.now_us(engine->host.arg);
    engine->confirm_at = engine->host.now_ms(engine->host.arg) + (uint64_t)last->confirm_s * 1000;
}

void confirm_tx_back(struct tx *tx)
{
    struct engine *engine = tx->engine;

    for (size_t i = 0; i < tx->count && tx->job->undoes; i++) {
        const struct participant *p = &tx->parts[i];
        const struct subscriber *s = subscriber_find(engine, p->name);

        if (p->restart)
            service_restart(engine, p->name, "it did not follow an undone commit");
        else if (p->state == PART_OUT && s && s->tried)
            service_needed(engine, p->name, "a commit that it applied was undone");
    }
}

void confirm_undone_tick(struct engine *engine)
{
    if (!engine->undone || engine->host.now_ms(engine->host.arg) < engine->grace_until)
        return;
    for (struct subscriber *s = engine->subscribers; s; s = s->next) {
        AUTO(json_t) json_t *mine = subscriber_patch(engine, s, engine->undone);

        if (mine && s->presence != SUB_ATTACHED)
            service_needed(engine, s->name, "a commit that it may have applied was undone");
    }
    json_decref(engine->undone);
    engine->undone = NULL;
}

void confirm_tick(struct engine *engine)
{
    const struct revision *last;
    struct job *job;
    struct orb_err err;

    if (!engine->confirm_at || engine->host.now_ms(engine->host.arg) < engine->confirm_at)
        return;
    engine->confirm_at = 0;
    if (!store_unconfirmed(&engine->store))
        return;
    last = &engine->store.list[engine->store.count - 1];
    log_warn(engine->host.log, "config.commit.not-confirmed", KV("revision", last->revision),
             KV("seconds", last->confirm_s));
    job = xcalloc(1, sizeof(*job));
    job->user = xstrdup(ENGINE_ITSELF);
    job->comment = buf_format("not confirmed in %" PRIu32 " s", last->confirm_s);
    job->undoes = last->revision;
    if (transaction_enqueue(engine, job, true, &err) < 0)
        engine->confirm_at = engine->host.now_ms(engine->host.arg) + ENGINE_RETRY_MS;
}

uint64_t confirm_next_tx(struct engine *engine)
{
    /* From the clock, so that a number is not used twice even when the transaction it named never
     * reached the journal; services compare it. The clock may be set back meanwhile. */
    uint64_t ms = engine->host.wall_us(engine->host.arg) / 1000;
    uint64_t last = engine->store.last_tx;

    if (last < engine->given_tx)
        last = engine->given_tx;
    engine->given_tx = ms > last ? ms : last + 1;
    return engine->given_tx;
}

int confirm_commit_alone(struct engine *engine, const struct revision *meta, json_t *patch,
                         struct orb_err *err)
{
    struct revision m = *meta;
    int r;

    m.tx = confirm_next_tx(engine);
    m.time_us = engine->host.wall_us(engine->host.arg);
    r = renew_writable(&engine->store, err);
    if (r == 0)
        r = store_prepare(&engine->store, &m, patch, err);
    if (r < 0)
        return r;
    r = store_commit(&engine->store, err);
    if (r < 0) {
        store_abort(&engine->store, err ? err->text : "");
        return r;
    }
    refs_update(&engine->refs, &engine->parts, patch);
    return 0;
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

    if (!store_unconfirmed(&engine->store))
        return 0;
    last = &engine->store.list[engine->store.count - 1];
    meta.undoes = last->revision;
    log_warn(engine->host.log, "config.commit.not-confirmed", KV("revision", last->revision),
             KV("seconds", last->confirm_s), KV("when", "restart"));
    r = store_patch(&engine->store, last->revision, &patch, err);
    if (r == 0)
        r = overlay_take_patch(&undo, engine->store.running, patch, true, err);
    if (r < 0)
        return r;
    json_decref(inverse);
    inverse = overlay_patch(&undo, engine->store.running);
    engine->undone = json_incref(inverse);
    if (confirm_commit_alone(engine, &meta, inverse, err) == 0)
        return 0;
    /* It was not confirmed, so it must not run, whether or not the disk takes the undo. */
    log_error(engine->host.log, "config.undo.not-written", KV("why", err ? err->text : ""));
    meta.time_us = engine->host.wall_us(engine->host.arg);
    r = store_commit_unwritten(&engine->store, &meta, inverse, err);
    if (r == 0)
        refs_update(&engine->refs, &engine->parts, inverse);
    return r;
}

/* What is run in safe mode is committed, so that history tells of it and commits can follow. */
static int go_back(struct engine *engine, uint64_t revision, struct orb_err *err)
{
    AUTO_FREE char *comment = buf_format(
        "safe mode: revision %" PRIu64 " is the last that is known to run well", revision);
    struct revision meta = {.user = (char *)ENGINE_ITSELF, .comment = comment};
    AUTO(overlay) struct overlay old = {0};
    AUTO(json_t) json_t *patch = NULL;
    int r = store_overlay(&engine->store, revision, &old, err);

    if (r < 0)
        return r;
    patch = overlay_patch(&old, engine->store.running);
    return json_array_size(patch) ? confirm_commit_alone(engine, &meta, patch, err) : 0;
}

/* Until a person commits something, or the service starts anew. older: what runs is not what was
 * committed last. */
static void tell_safe(struct engine *engine, bool older, const char *what)
{
    if (engine->host.problem)
        engine->host.problem(engine->host.arg, SAFE_PROBLEM, older, what,
                             "mend what kept orbitald from running, then commit again, or go "
                             "back with `orbctl config rollback`");
}

void confirm_safe_over(struct engine *engine)
{
    tell_safe(engine, false, NULL);
}

void confirm_safe_at_boot(struct engine *engine)
{
    uint64_t revision = engine->host.safe_revision, was = engine->store.revision;
    struct orb_err err = {0};

    if (!revision || revision >= was || engine->store.held || engine->store.damage.lost)
        return;
    if (go_back(engine, revision, &err) < 0) {
        AUTO_FREE char *what = buf_format("safe mode could not go back to revision %" PRIu64
                                          ", so %" PRIu64 " runs: %s",
                                          revision, was, err.text);

        log_error(engine->host.log, "config.safe-mode.not-possible", KV("revision", revision),
                  KV("why", err.text));
        tell_safe(engine, false, what);
    } else {
        AUTO_FREE char *what = buf_format("safe mode runs revision %" PRIu64 " instead of %" PRIu64
                                          ", which was committed last",
                                          revision, was);

        log_warn(engine->host.log, "config.safe-mode", KV("revision", revision),
                 KV("instead_of", was));
        if (engine->store.revision != was) /* else the two are the same */
            tell_safe(engine, true, what);
    }
}

void confirm_method(struct ask *ask)
{
    struct engine *e = ask->engine;
    struct orb_err err;
    json_t *reply;
    int r = 0;

    if (!store_unconfirmed(&e->store))
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
        engine_refuse(e, ask->req, &err);
        return;
    }
    e->confirm_at = 0;
    follow_engine(e);
    log_notice(e->host.log, "config.commit.confirmed", KV("revision", e->store.revision),
               KV("user", (const char *)ask->who));
    reply = json_object();
    json_object_set_new(reply, "revision", json_integer((json_int_t)e->store.revision));
    engine_answer(e, ask->req, reply);
}
