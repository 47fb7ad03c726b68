/* The services' side of a transaction: the participants, and prepare to all at once (turn.c
 * continues). Every call ends in exactly one answer (the host handles deadlines and disconnects),
 * so a transaction always ends. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/advance.h"
#include "plugins/config/bypass.h"
#include "plugins/config/call.h"
#include "plugins/config/grants.h"
#include "plugins/config/job.h"
#include "plugins/config/member.h"
#include "plugins/config/participant_internal.h"
#include "plugins/config/report.h"
#include "plugins/config/schedule.h"
#include "plugins/config/service.h"
#include "plugins/config/strikes.h"
#include "plugins/config/subscriber.h"
#include "plugins/config/words.h"

#define AGAIN_WITHIN_MS 1000 /* a service that is restarted disconnects within this time */
#define MAX_PLAN_STEPS 200
#define ANSWER_BYTES (64u << 10)

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

/* Is job to wait for s, which went away in its first prepare? */
static bool is_awaited(const struct job *job, const struct subscriber *s)
{
    return job->again && !strcmp(job->again, s->name) && s->presence != SUB_ATTACHED;
}

/* It went away in the middle of prepare and did not come back in time: its veto is not known. */
static void stays_away(struct participant *p)
{
    p->state = PART_OUT;
    strikes_spoilt(p->tx->engine, p->name);
    orb_fail(&p->tx->err, ORB_E_GONE,
             "%s went away during prepare and did not come back within %u s; nothing was changed",
             p->name, ENGINE_GRACE_MS / 1000);
}

/* Is the question of this dry run for that service? It is called although nothing of it changes. */
static bool is_questioned(const struct job *job, const char *service)
{
    return job->question && !strcmp(member_text(job->question, "service", ""), service);
}

/* Others may attach meanwhile, and this one with other paths: it is a copy that is looked at. */
static void look(struct tx *tx, const struct subscriber *s)
{
    const struct parts *parts = &tx->engine->parts;
    struct subscriber copy = {.path_count = s->path_count};
    struct outlook o = {.name = xstrdup(s->name), .entered = s->entered};
    AUTO(json_t) json_t *mine = NULL;

    subscriber_copy(s, &copy);
    mine = subscriber_patch(tx->engine, &copy, tx->patch);
    o.concerned = mine;
    if (mine)
        parts_dump(parts, mine, &o.text);
    parts_drop(parts, take_ptr(mine));
    subscriber_copy_free(&copy);
    tx->outlooks = xrealloc(tx->outlooks, (tx->outlook_count + 1) * sizeof(*tx->outlooks));
    tx->outlooks[tx->outlook_count++] = o;
}

void participant_look(struct tx *tx)
{
    char *services = (char *)"/services";

    tx->services = grants_patch_within(&tx->engine->parts, tx->patch, &services, 1);
    for (struct subscriber *s = tx->engine->subscribers; s; s = s->next)
        look(tx, s);
}

/* That of s as it is now. */
static struct outlook *outlook_of(struct tx *tx, const struct subscriber *s)
{
    for (size_t i = 0; i < tx->outlook_count; i++)
        if (!strcmp(tx->outlooks[i].name, s->name) && tx->outlooks[i].entered == s->entered)
            return &tx->outlooks[i];
    look(tx, s);
    return &tx->outlooks[tx->outlook_count - 1];
}

