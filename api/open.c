/* The open routes: for any number of clients the host is queried once at a time, and not again
 * while its answer is recent. So clients without a token cost the host nothing. */
#include <string.h>

#include "api/open.h"
#include "api/response.h"
#include "core/base/json_write.h"

#define ASK_MS 2000u
#define YOUNG_MS 200u

/* Text member of an object, "" when there is none. */
static const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

    return text ? text : "";
}

static void answer_health(struct open_answer *a, const cJSON *out)
{
    struct json_write w = json_write_to(&a->text);

    json_write_object(&w, NULL);
    json_write_string(&w, "status", "ok");
    json_write_end(&w);
}

static void answer_ready(struct open_answer *a, const cJSON *out)
{
    const char *verdict = text_of(out, "verdict"), *phase = text_of(out, "phase");
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(out, "reasons"), 0);

    struct json_write w = json_write_to(&a->text);

    if (!strcmp(phase, "operational") && strcmp(verdict, "failed")) {
        json_write_object(&w, NULL);
        json_write_string(&w, "status", "ready");
        json_write_string(&w, "verdict", verdict);
        json_write_end(&w);
    } else {
        orb_fail(&a->err, ORB_E_UNAVAILABLE,
                 "the appliance is not ready (boot phase %s, health %s): %s", phase, verdict,
                 text_of(first, "what"));
    }
}

static const struct {
    const char *method;
    void (*answer)(struct open_answer *a, const cJSON *out);
} questions[API_OPEN] = {{"version", answer_health}, {"health", answer_ready}};

static void answer(struct request *q, const struct open_answer *a)
{
    if (a->err.code)
        response_problem(q, 503, &a->err);
    else
        response_json(q, 200, buf_str(&a->text), a->text.len);
}

/* Each is answered in its turn, by start(): not all of them at once. */
static void answer_all(struct open_answer *a)
{
    struct request *q = a->waiting;

    a->waiting = NULL;
    while (q) {
        struct request *next = q->next_waiting;

        q->calling = false;
        q->step = STEP_BODY;
        q->go_on(q);
        q = next;
    }
}

static void on_reply(struct orb_ctx *ctx, void *arg, const cJSON *out, const struct orb_err *err)
{
    struct open_answer *a = arg;
    struct api *api = orb_user(ctx);

    a->asked = false;
    if (api->stopping)
        return;
    a->at_ms = orb_now_ms();
    a->err = err ? *err : (struct orb_err){0};
    buf_clear(&a->text);
    if (!err)
        questions[a - api->open].answer(a, out);
    if (a->text.len)
        buf_addc(&a->text, '\n');
    answer_all(a);
}

static void start(struct request *q, unsigned which)
{
    struct api *api = q->api;
    struct open_answer *a = &api->open[which];
    struct orb_err err;

    if (a->at_ms && !a->asked && orb_now_ms() - a->at_ms < YOUNG_MS) {
        answer(q, a);
        return;
    }
    if (!a->asked && orb_call(api->ctx, "host@1", questions[which].method, NULL, ASK_MS, on_reply,
                              a, &err) < 0) {
        response_problem(q, 503, &err);
        return;
    }
    a->asked = true;
    q->calling = true;
    q->next_waiting = a->waiting;
    a->waiting = q;
}

void open_health(struct request *q)
{
    start(q, API_OPEN_HEALTH);
}

void open_ready(struct request *q)
{
    start(q, API_OPEN_READY);
}
