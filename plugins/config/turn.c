/* Apply in the order of attaching, abort in reverse, one after the other, and all remaining at once
 * when one takes long. */
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "plugins/config/advance.h"
#include "plugins/config/call.h"
#include "plugins/config/job.h"
#include "plugins/config/participant_internal.h"
#include "plugins/config/report.h"
#include "plugins/config/schedule.h"
#include "plugins/config/service.h"
#include "plugins/config/strikes.h"
#include "plugins/config/subscriber.h"
#include "plugins/config/turn.h"

static uint64_t now_of(const struct tx *tx)
{
    return tx->engine->host.now_ms(tx->engine->host.arg);
}

static bool is_newest(const struct participant *p)
{
    return p->tx->at < p->tx->count && p == &p->tx->parts[p->tx->at];
}

/* One has answered, or is not waited for. */
static void go_on(struct tx *tx, bool newest)
{
    if (!tx->failed && (newest || tx->outstanding == 0))
        turn_apply(tx);
    else if (tx->failed && tx->outstanding == 0)
        turn_abort(tx);
}

static void apply_result(struct participant *p, const struct orb_err *err)
{
    struct tx *tx = p->tx;
    bool newest = is_newest(p);

    tx->outstanding--;
    if (!err) {
        p->state = PART_APPLIED;
        strikes_followed(tx->engine, p->name);
    } else if (participant_must_follow(tx)) {
        p->restart = !participant_late(p, "apply", err) && !participant_is_gone(err);
        p->state = PART_OUT;
    } else {
        p->state = participant_is_gone(err)            ? PART_OUT
                   : participant_late(p, "apply", err) ? PART_LATE
                                                       : PART_FAILED;
        if (p->state != PART_FAILED)
            strikes_spoilt(tx->engine, p->name);
        else
            strikes_broke_word(tx->engine, p->name);
        if (p->state == PART_OUT)
            service_needed(tx->engine, p->name, "it went away with a refused change half done");
        participant_failed(p, "apply", "could not apply it", err);
        tx->failed = true;
    }
    if (newest)
        tx->at++;
    advance_answered(tx);
    go_on(tx, newest);
}

static void on_applied(struct participant *p, const char *text, size_t len,
                       const struct orb_err *err)
{
    if (!err)
        participant_add_plan(p, text, len);
    apply_result(p, err);
}

/* It disconnected after it had agreed, and attached again: it follows when this is committed. */
static bool is_another(const struct participant *p)
{
    const struct subscriber *s = subscriber_find(p->tx->engine, p->name);

    return s && s->joined == p->tx->id;
}

static void ask_to_apply(struct participant *p)
{
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);
    struct tx *tx = p->tx;
    struct orb_err err = {0};

    p->applying = true;
    p->percent = 0;
    tx->outstanding++;
    json_write_object(&w, NULL);
    json_write_integer(&w, "tx", (int64_t)tx->id);
    json_write_end(&w);
    if (call_send(p, "apply", &text, ENGINE_APPLY_MS, on_applied, &err) < 0) {
        apply_result(p, &err);
        return;
    }
    report_step(tx->engine, "apply-sent");
    schedule_arm(tx->engine);
}

/* The next in turn, NULL: there is none. */
static struct participant *next_to_apply(struct tx *tx)
{
    for (; tx->at < tx->count; tx->at++) {
        struct participant *p = &tx->parts[tx->at];

        if (p->state == PART_READY && !p->applying && !is_another(p))
            return p;
    }
    return NULL;
}

/* Third parties, which stand last: however many there are, a commit waits no longer than for one.
 */
static void ask_all(struct tx *tx)
{
    struct participant *p;

    tx->outstanding++; /* this function's own, so that it ends in one place */
    while (!tx->failed && (p = next_to_apply(tx))) {
        tx->at++;
        ask_to_apply(p);
    }
    tx->outstanding--;
    go_on(tx, false);
}

void turn_apply(struct tx *tx)
{
    struct participant *p = next_to_apply(tx);

    if (!p) {
        tx->turn_at = 0;
        if (tx->outstanding == 0)
            tx->events->applied(tx);
        return;
    }
    if (!tx->live_at) {
        tx->live_at = now_of(tx);
        /* What is being undone is live: the others do not wait for a slow participant. */
        tx->turn_at = participant_must_follow(tx) ? tx->live_at + ENGINE_TURN_MS : 0;
    }
    if (p->third)
        ask_all(tx);
    else
        ask_to_apply(p);
}

static void abort_next(struct tx *tx);

/* One participant has answered, or could not be called. */
static void abort_result(struct participant *p, const struct orb_err *err)
{
    struct tx *tx = p->tx;
    bool newest = is_newest(p);

    p->state = PART_OUT;
    tx->outstanding--;
    /* A service that cannot revert is on an unknown revision: restart it. */
    if (err && !participant_late(p, "abort", err)) {
        if (!participant_is_gone(err))
            service_restart(tx->engine, p->name, participant_as_shown(p, err).text);
        else if (p->applying)
            service_needed(tx->engine, p->name, "it went away before a refused change was undone");
    }
    if (newest || tx->outstanding == 0)
        abort_next(tx);
}

static void on_aborted(struct participant *p, const char *text, size_t len,
                       const struct orb_err *err)
{
    if (err && err->code == ORB_E_DEADLINE)
        strikes_spoilt(p->tx->engine, p->name);
    abort_result(p, err);
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

/* A refused change is in force no longer than one deadline and a second, whichever participant is
 * slow and whatever time the others took: one that has not reverted by then is killed, early enough
 * for its successor to attach. */
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

/* In reverse order, one after the other; but a slow one does not keep the others from reverting:
 * the refused change is in force there. */
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
    if (call_send(p, "abort", &text, abort_ms(p), on_aborted, &err) < 0) {
        abort_result(p, &err);
        return;
    }
    report_step(tx->engine, "abort-sent");
    schedule_arm(tx->engine);
}

void turn_given_up(struct participant *p)
{
    struct tx *tx = p->tx;
    bool newest = is_newest(p), back = p->state == PART_ABORTING;

    p->state = back ? PART_OUT : PART_LATE;
    tx->outstanding--;
    if (newest && !back)
        tx->at++;
    if (!back)
        go_on(tx, newest);
    else if (newest || !tx->outstanding)
        abort_next(tx);
}

void turn_abort(struct tx *tx)
{
    tx->outstanding = 0; /* each was called and has answered */
    tx->abort_at = now_of(tx);
    tx->turn_at = tx->abort_at + ENGINE_TURN_MS;
    abort_next(tx);
}

void turn_tick(struct tx *tx)
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
            turn_apply(tx);
        }
    if (--tx->outstanding)
        return;
    if (tx->abort_at)
        tx->events->aborted(tx);
    else
        tx->events->applied(tx);
}