/* Adds those of s, which are shipped or of third parties. */
static bool list(struct tx *tx, const struct job *job, bool third)
{
    struct engine *e = tx->engine;

    for (struct subscriber *s = e->subscribers; s; s = s->next) {
        struct outlook *outlook;
        struct participant *p;
        const char *bypass;
        bool stays;

        if (parts_third_party(&e->parts, s->name) != third)
            continue;
        outlook = outlook_of(tx, s);
        if (!outlook->concerned && !is_questioned(job, s->name))
            continue;
        bypass = bypass_reason(tx, s, &stays);
        if (!bypass && s->presence == SUB_UNKNOWN && e->host.now_ms(e->host.arg) < e->grace_until)
            return false;
        if (!bypass && is_awaited(job, s) && e->host.now_ms(e->host.arg) < job->wait_until)
            return false;
        tx->parts = xrealloc(tx->parts, (tx->count + 1) * sizeof(*tx->parts));
        p = &tx->parts[tx->count++];
        *p = (struct participant){
            .tx = tx, .name = xstrdup(s->name), .peer = s->peer, .third = third};
        /* Unknown and not attached again: it is gone, or never took part in a transaction and so
         * did not notice the restart of this service. A call shows which. */
        p->probed = s->left_out;
        p->anew = bypass && stays && s->presence == SUB_ATTACHED;
        if (bypass && s->presence != SUB_OFFLINE)
            not_asked(p, bypass);
        else if (!bypass && is_awaited(job, s))
            stays_away(p);
        else if (s->presence == SUB_OFFLINE)
            offline_plan(p);
        else {
            p->text = outlook->text;
            outlook->text = (struct buf){0};
            if (!p->text.len)
                buf_adds(&p->text, "[]");
        }
    }
    return true;
}

/* Shipped services come first: third parties do not hold them up. */
bool participant_list(struct tx *tx, const struct job *job)
{
    return list(tx, job, false) && list(tx, job, true);
}

bool participant_must_follow(const struct tx *tx)
{
    return tx->job->undoes || tx->follows;
}

bool participant_is_gone(const struct orb_err *err)
{
    return err->code == ORB_E_GONE || err->code == ORB_E_UNAVAILABLE;
}

/* An error of the service without the secrets it was given. */
struct orb_err participant_as_shown(const struct participant *p, const struct orb_err *err)
{
    AUTO(words) struct words *words = words_of(p->tx, p->name);
    struct orb_err shown = *err;

    words_error(words, &shown);
    return shown;
}

void participant_failed(struct participant *p, const char *doing, const char *outcome,
                        const struct orb_err *printed)
{
    struct orb_err shown = participant_as_shown(p, printed);
    const struct orb_err *err = &shown;
    struct tx *tx = p->tx;

    log_warn(tx->engine->host.log, "config.participant.failed", KV("service", p->name),
             KV("phase", doing), KV("code", orb_code_name(err->code)), KV("path", err->path),
             KV("why", err->text));
    if (tx->err.code)
        return;
    if (participant_is_gone(err))
        orb_fail(&tx->err, ORB_E_GONE, "%s went away during %s; nothing was changed", p->name,
                 doing);
    else if (err->code == ORB_E_DEADLINE)
        orb_fail(&tx->err, ORB_E_DEADLINE, "%s; nothing was changed, and %s is restarted",
                 err->text, p->name);
    else
        orb_fail_at(&tx->err, !strcmp(doing, "prepare") ? ORB_E_VETO : err->code, err->path,
                    "%s %s: %s", p->name, outcome, err->text);
}

/* Did p miss a deadline? Then it is not known what it does, and it is not waited for again: it is
 * ended, and its successor attaches to what is stored. */
bool participant_late(struct participant *p, const char *doing, const struct orb_err *err)
{
    AUTO_FREE char *why = NULL;

    if (err->code != ORB_E_DEADLINE)
        return false;
    why = buf_format("at %s: %s", doing, err->text);
    service_late(p->tx->engine, p->name, why);
    return true;
}

/* ---- prepare ---- */

/* Appends the steps of an answer, up to the limit, to those sent before. */
void participant_add_plan(struct participant *p, const char *text, size_t len)
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

/* The answer to a question, without the secrets it was given. */
static void take_answer(struct participant *p, const char *text, size_t len)
{
    AUTO(words) struct words *words = NULL;
    AUTO(json_t) json_t *reply = NULL;
    AUTO(buf) struct buf plain = {0}, shown = {0};
    const json_t *answer;

    if (!is_questioned(p->tx->job, p->name) || tree_parse(text, len, NULL, &reply, NULL) < 0)
        return;
    answer = json_object_get(reply, "answer");
    if (!answer)
        return;
    words = words_of(p->tx, p->name);
    tree_dump(answer, &plain);
    words_show(words, buf_str(&plain), &shown);
    if (shown.len > ANSWER_BYTES || tree_parse(shown.data, shown.len, NULL, &p->answer, NULL) < 0)
        p->answer = NULL;
}

