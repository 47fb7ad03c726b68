/* If the policy cannot be applied at start it is tried again at growing intervals; until then the
 * closed base table, or the previous policy, stays in force and the health report has the reason.
 * The service does not end, so that a commit can correct it.
 *
 * Note: such a commit may arrive during an attempt. It then sends the whole policy, and the attempt
 * ends at its next step; the data plane handles drafts one by one. */
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/firewall/health.h"
#include "plugins/firewall/plugin.h"
#include "plugins/firewall/retry.h"
#include "plugins/firewall/translate.h"
#include "plugins/firewall/changeset.h"

#define DATAPLANE "dataplane@1"
#define WAIT_MS 1000
#define WAIT_MAX_MS 30000

static void send_next(struct orb_ctx *ctx, struct firewall *self);

static void report(struct orb_ctx *ctx, struct firewall *self)
{
    struct orb_problem problem = {
        .level = ORB_PROBLEM_FAILED,
        .what = self->retry.what,
        .path = self->retry.path,
        .todo = "it is tried again by itself; orbctl show dataplane has "
                "details, a commit that corrects the rules takes effect at once"};

    orb_problem_set(ctx, "not-in-force", &problem);
}

static void wait(struct orb_ctx *ctx, struct firewall *self)
{
    struct retry *retry = &self->retry;

    retry->in_flight = false;
    report(ctx, self);
    if (!retry->changes.batches.count)
        return; /* nothing but another configuration helps */
    orb_timer_start(retry->timer, retry->wait_ms, 0);
    retry->wait_ms = retry->wait_ms * 2 > WAIT_MAX_MS ? WAIT_MAX_MS : retry->wait_ms * 2;
}

static void describe(struct orb_ctx *ctx, struct retry *retry, const struct orb_err *err)
{
    char what[sizeof(retry->what)];

    snprintf(what, sizeof(what), "the rules of the configuration are not in force: %.300s",
             err->text);
    snprintf(retry->path, sizeof(retry->path), "%s", err->path[0] ? err->path : "/firewall");
    if (!strcmp(what, retry->what))
        return;
    memcpy(retry->what, what, sizeof(what));
    orb_log(ctx, ORB_ERROR, "firewall.not-in-force", KV("reason", err->text));
}

static cJSON *tx_input(const struct retry *retry)
{
    cJSON *in = cJSON_CreateObject();

    cJSON_AddNumberToObject(in, "tx", retry->tx);
    return in;
}

/* The result is not waited for: a draft left in the data plane is harmless. */
static void on_dropped(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
}

static void fail(struct orb_ctx *ctx, struct firewall *self, const struct orb_err *err)
{
    struct retry *retry = &self->retry;
    struct orb_err told = *err;

    if (retry->tx)
        orb_call(ctx, DATAPLANE, "abort", tx_input(retry), 0, on_dropped, self, NULL);
    retry->tx = 0;
    if (err->path[0])
        translate_path(err->path, told.path, sizeof(told.path));
    describe(ctx, retry, &told);
    wait(ctx, self);
}

/* True: a commit is in progress, or has corrected it. */
static bool is_over(struct orb_ctx *ctx, struct firewall *self)
{
    struct retry *retry = &self->retry;

    if (retry->pending && !retry->cancelled)
        return false;
    if (retry->tx)
        orb_call(ctx, DATAPLANE, "abort", tx_input(retry), 0, on_dropped, self, NULL);
    retry->tx = 0;
    retry->in_flight = false;
    return true;
}

static void forget(struct orb_ctx *ctx, struct retry *retry)
{
    retry->pending = retry->cancelled = retry->done = false;
    retry->what[0] = 0;
    orb_timer_stop(retry->timer);
    changeset_fini(&retry->changes);
    orb_problem_clear(ctx, "not-in-force");
}

static void on_applied(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct firewall *self = arg;

    if (err) {
        if (!is_over(ctx, self))
            fail(ctx, self, err);
        return;
    }
    self->retry.tx = 0;
    self->retry.in_flight = false;
    orb_log(ctx, ORB_NOTICE, "firewall.in-force",
            KV("messages", self->retry.changes.batches.count));
    if (self->retry.cancelled)
        retry_done(ctx, self); /* the commit that begins sends everything all the same */
    else
        forget(ctx, &self->retry);
}

