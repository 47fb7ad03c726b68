/* acme-probe: an example of a feature package, and the one that fails on command. The targets are
 * not really probed (the sandbox gives a feature no network): each has a timer that counts. */
#include "probe.h"

#include <stdlib.h>

static int on_status(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct probe *probe = orb_user(ctx);
    cJSON *out = cJSON_CreateObject();
    cJSON *targets = cJSON_AddObjectToObject(out, "targets");

    cJSON_AddStringToObject(out, "greeting", probe->settings->greeting);
    orb_add_int64(out, "revision", (int64_t)probe->revision);
    orb_add_int64(out, "uptime-ms", (int64_t)(orb_now_ms() - probe->started_ms));
    orb_add_int64(out, "ticks", probe->ticks);
    orb_add_int64(out, "leaked", probe->leaked);
    cJSON_AddStringToObject(out, "veto", probe->veto);
    cJSON_AddBoolToObject(out, "fail-apply", probe->fail_apply);
    for (const struct target *t = probe->settings->targets; t; t = t->next) {
        cJSON *item = cJSON_AddObjectToObject(targets, t->name);

        cJSON_AddStringToObject(item, "address", t->address);
        orb_add_int64(item, "interval", t->interval_ms);
        orb_add_int64(item, "ticks", t->ticks);
    }
    orb_reply(req, out);
    return 0;
}

static int on_echo(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    orb_reply(req, cJSON_Duplicate(in, true));
    return 0;
}

/* A request that is answered later, from a timer. */
struct slow {
    struct orb_req *req;
    struct orb_timer *timer;
    int64_t ms;
};

static void on_slow_over(struct orb_ctx *ctx, void *arg)
{
    struct slow *slow = arg;
    cJSON *out = cJSON_CreateObject();

    orb_add_int64(out, "ms", slow->ms);
    orb_reply(slow->req, out);
    orb_timer_free(slow->timer);
    free(slow);
}

static int on_slow(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct slow *slow = calloc(1, sizeof(*slow));

    if (!slow)
        return orb_fail(err, ORB_E_NOMEM, "no memory for one more slow request");
    slow->req = req;
    slow->ms = orb_number(in, "ms", 0);
    slow->timer = orb_timer_new(ctx, on_slow_over, slow);
    orb_timer_start(slow->timer, (uint64_t)slow->ms, 0);
    return 0;
}

static int on_init(struct orb_ctx *ctx, struct orb_err *err)
{
    struct probe *probe = calloc(1, sizeof(*probe));

    if (!probe)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the probe");
    probe->started_ms = orb_now_ms();
    orb_set_user(ctx, probe);
    return 0;
}

static int on_ready(struct orb_ctx *ctx, struct orb_err *err)
{
    struct probe *probe = orb_user(ctx);

    orb_log(ctx, ORB_INFO, "probe.ready", KV("revision", (int64_t)probe->revision));
    return 0;
}

static void on_stop(struct orb_ctx *ctx)
{
    struct probe *probe = orb_user(ctx);

    probe_jobs_end(probe);
    probe_settings_free(probe->settings);
    orb_timer_free(probe->crash_timer);
    free(probe);
}

static const struct orb_method methods[] = {
    {"status", on_status, 0},
    {"echo", on_echo, 0},
    {"slow", on_slow, 0},
    {"count", probe_on_count, 0},
    {"crash", probe_on_crash, 0},
    {"hang", probe_on_hang, 0},
    {"spin", probe_on_spin, 0},
    {"flood", probe_on_flood, 0},
    {"leak", probe_on_leak, 0},
    {"veto", probe_on_veto, 0},
    {"fail-apply", probe_on_fail_apply, 0},
    {0},
};

ORB_PLUGIN(.name = "acme-probe", .methods = methods, .config = &probe_config, .init = on_init,
           .ready = on_ready, .stop = on_stop);
