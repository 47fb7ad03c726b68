/* The conversation with dataplane@1: begin, puts one after the other, check; then apply or abort.
 * Everything is asynchronous: a callback of the configuration returns ORB_LATER and the last reply
 * calls orb_config_done(). A draft that failed is dropped before the failure is told. */
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/firewall/fold.h"
#include "plugins/firewall/health.h"
#include "plugins/firewall/plugin.h"
#include "plugins/firewall/retry.h"
#include "plugins/firewall/rows.h"
#include "plugins/firewall/talk.h"
#include "plugins/firewall/translate.h"
#include "plugins/firewall/work.h"

#define DATAPLANE "dataplane@1"

static void send_next(struct orb_ctx *ctx, struct firewall *self);

/* Ends the callback that waits. What fails at the start is owed: the service runs and tries again
 * (retry.c). A commit that fails changes nothing, what was owed before is owed still. */
static void done(struct orb_ctx *ctx, struct firewall *self, const struct orb_err *failure)
{
    struct talk *talk = &self->talk;

    if (!failure || !failure->code) {
        orb_config_done(ctx, NULL);
    } else if (talk->first) {
        retry_owe(ctx, self, talk->change, failure);
        orb_config_done(ctx, NULL);
    } else {
        retry_resume(ctx, self);
        orb_config_done(ctx, failure);
    }
}

/* The transaction of the conversation as an input object. */
static cJSON *tx_input(const struct talk *talk)
{
    cJSON *in = cJSON_CreateObject();

    cJSON_AddNumberToObject(in, "tx", talk->tx);
    return in;
}

static void on_dropped(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct firewall *self = arg;
    struct orb_err failure = self->talk.failure;

    if (err)
        orb_log(ctx, ORB_WARNING, "firewall.draft-not-dropped", KV("reason", err->text));
    work_fini(&self->talk.work);
    self->talk.state = TALK_NONE;
    done(ctx, self, &failure);
}

/* The data plane refused: with the configuration's path, after the draft is gone. */
static void fail(struct orb_ctx *ctx, struct firewall *self, const struct orb_err *err,
                 const char *doing)
{
    struct talk *talk = &self->talk;

    health_note(ctx, &self->health, err);
    talk->failure = *err;
    if (err->path[0])
        translate_path(err->path, talk->failure.path, sizeof(talk->failure.path));
    else
        orb_wrap(&talk->failure, "the data plane did not %s the policy", doing);
    if (talk->state == TALK_DRAFT &&
        orb_call(ctx, DATAPLANE, "abort", tx_input(talk), 0, on_dropped, self, NULL) == 0)
        return;
    on_dropped(ctx, self, NULL, NULL);
}

static void on_checked(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct firewall *self = arg;

    if (err) {
        fail(ctx, self, err, "accept");
        return;
    }
    health_note(ctx, &self->health, NULL);
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
    self->talk.next++;
    send_next(ctx, self);
}

static void send_next(struct orb_ctx *ctx, struct firewall *self)
{
    AUTO(buf) struct buf text = {0};
    struct talk *talk = &self->talk;
    struct orb_err err;
    int r;

    if (talk->next < talk->work.puts.count) {
        puts_message(&talk->work.puts, talk->next, (int64_t)talk->tx, &text);
        r = orb_call_text(ctx, DATAPLANE, "put", buf_str(&text), text.len, 0, on_put, self, &err);
    } else {
        r = orb_call(ctx, DATAPLANE, "check", tx_input(talk), 0, on_checked, self, &err);
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
    self->talk.tx = tx->valuedouble;
    self->talk.state = TALK_DRAFT;
    self->talk.next = 0;
    send_next(ctx, self);
}

static void plan(struct orb_ctx *ctx, const struct work *work, const cJSON *tree)
{
    char text[120];

    if (work->full) {
        const cJSON *firewall = cJSON_GetObjectItemCaseSensitive(tree, "firewall");
        int rules = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(firewall, "rules"));
        int zones = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(firewall, "zones"));

        snprintf(text, sizeof(text), "the whole policy anew: %d rule%s, %d zone%s", rules,
                 rules == 1 ? "" : "s", zones, zones == 1 ? "" : "s");
        orb_plan_step(ctx, "live", text);
        return;
    }
    for (unsigned i = 0; i < work->count && i < 100; i++) {
        work_describe(&work->items[i], tree, text, sizeof(text));
        orb_plan_step(ctx, "live", text);
    }
}

