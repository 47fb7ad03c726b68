/* The dataplane transaction: begin, batches one after the other, check; then apply or abort. The
 * configuration is read in prepare only. Everything is asynchronous: a callback of the
 * configuration returns ORB_LATER and the last reply calls orb_config_done(). A failed draft is
 * dropped before the failure is reported. */
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/firewall/health.h"
#include "plugins/firewall/packet.h"
#include "plugins/firewall/plugin.h"
#include "plugins/firewall/prepared.h"
#include "plugins/firewall/retry.h"
#include "plugins/firewall/dptx.h"
#include "plugins/firewall/translate.h"
#include "plugins/firewall/changeset.h"

#define DATAPLANE "dataplane@1"
#define SENT 10 /* percent of prepare's work that sending is; the rest is the data plane's */

static void send_next(struct orb_ctx *ctx, struct firewall *self);

/* Ends the callback that waits. What fails at the start is pending: the service runs and tries the
 * same messages again (retry.c). A commit that fails changes nothing, what was pending stays so. */
static void done(struct orb_ctx *ctx, struct firewall *self, const struct orb_err *failure)
{
    struct dptx *dptx = &self->dptx;

    if (!failure || !failure->code) {
        orb_config_done(ctx, NULL);
    } else if (dptx->first) {
        retry_schedule(ctx, self, &dptx->changes, failure);
        orb_config_done(ctx, NULL);
    } else {
        changeset_fini(&dptx->changes);
        retry_resume(ctx, self);
        orb_config_done(ctx, failure);
    }
}

/* {"tx": N}, the input of its calls. */
static cJSON *tx_input(const struct dptx *dptx)
{
    cJSON *in = cJSON_CreateObject();

    cJSON_AddNumberToObject(in, "tx", dptx->tx);
    return in;
}

static void on_dropped(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct firewall *self = arg;
    struct orb_err failure = self->dptx.failure;

    if (err)
        orb_log(ctx, ORB_WARNING, "firewall.draft-not-dropped", KV("reason", err->text));
    self->dptx.state = DPTX_NONE;
    done(ctx, self, &failure);
}

/* dptx->failure is reported after the draft was dropped. */
static void drop(struct orb_ctx *ctx, struct firewall *self)
{
    struct dptx *dptx = &self->dptx;

    if (dptx->state == DPTX_DRAFT &&
        orb_call(ctx, DATAPLANE, "abort", tx_input(dptx), 0, on_dropped, self, NULL) == 0)
        return;
    on_dropped(ctx, self, NULL, NULL);
}

/* The data plane refused: reports it with the configuration's path, after the draft was dropped. */
static void fail(struct orb_ctx *ctx, struct firewall *self, const struct orb_err *err,
                 const char *doing)
{
    struct dptx *dptx = &self->dptx;

    health_note(ctx, &self->health, err);
    dptx->failure = *err;
    if (err->path[0])
        translate_path(err->path, dptx->failure.path, sizeof(dptx->failure.path));
    else
        orb_wrap(&dptx->failure, "the data plane did not %s the policy", doing);
    drop(ctx, self);
}

static void on_answered(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct firewall *self = arg;
    const struct orb_change *change = self->dptx.change;
    const cJSON *firewall = cJSON_GetObjectItemCaseSensitive(change->tree, "firewall");

    if (err) {
        struct orb_err shown = *err;

        snprintf(shown.path, sizeof(shown.path), "/question/input/test%.60s", err->path);
        self->dptx.failure = shown;
        drop(ctx, self);
        return;
    }
    orb_answer(ctx, packet_answer(out, cJSON_GetObjectItemCaseSensitive(firewall, "rules")));
    done(ctx, self, NULL);
}

/* A user asks about the change, which is checked now. 1: the answer comes later. */
static int answer(struct orb_ctx *ctx, struct firewall *self, struct orb_err *err)
{
    const struct dptx *dptx = &self->dptx;
    cJSON *in =
        packet_question(dptx->change->question, dptx->state == DPTX_DRAFT ? dptx->tx : 0, err);
    int r;

    if (!in)
        return err->code;
    r = orb_call(ctx, DATAPLANE, "test", in, 0, on_answered, self, err);
    return r < 0 ? r : 1;
}

