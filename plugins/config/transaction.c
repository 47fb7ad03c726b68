/* Transactions: one at a time, the others queue. phases.c continues with what was begun here. */
#include <inttypes.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/aside.h"
#include "plugins/config/bypass.h"
#include "plugins/config/cancel.h"
#include "plugins/config/candidate.h"
#include "plugins/config/commit.h"
#include "plugins/config/confirm.h"
#include "plugins/config/edit.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/history.h"
#include "plugins/config/job.h"
#include "plugins/config/lock.h"
#include "plugins/config/member.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/participant.h"
#include "plugins/config/phases.h"
#include "plugins/config/rebase.h"
#include "plugins/config/refs.h"
#include "plugins/config/renew.h"
#include "plugins/config/reply.h"
#include "plugins/config/report.h"
#include "plugins/config/schedule.h"
#include "plugins/config/store.h"
#include "plugins/config/subscriber.h"
#include "plugins/config/transaction.h"
#include "plugins/config/tx.h"
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
    int r = history_patch(&e->store, &e->parts, job->undoes, &patch, err);

    if (r == 0)
        r = overlay_patch_take(&undo, e->store.running, patch, true, err);
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
    if (json_array_size(patch) == 0 && !job->question)
        return orb_fail(err, ORB_E_STATE,
                        "nothing to commit: your candidate is the same as revision %" PRIu64,
                        e->store.revision);
    overlay_patch_exact(&exact, patch);
    e->parts.now.shared = &shared;
    r = validate_patch(&e->parts, &e->refs, &exact, e->store.running, patch, job->reads, err);
    if (r < 0)
        return r;
    *ret_patch = take_ptr(patch);
    return 0;
}

/* ---- begin ---- */

/* Nothing was changed for it. */
static void refuse(struct engine *engine, struct job *job, const struct orb_err *err)
{
    engine->beginning = NULL;
    phases_refuse(engine, job, err);
    job_free(job);
}

static void go_ahead(struct engine *engine, struct job *job, struct tx *tx)
{
    struct candidate *c;

    engine->beginning = NULL;
    tx->job = job;
    tx->id = commit_number(engine);
    tx->revision = engine->store.revision + 1;
    engine->store.last_tx = tx->id;
    engine->tx = tx;
    c = job->undoes || job->dry_run ? NULL : candidate_find(engine, job->user);
    if (c)
        c->committing = true;
    phases_begin(tx);
}

/* Starts engine->beginning; false: it waits for known subscribers. */
static bool begin_job(struct engine *engine)
{
    struct tx *tx = xcalloc(1, sizeof(*tx));
    struct job *job = engine->beginning;
    struct orb_err err = {0};
    int r = job->undoes ? undo_patch(engine, job, &tx->patch, &err)
                        : commit_patch(engine, job, &tx->patch, &err);

    tx->engine = engine;
    /* The rest must not depend on a request's budget. */
    engine->parts.now.shared = NULL;
    if (r == 0 && !job->dry_run) {
        r = renew_writable(&engine->store, &err);
        report_store(engine);
        tx->unwritten = r < 0 && job->undoes;
    }
    if (tx->unwritten)
        r = phases_not_written(engine, &err);
    if (r == 0)
        participant_look(tx);
    if (r == 0 && job->canceled)
        r = cancel_fail(job->user, &err);
    if (r == 0 && !participant_list(tx, job)) {
        tx_free(tx);
        return false;
    }
    if (r == 0) {
        go_ahead(engine, job, tx);
        return true;
    }
    refuse(engine, job, &err);
    tx_free(tx);
    return true;
}

/* The rest of the queue follows when it was refused, or is over already. */
static void begin(struct engine *engine, void *arg)
{
    const struct job *waits;

    if (begin_job(engine)) {
        transaction_next(engine);
        return;
    }
    waits = engine->beginning;
    job_put_back(engine);
    if (engine->jobs != waits) /* an undo came meanwhile, and does not wait for it */
        transaction_next(engine);
    schedule_arm(engine);
}

void transaction_next(struct engine *engine)
{
    struct parts_request request = engine->parts.now;

    if (engine->beginning)
        return; /* it continues with the rest itself */
    engine->parts.now.in_slices = false;
    aside_next(engine);
    if (!engine->tx && engine->jobs) {
        schedule_between(engine);
        job_take(engine);
        /* In the turns of its user, whose edits before it are done then, and those after it wait.
         */
        requests_do(engine, engine->beginning->user, begin, NULL);
    }
    engine->parts.now = request;
    schedule_arm(engine);
}

/* A question is about a candidate, asked by a user, to a service that runs. */
static int check_question(struct engine *engine, const struct job *job, struct orb_err *err)
{
    const char *name;
    const struct subscriber *s;

    if (!job->question)
        return 0;
    if (grants_is_service(job->user))
        return orb_fail_at(err, ORB_E_DENIED, "/question", "questions are for users only");
    if (!job->dry_run)
        return orb_fail_at(err, ORB_E_SCHEMA, "/question",
                           "a question needs a dry run; expected \"dry-run\": true");
    name = member_text(job->question, "service", "");
    s = subscriber_find(engine, name);
    if (!s || s->presence == SUB_OFFLINE)
        return orb_fail_at(err, ORB_E_UNAVAILABLE, "/question/service",
                           "service \"%.64s\" does not run, or takes no part in commits", name);
    return 0;
}

static int check_confirm(const struct job *job, struct orb_err *err)
{
    if (job->confirm_s <= ENGINE_MAX_CONFIRM_S)
        return 0;
    return orb_fail_at(err, ORB_E_SCHEMA, "/confirm-s", "expected at most %u seconds; got %u",
                       ENGINE_MAX_CONFIRM_S, job->confirm_s);
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
    job->question = json_incref(json_object_get(ask->in, "question"));
    job->req = ask->req;
    job->reads = grants_read_paths(ask->caller);
    if (check_question(ask->engine, job, &err) < 0 || check_confirm(job, &err) < 0) {
        job_free(job);
        reply_refuse(ask->engine, ask->req, &err);
        return;
    }
    if (transaction_enqueue(ask->engine, job, false, &err) < 0)
        reply_refuse(ask->engine, ask->req, &err);
}
