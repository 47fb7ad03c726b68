/* The services' side of a transaction: prepare to all at once, apply one after the other in the
 * order of attaching, abort in reverse. Every call ends in exactly one answer (the host sees to
 * deadlines and deaths), so a transaction always comes to an end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/bypass.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/job.h"
#include "plugins/config/participant.h"
#include "plugins/config/report.h"
#include "plugins/config/schedule.h"
#include "plugins/config/service.h"
#include "plugins/config/subscriber.h"
#include "plugins/config/words.h"

#define MAX_PLAN_STEPS 200

static void not_asked(struct participant *p, const char *why)
{
    json_t *step = json_object();

    p->state = PART_OUT;
    json_decref(p->plan);
    p->plan = json_array();
    json_object_set_new(step, "kind", json_string("offline"));
    json_object_set_new(step, "text", json_string(why));
    json_array_append_new(p->plan, step);
}

static void offline_plan(struct participant *p)
{
    not_asked(p, "is not running; takes this over when it starts");
}

bool participant_list(struct tx *tx)
{
    struct engine *e = tx->engine;

    for (struct subscriber *s = e->subscribers; s; s = s->next) {
        AUTO(json_t) json_t *mine = subscriber_patch(e, s, tx->patch);
        struct participant *p;

        const char *bypass;
        bool stays;

        if (!mine)
            continue;
        bypass = bypass_reason(tx, s, &stays);
        if (!bypass && s->presence == SUB_UNKNOWN && e->host.now_ms(e->host.arg) < e->grace_until)
            return false;
        tx->parts = xrealloc(tx->parts, (tx->count + 1) * sizeof(*tx->parts));
        p = &tx->parts[tx->count++];
        *p = (struct participant){.tx = tx, .name = xstrdup(s->name), .peer = s->peer};
        /* Unknown and yet not back: it is gone, or it never took part in a transaction and so did
         * not notice that we were away. Asking tells. */
        p->probed = s->left_out;
        p->anew = bypass && stays && s->presence == SUB_ATTACHED;
        if (s->presence == SUB_OFFLINE)
            offline_plan(p);
        else if (bypass)
            not_asked(p, bypass);
        else
            tree_dump(mine, &p->text);
    }
    return true;
}

static int ask(struct participant *p, const char *method, const struct buf *text,
               uint32_t deadline_ms, engine_done *done, struct orb_err *err)
{
    const struct engine_host *host = &p->tx->engine->host;
    AUTO_FREE char *to = buf_format("service.%s@1", p->name);

    return host->call(host->arg, to, method, buf_str(text), text->len, deadline_ms, done, p, err);
}

static bool is_gone(const struct orb_err *err)
{
    return err->code == ORB_E_GONE || err->code == ORB_E_UNAVAILABLE;
}

/* An error of the service without the secrets it was given. */
static struct orb_err as_shown(const struct participant *p, const struct orb_err *err)
{
    AUTO(words) struct words *words = words_of(p->tx, p->name);
    struct orb_err shown = *err;

    words_error(words, &shown);
    return shown;
}

/* Notes the first failure in words for the person who commits. */
static void blame(struct participant *p, const char *doing, const char *verdict,
                  const struct orb_err *said)
{
    struct orb_err shown = as_shown(p, said);
    const struct orb_err *err = &shown;
    struct tx *tx = p->tx;

    log_warn(tx->engine->host.log, "config.participant.failed", KV("service", p->name),
             KV("phase", doing), KV("code", orb_code_name(err->code)), KV("path", err->path),
             KV("why", err->text));
    if (tx->err.code)
        return;
    if (is_gone(err))
        orb_fail(&tx->err, ORB_E_GONE, "%s went away during %s; nothing was changed", p->name,
                 doing);
    else if (err->code == ORB_E_DEADLINE)
        orb_fail(&tx->err, ORB_E_DEADLINE, "%s; nothing was changed, and %s is started anew",
                 err->text, p->name);
    else
        orb_fail_at(&tx->err, !strcmp(doing, "prepare") ? ORB_E_VETO : err->code, err->path,
                    "%s %s: %s", p->name, verdict, err->text);
}

/* Did p miss a deadline? Then it is not known what it does, and it is not waited for again: it is
 * ended, and its successor attaches to what is stored. */
static bool late(struct participant *p, const char *doing, const struct orb_err *err)
{
    AUTO_FREE char *why = NULL;

    if (err->code != ORB_E_DEADLINE)
        return false;
    why = buf_format("at %s: %s", doing, err->text);
    service_late(p->tx->engine, p->name, why);
    return true;
}

/* ---- prepare ---- */