static void on_checked(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct firewall *self = arg;
    struct orb_err failure;

    if (is_over(ctx, self))
        return;
    if (err)
        fail(ctx, self, err);
    else if (orb_call(ctx, DATAPLANE, "apply", tx_input(&self->retry), 0, on_applied, self,
                      &failure) < 0)
        fail(ctx, self, &failure);
}

static void on_put(struct orb_ctx *ctx, void *arg, const char *text, size_t len,
                   const struct orb_err *err)
{
    struct firewall *self = arg;

    if (is_over(ctx, self))
        return;
    if (err) {
        fail(ctx, self, err);
        return;
    }
    self->retry.next++;
    send_next(ctx, self);
}

static void send_next(struct orb_ctx *ctx, struct firewall *self)
{
    AUTO(buf) struct buf text = {0};
    struct retry *retry = &self->retry;
    struct orb_err err;
    int r;

    if (retry->next < retry->changes.batches.count) {
        batch_message(&retry->changes.batches, retry->next, (int64_t)retry->tx, &text);
        r = orb_call_text(ctx, DATAPLANE, "put", buf_str(&text), text.len, 0, on_put, self, &err);
    } else {
        r = orb_call(ctx, DATAPLANE, "check", tx_input(retry), 0, on_checked, self, &err);
    }
    if (r < 0)
        fail(ctx, self, &err);
}

static void on_begun(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct firewall *self = arg;
    const cJSON *tx = cJSON_GetObjectItemCaseSensitive(out, "tx");

    self->retry.tx = cJSON_IsNumber(tx) ? tx->valuedouble : 0;
    if (is_over(ctx, self))
        return;
    if (err) {
        fail(ctx, self, err);
        return;
    }
    self->retry.next = 0;
    send_next(ctx, self);
}

static void on_timer(struct orb_ctx *ctx, void *arg)
{
    struct firewall *self = arg;
    struct retry *retry = &self->retry;
    struct orb_err err;
    cJSON *in;

    if (!retry->pending || retry->in_flight || retry->cancelled)
        return;
    retry->in_flight = true;
    retry->tx = 0;
    in = cJSON_CreateObject();
    cJSON_AddBoolToObject(in, "reset", true);
    if (orb_call(ctx, DATAPLANE, "begin", in, 0, on_begun, self, &err) < 0)
        fail(ctx, self, &err);
}

int retry_init(struct orb_ctx *ctx, struct firewall *self, struct orb_err *err)
{
    self->retry.timer = orb_timer_new(ctx, on_timer, self);
    return self->retry.timer ? 0 : orb_fail(err, ORB_E_NOMEM, "no memory for a timer");
}

void retry_fini(struct firewall *self)
{
    orb_timer_free(self->retry.timer);
    changeset_fini(&self->retry.changes);
}

void retry_schedule(struct orb_ctx *ctx, struct firewall *self, struct changeset *changes,
                    const struct orb_err *err)
{
    struct retry *retry = &self->retry;

    changeset_fini(&retry->changes);
    retry->changes = *changes;
    *changes = (struct changeset){0};
    retry->pending = true;
    retry->cancelled = false;
    retry->wait_ms = WAIT_MS;
    retry->tx = 0;
    describe(ctx, retry, err);
    health_note(ctx, &self->health, NULL); /* one problem is enough */
    wait(ctx, self);
}

void retry_cancel(struct orb_ctx *ctx, struct firewall *self)
{
    if (self->retry.done)
        forget(ctx, &self->retry);
    self->retry.cancelled = self->retry.pending;
    orb_timer_stop(self->retry.timer);
}

void retry_resume(struct orb_ctx *ctx, struct firewall *self)
{
    if (!self->retry.pending || !self->retry.cancelled)
        return;
    self->retry.cancelled = self->retry.done = false;
    self->retry.wait_ms = WAIT_MS;
    wait(ctx, self);
}

void retry_done(struct orb_ctx *ctx, struct firewall *self)
{
    if (!self->retry.pending)
        return;
    self->retry.done = true;
    orb_problem_clear(ctx, "not-in-force");
}
