/* How the engine reaches the SDK: answers, calls, events, problems, wake-ups. */
#include <stdlib.h>
#include <time.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/plugin_internal.h"

/* A pending call: the engine's callback, called by the SDK's. */
struct call {
    engine_done *done;
    void *arg;
};

static void on_called(struct orb_ctx *ctx, void *arg, const char *text, size_t len,
                      const struct orb_err *err)
{
    struct call call = *(struct call *)arg;

    free(arg);
    call.done(call.arg, text, len, err);
}

static int host_call(void *arg, const char *to, const char *method, const char *text, size_t len,
                     uint32_t deadline_ms, engine_done *done, void *done_arg, struct orb_err *err)
{
    struct plugin *p = arg;
    struct call *call = xcalloc(1, sizeof(*call));
    int r;

    *call = (struct call){.done = done, .arg = done_arg};
    r = orb_call_text(p->ctx, to, method, text, len, deadline_ms, on_called, call, err);
    if (r < 0)
        free(call);
    return r;
}

static void host_reply(void *arg, void *req, const char *text, size_t len)
{
    orb_reply_text(req, text, len);
}

static void host_refuse(void *arg, void *req, const struct orb_err *err)
{
    orb_reply_error(req, err);
}

static void host_publish(void *arg, uint64_t revision, const char *const *paths, size_t count)
{
    struct plugin *p = arg;
    cJSON *payload = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(payload, "paths");
    struct orb_err err;

    cJSON_AddNumberToObject(payload, "revision", (double)revision);
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(paths[i]));
    if (orb_publish(p->ctx, "committed", payload, &err) < 0)
        orb_log(p->ctx, ORB_WARNING, "config.event.lost", KV("why", err.text));
    orb_counter_add(p->ctx, "commits", 1);
    orb_gauge_set(p->ctx, "revision", (double)revision);
}

static void host_wake(void *arg, uint64_t after_ms)
{
    struct plugin *p = arg;

    orb_timer_start(p->timer, after_ms, 0);
}

static void host_soon(void *arg)
{
    struct plugin *p = arg;

    orb_timer_start(p->soon, 0, 0);
}

static bool host_given_up(void *arg, void *req)
{
    return orb_req_left_ms(req) == 0;
}

static uint64_t host_now(void *arg)
{
    return orb_now_ms();
}

static uint64_t host_now_us(void *arg)
{
    return now_us();
}

static uint64_t host_used_us(void *arg)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static uint64_t host_wall(void *arg)
{
    return now_wall_us();
}

static void host_problem(void *arg, const char *key, bool failed, const char *what,
                         const char *todo)
{
    struct plugin *p = arg;
    const struct orb_problem problem = {failed ? ORB_PROBLEM_FAILED : ORB_PROBLEM_DEGRADED, what,
                                        "", todo};

    if (what)
        orb_problem_set(p->ctx, key, &problem);
    else
        orb_problem_clear(p->ctx, key);
}

static void on_enforced_told(struct orb_ctx *ctx, void *arg, const cJSON *out,
                             const struct orb_err *err)
{
    if (err)
        orb_log(ctx, ORB_ERROR, "config.enforced.not-told", KV("why", err->text));
}

static void host_enforced(void *arg, uint64_t revision, uint64_t id, uint64_t void_tx)
{
    struct plugin *p = arg;
    cJSON *in = cJSON_CreateObject();
    struct orb_err err;

    if (revision) /* there is a configuration now */
        orb_problem_clear(p->ctx, FIRST_PROBLEM);
    orb_add_int64(in, "revision", (int64_t)revision);
    orb_add_int64(in, "id", (int64_t)id);
    orb_add_int64(in, "void-tx", (int64_t)void_tx);
    if (orb_call(p->ctx, "host@1", HOST_ENFORCED, in, HOST_DEADLINE_MS, on_enforced_told, NULL,
                 &err) < 0)
        on_enforced_told(p->ctx, NULL, NULL, &err);
}

static void host_follow(void *arg, const char *text, size_t len)
{
    struct plugin *p = arg;
    cJSON *in = cJSON_ParseWithLength(text, len);
    struct orb_err err;

    if (orb_call(p->ctx, "host@1", "follow", in, HOST_DEADLINE_MS, on_enforced_told, NULL, &err) <
        0)
        on_enforced_told(p->ctx, NULL, NULL, &err);
}

static void host_progress(void *arg)
{
    orb_progress(((struct plugin *)arg)->ctx);
}

static void host_tell(void *arg, void *req, const char *phase, int percent)
{
    orb_req_progress(req, phase, percent);
}

void plugin_host_progress(struct orb_ctx *ctx, void *arg, const char *phase, int percent)
{
    struct plugin *p = orb_user(ctx);
    const struct call *call = arg;

    if (arg && arg != p && p->engine) /* else one of the start's own calls */
        engine_progress(p->engine, call->arg, phase, percent);
}

struct engine_host plugin_host(struct plugin *p)
{
    return (struct engine_host){
        .arg = p,
        .log = &p->log,
        .call = host_call,
        .reply = host_reply,
        .refuse = host_refuse,
        .publish = host_publish,
        .wake = host_wake,
        .soon = host_soon,
        .given_up = host_given_up,
        .now_ms = host_now,
        .now_us = host_now_us,
        .used_us = host_used_us,
        .wall_us = host_wall,
        .problem = host_problem,
        .enforced = host_enforced,
        .follow = host_follow,
        .progress = host_progress,
        .tell = host_tell,
    };
}