/* The steps an answer names, at most so many, behind those the service named before. */
static void add_plan(struct participant *p, const char *text, size_t len)
{
    AUTO(words) struct words *words = NULL;
    AUTO(json_t) json_t *reply = NULL;
    json_t *plan;

    if (tree_parse(text, len, NULL, &reply, NULL) < 0)
        return;
    words = words_of(p->tx, p->name);
    plan = json_object_get(reply, "plan");
    words_plan(words, plan);
    while (json_array_size(plan) > MAX_PLAN_STEPS)
        json_array_remove(plan, json_array_size(plan) - 1);
    if (!p->plan)
        p->plan = json_array();
    json_array_extend(p->plan, plan);
}

static void prepare_result(struct participant *p, const char *text, size_t len,
                           const struct orb_err *err)
{
    if (!err) {
        p->state = PART_READY;
        add_plan(p, text, len);
        return;
    }
    if (err->code == ORB_E_UNAVAILABLE || (p->tx->job->undoes && err->code == ORB_E_GONE)) {
        offline_plan(p); /* it was gone before we asked; it attaches to the result */
        return;
    }
    p->state = is_gone(err) ? PART_OUT : late(p, "prepare", err) ? PART_LATE : PART_FAILED;
    if (p->state != PART_FAILED)
        bypass_spoilt(p->tx->engine, p->name);
    if (p->state != PART_FAILED && p->probed)
        return;
    if (p->tx->job->undoes) {
        /* An undo goes through: going on without a service beats leaving the box cut off. */
        p->restart = p->state == PART_FAILED;
        log_warn(p->tx->engine->host.log, "config.undo.without", KV("service", p->name),
                 KV("why", as_shown(p, err).text));
        return;
    }
    blame(p, "prepare", "refused", err);
}

/* The client that waits for the commit goes on waiting: its deadline is for one step, not for
 * all. */
static void goes_on(const struct tx *tx)
{
    if (tx->engine->host.progress)
        tx->engine->host.progress(tx->engine->host.arg);
}

static void on_prepared(void *arg, const char *text, size_t len, const struct orb_err *err)
{
    struct participant *p = arg;

    goes_on(p->tx);
    prepare_result(p, text, len, err);
    if (--p->tx->outstanding == 0)
        p->tx->events->prepared(p->tx);
}

static void send_prepare(struct participant *p)
{
    static const struct json_limits frame = {.depth = JSON_MAX_DEPTH - 4, .keys = JSON_MAX_KEYS};
    struct tx *tx = p->tx;
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);
    struct orb_err err = {0};

    json_write_object(&w, NULL);
    json_write_integer(&w, "tx", (int64_t)tx->id);
    json_write_integer(&w, "revision", (int64_t)tx->engine->store.revision + 1);
    if (p->text.len <= INLINE_BYTES && scan_json(p->text.data, p->text.len, &frame, &err) == 0)
        json_write_raw(&w, "patch", p->text.data, p->text.len);
    else
        json_write_integer(&w, "bytes", (int64_t)p->text.len);
    json_write_end(&w);
    if (ask(p, "prepare", &text, ENGINE_PREPARE_MS, on_prepared, &err) == 0)
        return;
    tx->outstanding--;
    prepare_result(p, NULL, 0, &err);
}

void participant_prepare(struct tx *tx)
{
    tx->outstanding = 1; /* this function's own, so that it ends in one place */
    for (size_t i = 0; i < tx->count; i++) {
        if (tx->parts[i].state != PART_ASKED)
            continue;
        tx->outstanding++;
        send_prepare(&tx->parts[i]);
    }
    report_step(tx->engine, "prepare-sent");
    if (--tx->outstanding == 0)
        tx->events->prepared(tx);
}

/* ---- apply ---- */

static uint64_t now_of(const struct tx *tx)
{
    return tx->engine->host.now_ms(tx->engine->host.arg);
}

static bool is_newest(const struct participant *p)
{
    return p->tx->at < p->tx->count && p == &p->tx->parts[p->tx->at];
}

static void apply_result(struct participant *p, const struct orb_err *err)
{
    struct tx *tx = p->tx;
    bool newest = is_newest(p);

    tx->outstanding--;
    if (!err) {
        p->state = PART_APPLIED;
        bypass_followed(tx->engine, p->name);
    } else if (tx->job->undoes) {
        p->restart = !late(p, "apply", err) && !is_gone(err);
        p->state = PART_OUT;
    } else {
        p->state = is_gone(err) ? PART_OUT : late(p, "apply", err) ? PART_LATE : PART_FAILED;
        if (p->state != PART_FAILED)
            bypass_spoilt(tx->engine, p->name);
        if (p->state == PART_OUT)
            service_needed(tx->engine, p->name, "it went away with a refused change half done");
        blame(p, "apply", "could not apply it", err);
        participant_abort(tx);
        return;
    }
    if (newest)
        tx->at++;
    if (newest || tx->outstanding == 0)
        participant_apply(tx);
}

static void on_applied(void *arg, const char *text, size_t len, const struct orb_err *err)
{
    goes_on(((struct participant *)arg)->tx);
    if (!err)
        add_plan(arg, text, len);
    apply_result(arg, err);
}

