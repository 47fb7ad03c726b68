/* Phases of a commit and its ends: see phases.h. */
#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/aside.h"
#include "plugins/config/bypass.h"
#include "plugins/config/candidate.h"
#include "plugins/config/confirm.h"
#include "plugins/config/edit.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/follow.h"
#include "plugins/config/history.h"
#include "plugins/config/job.h"
#include "plugins/config/participant.h"
#include "plugins/config/phases.h"
#include "plugins/config/plan.h"
#include "plugins/config/publish.h"
#include "plugins/config/refs.h"
#include "plugins/config/reply.h"
#include "plugins/config/report.h"
#include "plugins/config/safe.h"
#include "plugins/config/store.h"
#include "plugins/config/subscriber.h"
#include "plugins/config/turn.h"
#include "plugins/config/tx.h"
#include "plugins/config/undone.h"
#include "plugins/config/validate.h"

#define LARGE_RECORD (64u * 1024) /* bytes */

void phases_refuse(struct engine *engine, const struct job *job, const struct orb_err *err)
{
    if (job->undoes)
        log_error(engine->host.log, "config.undo.failed", KV("revision", job->undoes),
                  KV("why", err->text));
    if (job->undoes && history_unconfirmed(&engine->store))
        engine->confirm_at = engine->host.now_ms(engine->host.arg) + ENGINE_RETRY_MS;
    reply_refuse(engine, job->req, err);
}

int phases_not_written(struct engine *engine, struct orb_err *err)
{
    log_error(engine->host.log, "config.undo.not-written", KV("why", err->text));
    *err = (struct orb_err){0};
    return 0;
}

/* ---- ends ---- */

static json_t *reply_of(const struct tx *tx, uint64_t revision)
{
    json_t *reply = json_object();

    json_object_set_new(reply, "revision", json_integer((json_int_t)revision));
    json_object_set_new(reply, "changes", json_integer((json_int_t)json_array_size(tx->patch)));
    json_object_set_new(reply, "plan", plan_of(tx));
    for (size_t i = 0; i < tx->count; i++)
        if (tx->parts[i].answer)
            json_object_set(reply, "answer", tx->parts[i].answer);
    if (tx->confirm_by_us)
        json_object_set_new(reply, "confirm-by",
                            json_integer((json_int_t)(tx->confirm_by_us / 1000000)));
    return reply;
}

/* Answers, frees, continues with the queue. */
/* A service disconnected before it answered, and nothing else is wrong: the commit is restarted
 * when the service is back. */
static void ask_again(struct tx *tx)
{
    struct engine *engine = tx->engine;
    struct job *job = tx->job;

    log_info(engine->host.log, "config.commit.again", KV("service", tx->gone->name));
    subscriber_peer_gone(engine, tx->gone->peer); /* its answer may come before that */
    job->again = xstrdup(tx->gone->name);
    job->wait_until = engine->host.now_ms(engine->host.arg) + ENGINE_GRACE_MS;
    tx->job = NULL;
    engine->tx = NULL;
    tx_free(tx);
    job_push(engine, job, true, NULL);
    engine->tx_ended(engine);
}

static void finish(struct tx *tx)
{
    struct engine *engine = tx->engine;
    struct job *job = tx->job;
    struct candidate *c = candidate_find(engine, job->user);
    json_t *patch = json_incref(tx->patch);

    if (tx->gone && !tx->err.code) {
        json_decref(patch);
        ask_again(tx);
        return;
    }
    if (c && !job->undoes)
        c->committing = false;
    engine->tx = NULL;
    if (engine->applying) {
        engine->applying = 0;
        follow_engine(engine);
    }
    if (tx->err.code) {
        phases_refuse(engine, job, &tx->err);
    } else {
        if (!job->dry_run && !job->undoes)
            edit_drop(engine, job->user);
        reply_tree(engine, job->req, reply_of(tx, engine->store.revision));
    }
    tx_free(tx);
    engine->tx_ended(engine);
    parts_drop(&engine->parts, patch);
}

/* A part that no schema fitted may have been put right. */
static void check_unfit(const struct tx *tx)
{
    struct engine *e = tx->engine;
    const char *name;
    json_t *why;
    void *next;

    json_object_foreach_safe(e->unfit, next, name, why)
    {
        json_t *value = json_object_get(e->store.running, name);

        if (!value || validate_part(&e->parts, name, value, NULL) == 0) {
            follow_part_gone(e, name);
            json_object_del(e->unfit, name);
        }
    }
}

/* ---- phases ---- */

static struct revision meta_of(const struct tx *tx)
{
    const struct engine_host *host = &tx->engine->host;

    return (struct revision){
        .tx = tx->id,
        .time_us = host->wall_us(host->arg),
        .user = tx->job->user,
        .comment = tx->job->comment,
        .confirm_s = tx->job->confirm_s,
        .undoes = tx->job->undoes,
    };
}