/* Rules that can never match are no error: a warning in the plan. */
static void warn_shadowed(struct orb_ctx *ctx, const cJSON *out)
{
    const cJSON *more = cJSON_GetObjectItemCaseSensitive(out, "shadowed-more"), *one;
    char text[160];

    cJSON_ArrayForEach (one, cJSON_GetObjectItemCaseSensitive(out, "shadowed")) {
        const cJSON *rule = cJSON_GetObjectItemCaseSensitive(one, "rule");
        const cJSON *by = cJSON_GetObjectItemCaseSensitive(one, "by");

        snprintf(text, sizeof(text),
                 "rule %.0f can never match: rule %.0f before it matches all of its packets",
                 cJSON_GetNumberValue(rule), cJSON_GetNumberValue(by));
        orb_plan_step(ctx, "warning", text);
    }
    if (cJSON_IsNumber(more)) {
        snprintf(text, sizeof(text), "%.0f more rules can never match", more->valuedouble);
        orb_plan_step(ctx, "warning", text);
    }
}

static void on_checked(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct firewall *self = arg;

    if (err) {
        fail(ctx, self, err, "accept");
        return;
    }
    health_note(ctx, &self->health, NULL);
    warn_shadowed(ctx, out);
    if (self->dptx.change->question) {
        if (answer(ctx, self, &self->dptx.failure) < 0)
            drop(ctx, self);
        return;
    }
    done(ctx, self, NULL);
}

static void on_put(struct orb_ctx *ctx, void *arg, const char *text, size_t len,
                   const struct orb_err *err)
{
    struct firewall *self = arg;

    if (err) {
        fail(ctx, self, err, "take");
        return;
    }
    self->dptx.next++;
    orb_progress_at(ctx, "sending the rules to the data plane",
                    (int)(SENT * self->dptx.next / self->dptx.changes.batches.count));
    send_next(ctx, self);
}

static void send_next(struct orb_ctx *ctx, struct firewall *self)
{
    AUTO(buf) struct buf text = {0};
    struct dptx *dptx = &self->dptx;
    struct orb_err err;
    int r;

    if (dptx->next < dptx->changes.batches.count) {
        batch_message(&dptx->changes.batches, dptx->next, (int64_t)dptx->tx, &text);
        r = orb_call_text(ctx, DATAPLANE, "put", buf_str(&text), text.len, 0, on_put, self, &err);
    } else {
        r = orb_call(ctx, DATAPLANE, "check", tx_input(dptx), 0, on_checked, self, &err);
    }
    if (r < 0)
        fail(ctx, self, &err, "take");
}

static void on_begun(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct firewall *self = arg;
    const cJSON *tx = cJSON_GetObjectItemCaseSensitive(out, "tx");
    struct orb_err odd;

    if (!err && !cJSON_IsNumber(tx)) {
        orb_fail(&odd, ORB_E_INTERNAL, "dataplane begin gave no tx");
        err = &odd;
    }
    if (err) {
        fail(ctx, self, err, "begin");
        return;
    }
    self->dptx.tx = tx->valuedouble;
    self->dptx.state = DPTX_DRAFT;
    self->dptx.next = 0;
    send_next(ctx, self);
}

static void plan(struct orb_ctx *ctx, const struct changeset *changes, const cJSON *tree)
{
    char text[120];

    if (changes->full) {
        const cJSON *firewall = cJSON_GetObjectItemCaseSensitive(tree, "firewall");
        int rules = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(firewall, "rules"));
        int zones = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(firewall, "zones"));

        snprintf(text, sizeof(text), "the whole policy: %d rule%s, %d zone%s", rules,
                 rules == 1 ? "" : "s", zones, zones == 1 ? "" : "s");
        orb_plan_step(ctx, "live", text);
        return;
    }
    for (unsigned i = 0; i < changes->count && i < 100; i++) {
        if (changes->items[i].follows)
            continue;
        changeset_describe(&changes->items[i], tree, text, sizeof(text));
        orb_plan_step(ctx, "live", text);
    }
}

/* done() with an error, before anything was sent. */
static int refuse(struct orb_ctx *ctx, struct firewall *self, const struct orb_change *change,
                  const struct orb_err *err)
{
    if (change->initial) {
        retry_schedule(ctx, self, &self->dptx.changes, err);
        return 0;
    }
    changeset_fini(&self->dptx.changes);
    retry_resume(ctx, self);
    return err->code;
}