/* done(), before anything was promised. */
static int refuse(struct orb_ctx *ctx, struct firewall *self, const struct orb_change *change,
                  const struct orb_err *err)
{
    work_fini(&self->talk.work);
    if (change->initial)
        retry_owe(ctx, self, change, err);
    else
        retry_resume(ctx, self);
    return change->initial ? 0 : err->code;
}

int talk_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    struct firewall *self = orb_user(ctx);
    struct talk *talk = &self->talk;
    cJSON *in;
    int r;

    retry_cancel(ctx, self);
    work_fini(&talk->work);
    talk->state = TALK_NONE;
    talk->failure = (struct orb_err){0};
    talk->change = change;
    talk->first = change->initial;
    talk->work.full = self->retry.owed;
    r = work_build(&talk->work, change, err);
    if (r < 0)
        return refuse(ctx, self, change, err);
    plan(ctx, &talk->work, change->tree);
    if (!talk->work.puts.count)
        return 0;
    in = cJSON_CreateObject();
    cJSON_AddBoolToObject(in, "reset", talk->work.full);
    r = orb_call(ctx, DATAPLANE, "begin", in, 0, on_begun, self, err);
    return r < 0 ? refuse(ctx, self, change, err) : ORB_LATER;
}

/* The table of rules follows what is now in force. */
static void follow(struct firewall *self, const cJSON *tree)
{
    const cJSON *firewall = cJSON_GetObjectItemCaseSensitive(tree, "firewall");
    const cJSON *rules = cJSON_GetObjectItemCaseSensitive(firewall, "rules");
    const struct work *work = &self->talk.work;

    if (work->full)
        rows_load(&self->rows, rules);
    for (unsigned i = 0; !work->full && i < work->count; i++) {
        const char *key = work->items[i].key;

        if (work->items[i].kind == WORK_RULE)
            rows_set(&self->rows, key, cJSON_GetObjectItemCaseSensitive(rules, key));
    }
}

/* Running connections the commit ended, for who made it. */
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
        /* The draft stays ours: the abort that follows drops it. */
        failure = *err;
        orb_wrap(&failure, "the data plane did not apply the policy");
        if (err->path[0])
            translate_path(err->path, failure.path, sizeof(failure.path));
        if (self->talk.first)
            self->talk.state = TALK_NONE; /* no abort will come */
        done(ctx, self, &failure);
        return;
    }
    self->talk.state = TALK_APPLIED;
    retry_paid(ctx, self);
    follow(self, self->talk.change->tree);
    fold_report(ctx, self->talk.change->tree);
    tell_ended(ctx, out);
    orb_log(ctx, ORB_INFO, "firewall.applied",
            KV("generation", generation ? (int64_t)generation->valuedouble : 0),
            KV("messages", self->talk.work.puts.count), KV("full", self->talk.work.full));
    orb_config_done(ctx, NULL);
}

int talk_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    struct firewall *self = orb_user(ctx);
    int r;

    if (self->talk.state == TALK_NONE) {
        if (!self->retry.owed)
            follow(self, change->tree);
        return 0;
    }
    self->talk.change = change;
    r = orb_call(ctx, DATAPLANE, "apply", tx_input(&self->talk), 0, on_applied, self, err);
    return r < 0 ? refuse(ctx, self, change, err) : ORB_LATER;
}

static void on_aborted(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct firewall *self = arg;
    struct orb_err failure;

    health_note(ctx, &self->health, err);
    self->talk.state = TALK_NONE;
    retry_resume(ctx, self);
    if (!err) {
        orb_config_done(ctx, NULL);
        return;
    }
    failure = *err;
    orb_wrap(&failure, "the data plane did not go back");
    orb_config_done(ctx, &failure);
}

int talk_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
               struct orb_err *err)
{
    struct firewall *self = orb_user(ctx);
    const cJSON *firewall = cJSON_GetObjectItemCaseSensitive(change->tree, "firewall");
    int r;

    if (applied)
        rows_load(&self->rows, cJSON_GetObjectItemCaseSensitive(firewall, "rules"));
    work_fini(&self->talk.work);
    if (self->talk.state == TALK_NONE) {
        retry_resume(ctx, self);
        return 0;
    }
    /* Drops the draft, or goes back when it is the running policy. */
    r = orb_call(ctx, DATAPLANE, "abort", tx_input(&self->talk), 0, on_aborted, self, err);
    return r < 0 ? r : ORB_LATER;
}
