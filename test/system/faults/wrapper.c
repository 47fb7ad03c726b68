/* Replaces a package's shared object and forwards to the real one, lib/real.so beside it. A text
 * in a change selects the fault and its place:
 *
 *     fault NAME PHASE before|after KIND; NAME PHASE ...
 *
 * PHASE: prepare, apply, abort. before, after: the real one has done nothing yet, or all of it.
 * KIND: error (it reports that it failed), hang (the loop is blocked), silent (pings are answered,
 * the call never is), lie (it reports that all is well and does nothing: does the test see it?),
 * hold (it waits until the caller is gone; signals come from outside, where the log reports
 * "fault.reached": the first process of a PID namespace cannot kill itself).
 *
 * Surprise: the real one calls real_done() here for orb_config_done (elf.py). Nothing of a first
 * configuration is spoilt. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test/system/faults/real.h"

#define LOG_MS 50     /* until the log has left; then the loop is blocked */
#define HOLD_MS 60000 /* the test did not end it: it fails */

enum phase { PREPARE, APPLY, ABORT, PHASES };
static const char *const phase_names[PHASES] = {"prepare", "apply", "abort"};

struct fault {
    bool armed;
    bool after;
    char kind[8];
};

/* A package has one worker, and a worker one package. */
static struct {
    const struct orb_plugin *real;
    struct orb_config config;
    struct fault faults[PHASES];
    char done[256];   /* the text that was armed: once is enough */
    enum phase phase; /* what is being worked on */
    bool applied;
    const struct orb_change *change;
    struct orb_timer *timer; /* of a hold or hang */
} self;

ORB_EXPORT extern struct orb_plugin orbital_plugin;
ORB_EXPORT struct orb_plugin orbital_plugin = {.abi = ORB_PLUGIN_ABI};

/* ---- what is requested ---- */

static void arm_one(const char *text)
{
    char name[32], phase[16], when[8], kind[8];

    if (sscanf(text, " %31s %15s %7s %7[a-z]", name, phase, when, kind) != 4)
        return;
    for (int i = 0; i < PHASES; i++) {
        if (strcmp(name, self.real->name) || strcmp(phase, phase_names[i]))
            continue;
        self.faults[i] = (struct fault){.armed = true, .after = !strcmp(when, "after")};
        snprintf(self.faults[i].kind, sizeof(self.faults[i].kind), "%s", kind);
    }
}

static void arm(const cJSON *value)
{
    const char *text = cJSON_GetStringValue(value);
    const cJSON *item;

    if (value && value->string && !strcmp(value->string, "old"))
        return;
    if (text && !strncmp(text, "fault ", 6) && strcmp(text, self.done)) {
        snprintf(self.done, sizeof(self.done), "%s", text);
        arm_one(text + 6);
        for (text = strchr(text, ';'); text; text = strchr(text + 1, ';'))
            arm_one(text + 1);
    }
    cJSON_ArrayForEach (item, value)
        arm(item);
}

/* ---- the faults ---- */

static int call_real(struct orb_ctx *ctx, struct orb_err *err)
{
    const struct orb_config *real = self.real->config;

    if (self.phase == PREPARE)
        return real->prepare ? real->prepare(ctx, self.change, err) : 0;
    if (self.phase == APPLY)
        return real->apply ? real->apply(ctx, self.change, err) : 0;
    return real->abort ? real->abort(ctx, self.change, self.applied, err) : 0;
}

static void on_held(struct orb_ctx *ctx, void *arg)
{
    struct fault *fault = &self.faults[self.phase];
    struct orb_err err = {0};
    int r = 0;

    while (!strcmp(fault->kind, "hang"))
        sleep(1000);
    orb_timer_free(self.timer);
    self.timer = NULL;
    if (!fault->after)
        r = call_real(ctx, &err);
    if (r != ORB_LATER)
        orb_config_done(ctx, r < 0 ? &err : NULL);
}

/* Returns as a callback of the configuration does. */
static int go_wrong(struct orb_ctx *ctx, struct fault *fault, struct orb_err *err)
{
    const char *kind = fault->kind;

    fault->armed = false;
    orb_log(ctx, ORB_NOTICE, "fault.reached", KV("phase", phase_names[self.phase]),
            KV("kind", kind));
    if (!strcmp(kind, "error"))
        return orb_fail(err, ORB_E_INTERNAL, "this is the fault that was asked for");
    if (!strcmp(kind, "lie"))
        return 0;
    if (!strcmp(kind, "silent"))
        return ORB_LATER;
    self.timer = orb_timer_new(ctx, on_held, NULL);
    orb_timer_start(self.timer, strcmp(kind, "hang") ? HOLD_MS : LOG_MS, 0);
    return ORB_LATER;
}

static int run(struct orb_ctx *ctx, enum phase phase, const struct orb_change *change,
               struct orb_err *err)
{
    struct fault *fault = &self.faults[phase];
    int r;

    self.phase = phase;
    self.change = change;
    if (fault->armed && !fault->after)
        return go_wrong(ctx, fault, err);
    r = call_real(ctx, err);
    if (r == 0 && fault->armed)
        return go_wrong(ctx, fault, err);
    return r; /* ORB_LATER: the fault comes with the answer */
}

/* The real one's orb_config_done. */
void real_done(struct orb_ctx *ctx, const struct orb_err *err) TAKEN("_config_done");
void real_done(struct orb_ctx *ctx, const struct orb_err *err)
{
    struct fault *fault = &self.faults[self.phase];
    struct orb_err own = {0};
    int r;

    if ((err && err->code) || !fault->armed) {
        orb_config_done(ctx, err);
        return;
    }
    r = go_wrong(ctx, fault, &own);
    if (r != ORB_LATER)
        orb_config_done(ctx, r < 0 ? &own : NULL);
}

/* ---- in the place of the real one ---- */

static int on_prepare(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    memset(self.faults, 0, sizeof(self.faults));
    if (!change->initial)
        arm(change->patch);
    return run(ctx, PREPARE, change, err);
}

static int on_apply(struct orb_ctx *ctx, const struct orb_change *change, struct orb_err *err)
{
    return run(ctx, APPLY, change, err);
}

static int on_abort(struct orb_ctx *ctx, const struct orb_change *change, bool applied,
                    struct orb_err *err)
{
    self.applied = applied;
    return run(ctx, ABORT, change, err);
}

static void on_peer_gone(struct orb_ctx *ctx, uint32_t peer)
{
    if (self.timer)
        orb_timer_start(self.timer, 0, 0);
    if (self.real->peer_gone)
        self.real->peer_gone(ctx, peer);
}

static void __attribute__((constructor)) begin(void)
{
    self.real = real_load(&self);
    orbital_plugin = *self.real;
    orbital_plugin.peer_gone = on_peer_gone;
    self.config = *self.real->config;
    self.config.prepare = on_prepare;
    self.config.apply = on_apply;
    self.config.abort = on_abort;
    orbital_plugin.config = &self.config;
}
