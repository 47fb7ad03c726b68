/* Transactions: one at a time, the others queue. Order of the durable facts: all have agreed,
 * `prepared` is on the disk, all have applied, `committed` is on the disk, the running tree
 * changes, the caller is answered. Whatever fails before the last record is undone in reverse. */
#include <inttypes.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/aside.h"
#include "plugins/config/bypass.h"
#include "plugins/config/candidate.h"
#include "plugins/config/commit.h"
#include "plugins/config/confirm.h"
#include "plugins/config/edit.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/follow.h"
#include "plugins/config/grants.h"
#include "plugins/config/history.h"
#include "plugins/config/job.h"
#include "plugins/config/lock.h"
#include "plugins/config/member.h"
#include "plugins/config/overlay.h"
#include "plugins/config/participant.h"
#include "plugins/config/publish.h"
#include "plugins/config/rebase.h"
#include "plugins/config/refs.h"
#include "plugins/config/renew.h"
#include "plugins/config/reply.h"
#include "plugins/config/report.h"
#include "plugins/config/safe.h"
#include "plugins/config/schedule.h"
#include "plugins/config/store.h"
#include "plugins/config/subscriber.h"
#include "plugins/config/transaction.h"
#include "plugins/config/turn.h"
#include "plugins/config/tx.h"
#include "plugins/config/undone.h"
#include "plugins/config/urgent.h"
#include "plugins/config/validate.h"

int transaction_enqueue(struct engine *engine, struct job *job, bool first, struct orb_err *err)
{
    bool urgent = !first && urgent_is(engine, job);
    int r = job_push(engine, job, first || urgent, err);

    if (r < 0)
        return r;
    if (urgent) { /* at once: others may begin the job that is in the queue now */
        struct parts_request request = engine->parts.now;

        engine->parts.now.in_slices = false;
        urgent_pass(engine, job);
        engine->parts.now = request;
    }
    transaction_next(engine);
    return 0;
}

/* ---- what is committed ---- */

/* The patch of an undo: what takes the running tree back. */
static int undo_patch(struct engine *e, const struct job *job, json_t **ret_patch,
                      struct orb_err *err)
{
    AUTO(json_t) json_t *patch = NULL;
    AUTO(overlay) struct overlay undo = {0};
    int r = history_patch(&e->store, NULL, job->undoes, &patch, err);

    if (r == 0)
        r = overlay_take_patch(&undo, e->store.running, patch, true, err);
    if (r == 0)
        *ret_patch = overlay_patch(&undo, e->store.running);
    return r;
}

static int commit_patch(struct engine *e, const struct job *job, json_t **ret_patch,
                        struct orb_err *err)
{
    struct candidate *c = candidate_find(e, job->user);
    AUTO(overlay) struct overlay exact = {.parts = &e->parts};
    AUTO(json_t) json_t *patch = NULL;
    struct schema_shared shared = {.units = PARTS_UNITS,
                                   .pause = e->parts.now.in_slices ? e->parts.pause : NULL,
                                   .arg = e->parts.pause_arg};
    int r;

    if (history_unconfirmed(&e->store) && !job->dry_run)
        return orb_fail(err, ORB_E_STATE,
                        "revision %" PRIu64 " still waits to be confirmed; confirm it from a new "
                        "session, or wait until it is undone",
                        e->store.revision);
    r = lock_check(e, job->user, err);
    if (r == 0 && c)
        r = rebase_conflicts(e, c, err);
    if (r < 0)
        return r;
    patch = c ? overlay_patch(&c->changes, e->store.running) : json_array();
    if (json_array_size(patch) == 0)
        return orb_fail(err, ORB_E_STATE,
                        "nothing to commit: your candidate is the same as revision %" PRIu64,
                        e->store.revision);
    overlay_exact(&exact, patch);
    e->parts.now.shared = &shared;
    r = validate_patch(&e->parts, &e->refs, &exact, e->store.running, patch, job->reads, err);
    if (r < 0)
        return r;
    *ret_patch = take_ptr(patch);
    return 0;
}

static void refuse_job(struct engine *engine, struct job *job, const struct orb_err *err)
{
    if (job->undoes)
        log_error(engine->host.log, "config.undo.failed", KV("revision", job->undoes),
                  KV("why", err->text));
    if (job->undoes && history_unconfirmed(&engine->store))
        engine->confirm_at = engine->host.now_ms(engine->host.arg) + ENGINE_RETRY_MS;
    reply_refuse(engine, job->req, err);
}

/* An undo restores reachability: a disk that cannot be written is no reason to lock a user out.
 * After a restart it would be undone again. */
static int not_written(struct engine *engine, struct orb_err *err)
{
    log_error(engine->host.log, "config.undo.not-written", KV("why", err->text));
    *err = (struct orb_err){0};
    return 0;
}

/* ---- ends ---- */