void participant_apply(struct tx *tx)
{
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);
    struct participant *p;
    struct orb_err err = {0};

    while (tx->at < tx->count && tx->parts[tx->at].state != PART_READY)
        tx->at++;
    if (tx->at == tx->count) {
        tx->turn_at = 0;
        if (tx->outstanding == 0)
            tx->events->applied(tx);
        return;
    }
    if (!tx->live_at) {
        tx->live_at = now_of(tx);
        /* What is being undone is live: the others do not wait for a slow participant. */
        tx->turn_at = tx->job->undoes ? tx->live_at + ENGINE_TURN_MS : 0;
    }
    p = &tx->parts[tx->at];
    p->applying = true;
    tx->outstanding++;
    json_write_object(&w, NULL);
    json_write_integer(&w, "tx", (int64_t)tx->id);
    json_write_end(&w);
    if (ask(p, "apply", &text, ENGINE_APPLY_MS, on_applied, &err) < 0) {
        apply_result(p, &err);
        return;
    }
    report_step(tx->engine, "apply-sent");
    schedule_arm(tx->engine);
}

/* ---- abort ---- */

static void abort_next(struct tx *tx);

/* One that was asked has answered, or could not be asked. */
static void abort_result(struct participant *p, const struct orb_err *err)
{
    struct tx *tx = p->tx;
    bool newest = is_newest(p);

    p->state = PART_OUT;
    tx->outstanding--;
    /* A service that cannot go back is not known to be on any revision: start it anew. */
    if (err && !late(p, "abort", err)) {
        if (!is_gone(err))
            service_restart(tx->engine, p->name, as_shown(p, err).text);
        else if (p->applying)
            service_needed(tx->engine, p->name, "it went away before a refused change was undone");
    }
    if (newest || tx->outstanding == 0)
        abort_next(tx);
}

static void on_aborted(void *arg, const char *text, size_t len, const struct orb_err *err)
{
    abort_result(arg, err);
}

static struct participant *next_to_abort(struct tx *tx)
{
    for (size_t i = tx->count; i-- > 0;) {
        enum part_state s = tx->parts[i].state;

        if (s == PART_READY || s == PART_APPLIED || s == PART_FAILED)
            return &tx->parts[i];
    }
    return NULL;
}

/* A refused change is live no longer than one deadline and a second, whichever participant is slow
 * and whatever time the others took: one that has not gone back by then is ended, early enough for
 * its successor to be there. */
static uint32_t abort_ms(const struct participant *p)
{
    const struct tx *tx = p->tx;
    uint64_t now = now_of(tx), live = now - tx->live_at, asked = now - tx->abort_at;

    if (!p->applying)
        return ENGINE_APPLY_MS;
    if (live + 2 * ENGINE_ABORT_MS < ENGINE_APPLY_MS)
        return (uint32_t)(ENGINE_APPLY_MS - ENGINE_ABORT_MS - live);
    return asked < ENGINE_TURN_MS ? ENGINE_ABORT_MS - (uint32_t)asked
                                  : ENGINE_ABORT_MS - ENGINE_TURN_MS;
}

/* In reverse order, one after the other; but who takes long does not keep the others from going
 * back: the refused change is live there. */
static void abort_next(struct tx *tx)
{
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);
    struct participant *p = next_to_abort(tx);
    struct orb_err err = {0};

    if (!p) {
        tx->turn_at = 0;
        if (tx->outstanding == 0)
            tx->events->aborted(tx);
        return;
    }
    p->state = PART_ABORTING;
    tx->at = (size_t)(p - tx->parts);
    tx->outstanding++;
    json_write_object(&w, NULL);
    json_write_integer(&w, "tx", (int64_t)tx->id);
    json_write_boolean(&w, "applied", p->applying);
    json_write_end(&w);
    if (ask(p, "abort", &text, abort_ms(p), on_aborted, &err) < 0) {
        abort_result(p, &err);
        return;
    }
    report_step(tx->engine, "abort-sent");
    schedule_arm(tx->engine);
}

void participant_abort(struct tx *tx)
{
    tx->outstanding = 0; /* each was asked and has answered */
    tx->abort_at = now_of(tx);
    tx->turn_at = tx->abort_at + ENGINE_TURN_MS;
    abort_next(tx);
}

void participant_tick(struct tx *tx)
{
    if (!tx->turn_at || now_of(tx) < tx->turn_at)
        return;
    tx->turn_at = 0;
    tx->outstanding++; /* this function's own, so that it ends in one place */
    if (tx->abort_at)
        while (next_to_abort(tx))
            abort_next(tx);
    else
        while (tx->at < tx->count) {
            tx->at++;
            participant_apply(tx);
        }
    if (--tx->outstanding)
        return;
    if (tx->abort_at)
        tx->events->aborted(tx);
    else
        tx->events->applied(tx);
}