/* The error text for the user who commits: what it means, and what to do. */
static void say_not_written(struct tx *tx)
{
    if (tx->err.code != ORB_E_LIMIT)
        orb_wrap(&tx->err, "nothing was changed, as the configuration cannot be written (make "
                           "room, or the file system writable, and commit again)");
}

/* All have agreed. While it is written no service is asked anything, so the transaction stays. */
static void write_prepared(struct engine *e, void *arg)
{
    struct tx *tx = arg;
    struct revision meta = meta_of(tx);

    if (tx->err.code) { /* it was canceled before its turn came */
        turn_abort(tx);
        return;
    }
    if (meta.confirm_s)
        meta.confirm_by_us = tx->confirm_by_us = meta.time_us + (uint64_t)meta.confirm_s * 1000000u;
    if (!tx->unwritten && store_prepare(&e->store, &meta, tx->patch, &tx->err) < 0) {
        report_store(e);
        if (!tx->job->undoes) {
            say_not_written(tx);
            turn_abort(tx);
            return;
        }
        tx->unwritten = true;
        phases_not_written(e, &tx->err);
    }
    tx->prepared = !tx->unwritten;
    tx->at = 0;
    e->applying = e->store.revision + 1;
    follow_engine(e);
    turn_apply(tx);
}

static void on_prepared(struct tx *tx)
{
    if (tx->err.code || tx->gone || tx->job->dry_run)
        turn_abort(tx);
    else
        requests_do(tx->engine, tx->job->user, write_prepared, tx);
}

/* The last durable fact. */
static int commit(struct tx *tx)
{
    struct engine *e = tx->engine;
    struct revision meta = meta_of(tx);
    int r = tx->unwritten ? -1 : store_commit(&e->store, &tx->err);

    if (r < 0 && tx->job->undoes) {
        if (!tx->unwritten)
            phases_not_written(e, &tx->err);
        tx->unwritten = true;
        r = store_commit_unwritten(&e->store, &meta, tx->patch, &tx->err);
    }
    if (r == 0 || e->store.void_tx == tx->id)
        report_enforced(e); /* before the event is published */
    report_store(e);
    return r;
}

/* What a large change leads to is made beside what there is. */
static void make_next(struct tx *tx, json_t **ret_index)
{
    struct engine *e = tx->engine;

    if (tx->unwritten || e->store.journal.end - e->store.pending.offset < LARGE_RECORD)
        return;
    store_next(&e->store);
    *ret_index = refs_next(&e->refs, &e->parts, tx->patch);
}

static void follow_refs(struct tx *tx, json_t **index)
{
    struct refs *refs = &tx->engine->refs;
    json_t *was = refs->index;

    if (!*index) {
        refs_update(refs, &tx->engine->parts, tx->patch);
        return;
    }
    refs->index = *index;
    *index = was;
}

static void write_committed(struct engine *e, void *arg)
{
    struct tx *tx = arg;
    json_t *index = NULL;

    report_step(e, "applied-all");
    make_next(tx, &index);
    requests_settle(e); /* they look at the tree that changes, and at the candidate */
    e->parts.now.in_slices = false;
    if (commit(tx) < 0) {
        e->parts.now.in_slices = true;
        store_drop_next(&e->store);
        parts_drop(&e->parts, index);
        say_not_written(tx);
        turn_abort(tx);
        return;
    }
    follow_committed(tx);
    follow_refs(tx, &index);
    if (json_object_size(e->unfit))
        check_unfit(tx);
    e->confirm_at = 0;
    if (!tx->job->undoes)
        safe_over(e);
    undone_committed(tx);
    bypass_committed(tx);
    aside_committed(tx);
    if (tx->job->confirm_s)
        confirm_started(e);
    log_info(e->host.log, "config.committed", KV("revision", e->store.revision),
             KV("user", tx->job->user), KV("changes", json_array_size(tx->patch)));
    e->parts.now.in_slices = true;
    publish_committed(tx);
    store_drop_next(&e->store);
    parts_drop(&e->parts, index);
    finish(tx);
}

static void on_applied(struct tx *tx)
{
    requests_do(tx->engine, tx->job->user, write_committed, tx);
}

static void end_aborted(struct engine *engine, void *arg)
{
    struct tx *tx = arg;

    if (tx->prepared)
        store_abort(&tx->engine->store, tx->err.text);
    report_store(tx->engine);
    finish(tx);
}

static void on_aborted(struct tx *tx)
{
    tx->turn_at = 0;
    requests_do(tx->engine, tx->job->user, end_aborted, tx);
}

static const struct tx_events events = {
    .prepared = on_prepared, .applied = on_applied, .aborted = on_aborted};

void phases_begin(struct tx *tx)
{
    tx->events = &events;
    participant_prepare(tx);
}