/* Whether it is the one service that this commit waits for and calls once more. It may have been
 * restarted by a user, or by the grants of the previous commit. One that hung and was killed for
 * that is not called again: the commit would wait twice. */
static bool went_away(const struct participant *p, const struct orb_err *err)
{
    const struct tx *tx = p->tx;
    const struct engine_host *host = &tx->engine->host;

    return err->code == ORB_E_GONE && !participant_must_follow(tx) && !tx->job->again &&
           !tx->gone && !p->probed && host->now_ms(host->arg) - tx->asked_at < AGAIN_WITHIN_MS;
}

/* Attempts cost nothing: a service can be made to refuse as many dry runs as one likes, and so can
 * one that another service configures. */
static bool counts(const struct job *job)
{
    return !job->dry_run && !job->undoes && !grants_is_service(job->user) &&
           strcmp(job->user, ENGINE_ITSELF);
}

static void prepare_result(struct participant *p, const char *text, size_t len,
                           const struct orb_err *err)
{
    if (!err) {
        p->state = PART_READY;
        participant_add_plan(p, text, len);
        take_answer(p, text, len);
        return;
    }
    if (went_away(p, err)) {
        p->state = PART_OUT;
        p->tx->gone = p;
        return;
    }
    if (err->code == ORB_E_UNAVAILABLE ||
        (participant_must_follow(p->tx) && err->code == ORB_E_GONE)) {
        offline_plan(p); /* gone before the call; it attaches to the result */
        return;
    }
    p->state = participant_is_gone(err)              ? PART_OUT
               : participant_late(p, "prepare", err) ? PART_LATE
                                                     : PART_FAILED;
    if (p->state != PART_FAILED)
        strikes_spoilt(p->tx->engine, p->name);
    else if (counts(p->tx->job))
        strikes_refused(p->tx->engine, p->name);
    if (p->probed)
        return;
    if (participant_must_follow(p->tx)) {
        /* An undo is completed: continuing without a service is better than leaving the appliance
         * unreachable. */
        p->restart = p->state == PART_FAILED;
        log_warn(p->tx->engine->host.log, "config.undo.without", KV("service", p->name),
                 KV("why", participant_as_shown(p, err).text));
        return;
    }
    participant_failed(p, "prepare", "refused", err);
}

static void on_prepared(struct participant *p, const char *text, size_t len,
                        const struct orb_err *err)
{
    prepare_result(p, text, len, err);
    advance_answered(p->tx);
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
    json_write_integer(&w, "revision", (int64_t)tx->revision);
    if (p->text.len <= INLINE_BYTES && scan_json(p->text.data, p->text.len, &frame, &err) == 0)
        json_write_raw(&w, "patch", p->text.data, p->text.len);
    else
        json_write_integer(&w, "bytes", (int64_t)p->text.len);
    if (is_questioned(tx->job, p->name)) {
        AUTO(buf) struct buf question = {0};

        tree_dump(json_object_get(tx->job->question, "input"), &question);
        json_write_raw(&w, "question", question.data, question.len);
    }
    json_write_end(&w);
    if (call_send(p, "prepare", &text, ENGINE_PREPARE_MS, on_prepared, &err) == 0)
        return;
    tx->outstanding--;
    prepare_result(p, NULL, 0, &err);
}

void participant_prepare(struct tx *tx)
{
    tx->asked_at = tx->engine->host.now_ms(tx->engine->host.arg);
    tx->outstanding = 1; /* this function's own, so that it ends in one place */
    for (size_t i = 0; i < tx->count; i++) {
        if (tx->parts[i].state != PART_ASKED)
            continue;
        tx->outstanding++;
        send_prepare(&tx->parts[i]);
    }
    schedule_arm(tx->engine); /* some have less time than others */
    report_step(tx->engine, "prepare-sent");
    if (--tx->outstanding == 0)
        tx->events->prepared(tx);
}

void participant_given_up(struct participant *p)
{
    struct tx *tx = p->tx;

    not_asked(p, "is not waited for; it is restarted with this");
    p->state = PART_LATE;
    if (--tx->outstanding == 0)
        tx->events->prepared(tx);
}