int dptx_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    struct firewall *self = orb_user(ctx);
    struct dptx *dptx = &self->dptx;
    cJSON *in;
    int r;

    retry_cancel(ctx, self);
    changeset_fini(&dptx->changes);
    dptx->state = DPTX_NONE;
    dptx->failure = (struct orb_err){0};
    dptx->change = change;
    dptx->first = change->initial;
    dptx->applying = false;
    dptx->changes.full = self->retry.pending;
    r = changeset_build(&dptx->changes, change, err);
    *change->prepared = prepared_new(&dptx->changes, change->tree, &self->rows);
    if (r < 0) {
        changeset_fini(&dptx->changes); /* nothing of it can be sent */
        return refuse(ctx, self, change, err);
    }
    plan(ctx, &dptx->changes, change->tree);
    if (!dptx->changes.batches.count) {
        r = change->question ? answer(ctx, self, err) : 0;
        return r > 0 ? ORB_LATER : r;
    }
    in = cJSON_CreateObject();
    cJSON_AddBoolToObject(in, "reset", dptx->changes.full);
    r = orb_call(ctx, DATAPLANE, "begin", in, 0, on_begun, self, err);
    return r < 0 ? refuse(ctx, self, change, err) : ORB_LATER;
}

/* Adds the number of ended connections to the plan. */
static void tell_ended(struct orb_ctx *ctx, const cJSON *out)
{
    const cJSON *ended = cJSON_GetObjectItemCaseSensitive(out, "ended");
    const cJSON *refused = cJSON_GetObjectItemCaseSensitive(ended, "refused");
    const cJSON *translated = cJSON_GetObjectItemCaseSensitive(ended, "translated");
    double no = refused ? refused->valuedouble : 0,
           other = translated ? translated->valuedouble : 0;
    char text[160];

    if (no + other <= 0)
        return;
    snprintf(text, sizeof(text),
             "ended %.0f running connection%s: %.0f refused, %.0f translated otherwise from now on",
             no + other, no + other == 1 ? "" : "s", no, other);
    orb_plan_step(ctx, "live", text);
}

static void on_applied(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct firewall *self = arg;
    const cJSON *generation = cJSON_GetObjectItemCaseSensitive(out, "generation");
    struct orb_err failure;

    health_note(ctx, &self->health, err);
    if (err) {
        /* The draft is kept: the following abort drops it. */
        failure = *err;
        orb_wrap(&failure, "the data plane did not apply the policy");
        if (err->path[0])
            translate_path(err->path, failure.path, sizeof(failure.path));
        if (self->dptx.first)
            self->dptx.state = DPTX_NONE; /* no abort will come */
        done(ctx, self, &failure);
        return;
    }
    self->dptx.state = DPTX_APPLIED;
    retry_done(ctx, self);
    tell_ended(ctx, out);
    orb_log(ctx, ORB_INFO, "firewall.applied",
            KV("generation", generation ? (int64_t)generation->valuedouble : 0),
            KV("messages", self->dptx.changes.batches.count), KV("full", self->dptx.changes.full));
    orb_config_done(ctx, NULL);
}

int dptx_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    struct firewall *self = orb_user(ctx);
    int r;

    prepared_swap(ctx, self, *change->prepared);
    if (self->dptx.state == DPTX_NONE)
        return 0;
    self->dptx.change = change;
    self->dptx.applying = true;
    r = orb_call(ctx, DATAPLANE, "apply", tx_input(&self->dptx), 0, on_applied, self, err);
    return r < 0 ? refuse(ctx, self, change, err) : ORB_LATER;
}

static void on_aborted(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct firewall *self = arg;
    struct orb_err failure;

    health_note(ctx, &self->health, err);
    self->dptx.state = DPTX_NONE;
    retry_resume(ctx, self);
    if (!err) {
        orb_config_done(ctx, NULL);
        return;
    }
    failure = *err;
    orb_wrap(&failure, "the data plane did not go back");
    orb_config_done(ctx, &failure);
}

int dptx_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
               struct orb_err *err)
{
    struct firewall *self = orb_user(ctx);
    struct prepared *prepared = *change->prepared;
    int r;

    if (prepared && prepared->swapped)
        prepared_swap(ctx, self, prepared);
    changeset_fini(&self->dptx.changes);
    if (self->dptx.state == DPTX_NONE) {
        retry_resume(ctx, self);
        return 0;
    }
    /* Drops the draft, or reverts it when it is the running policy. */
    r = orb_call(ctx, DATAPLANE, "abort", tx_input(&self->dptx), 0, on_aborted, self, err);
    return r < 0 ? r : ORB_LATER;
}

void dptx_on_progress(struct orb_ctx *ctx, void *arg, const char *phase, int percent)
{
    struct firewall *self = orb_user(ctx);

    if (arg != self)
        return; /* of a call about counters, or the like */
    if (percent >= 0 && !self->dptx.applying)
        percent = SENT + percent * (100 - SENT) / 100;
    orb_progress_at(ctx, phase, percent);
}

void dptx_discard(struct orb_ctx *ctx, void *prepared)
{
    prepared_free(prepared);
}