static json_t *reply_of(const struct tx *tx, uint64_t revision)
{
    json_t *reply = json_object(), *plan = json_array(), *step;
    size_t k;

    for (size_t i = 0; i < tx->count; i++)
        json_array_foreach (tx->parts[i].plan, k, step) {
            json_t *line = json_object();

            json_object_set_new(line, "service", json_string(tx->parts[i].name));
            json_object_set_new(line, "kind", json_string(member_text(step, "kind", "live")));
            json_object_set_new(line, "text", json_string(member_text(step, "text", "")));
            json_array_append_new(plan, line);
        }
    json_object_set_new(reply, "revision", json_integer((json_int_t)revision));
    json_object_set_new(reply, "changes", json_integer((json_int_t)json_array_size(tx->patch)));
    json_object_set_new(reply, "plan", plan);
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

    if (tx->gone && !tx->err.code) {
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
        refuse_job(engine, job, &tx->err);
    } else {
        if (!job->dry_run && !job->undoes)
            edit_drop(engine, job->user);
        reply_tree(engine, job->req, reply_of(tx, engine->store.revision));
    }
    tx_free(tx);
    engine->tx_ended(engine);
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

static void on_prepared(struct tx *tx)
{
    struct engine *e = tx->engine;
    struct revision meta = meta_of(tx);

    if (tx->err.code || tx->gone || tx->job->dry_run) {
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
        not_written(e, &tx->err);
    }
    tx->prepared = !tx->unwritten;
    tx->at = 0;
    e->applying = e->store.revision + 1;
    follow_engine(e);
    turn_apply(tx);
}

/* The last durable fact. */
static int commit(struct tx *tx)
{
    struct engine *e = tx->engine;
    struct revision meta = meta_of(tx);
    int r = tx->unwritten ? -1 : store_commit(&e->store, &tx->err);

    if (r < 0 && tx->job->undoes) {
        if (!tx->unwritten)
            not_written(e, &tx->err);
        tx->unwritten = true;
        r = store_commit_unwritten(&e->store, &meta, tx->patch, &tx->err);
    }
    if (r == 0 || e->store.void_tx == tx->id)
        report_enforced(e); /* before the event is published */
    report_store(e);
    return r;
}

static void on_applied(struct tx *tx)
{
    struct engine *e = tx->engine;

    report_step(e, "applied-all");
    if (commit(tx) < 0) {
        say_not_written(tx);
        turn_abort(tx);
        return;
    }
    follow_committed(tx);
    refs_update(&e->refs, &e->parts, tx->patch);
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
    publish_committed(tx);
    finish(tx);
}

static void on_aborted(struct tx *tx)
{
    tx->turn_at = 0;
    if (tx->prepared)
        store_abort(&tx->engine->store, tx->err.text);
    report_store(tx->engine);
    finish(tx);
}

/* ---- begin ---- */

static const struct tx_events events = {
    .prepared = on_prepared, .applied = on_applied, .aborted = on_aborted};

/* Starts job; false: it waits for known subscribers and stays in the queue. */
static bool begin_job(struct engine *engine, struct job *job)
{
    struct tx *tx = xcalloc(1, sizeof(*tx));
    struct candidate *c;
    struct orb_err err = {0};
    int r = job->undoes ? undo_patch(engine, job, &tx->patch, &err)
                        : commit_patch(engine, job, &tx->patch, &err);

    tx->engine = engine;
    tx->events = &events;
    if (r == 0 && job->canceled)
        r = orb_fail(&err, ORB_E_STATE, "canceled by %s; nothing was changed", job->user);
    /* The rest is one step, which must not depend on a request's budget. */
    engine->parts.now = (struct parts_request){0};
    if (r == 0 && !job->dry_run) {
        r = renew_writable(&engine->store, &err);
        report_store(engine);
        tx->unwritten = r < 0 && job->undoes;
    }
    if (tx->unwritten)
        r = not_written(engine, &err);
    if (r == 0 && !participant_list(tx, job)) {
        tx_free(tx);
        return false;
    }
    engine->jobs = job->next;
    if (r < 0) {
        refuse_job(engine, job, &err);
        tx_free(tx);
        job_free(job);
        return true;
    }
    tx->job = job;
    tx->id = commit_number(engine);
    tx->revision = engine->store.revision + 1;
    engine->store.last_tx = tx->id;
    engine->tx = tx;
    c = job->undoes || job->dry_run ? NULL : candidate_find(engine, job->user);
    if (c)
        c->committing = true;
    participant_prepare(tx);
    return true;
}

/* Perhaps inside of a request that made room for it: that one has its own budget back afterwards.
 */
static bool begin(struct engine *engine)
{
    struct parts_request request = engine->parts.now;
    bool begun;

    engine->beginning = true; /* commits among those that settle are queued, perhaps in front */
    requests_settle(engine);  /* one may be an edit of what is committed */
    begun = begin_job(engine, engine->jobs);
    engine->beginning = false;
    engine->parts.now = request;
    return begun;
}

void transaction_next(struct engine *engine)
{
    struct parts_request request = engine->parts.now;

    if (engine->beginning)
        return; /* suspended: it continues with the rest itself */
    engine->parts.now.in_slices = false;
    aside_next(engine);
    engine->parts.now = request;
    while (!engine->tx && engine->jobs) {
        schedule_between(engine);
        if (!begin(engine))
            break;
    }
    schedule_arm(engine);
}

void transaction_commit(struct ask *ask)
{
    struct job *job = xcalloc(1, sizeof(*job));
    struct orb_err err;

    if (grants_check_candidate(ask->caller, candidate_find(ask->engine, ask->who), &err) < 0) {
        job_free(job);
        reply_refuse(ask->engine, ask->req, &err);
        return;
    }
    job->user = xstrdup(ask->who);
    job->comment = xstrdup(member_text(ask->in, "comment", ""));
    job->confirm_s = (uint32_t)member_number(ask->in, "confirm-s", 0);
    job->dry_run = json_is_true(json_object_get(ask->in, "dry-run"));
    job->req = ask->req;
    job->reads = grants_read_paths(ask->caller);
    if (job->confirm_s > ENGINE_MAX_CONFIRM_S) {
        orb_fail_at(&err, ORB_E_SCHEMA, "/confirm-s", "expected at most %u seconds; got %u",
                    ENGINE_MAX_CONFIRM_S, job->confirm_s);
        job_free(job);
        reply_refuse(ask->engine, ask->req, &err);
        return;
    }
    if (transaction_enqueue(ask->engine, job, false, &err) < 0)
        reply_refuse(ask->engine, ask->req, &err);
}
