/* The open routes: whoever asks, and however often, the host is asked once at a time and not again
 * while its answer is young. So who has no token costs nobody anything. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"

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
    snprintf(a->text, sizeof a->text, "{\"status\":\"ok\"}\n");
}

static void answer_ready(struct open_answer *a, const cJSON *out)
{
    const char *verdict = text_of(out, "verdict"), *phase = text_of(out, "phase");
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(out, "reasons"), 0);

    if (!strcmp(phase, "operational") && strcmp(verdict, "failed"))
        snprintf(a->text, sizeof a->text, "{\"status\":\"ready\",\"verdict\":\"%.16s\"}\n",
                 verdict);
    else
        orb_fail(&a->err, ORB_E_UNAVAILABLE,
                 "the appliance is not ready (boot phase %s, verdict %s): %s", phase, verdict,
                 text_of(first, "what"));
}

static const struct {
    const char *method;
    void (*answer)(struct open_answer *a, const cJSON *out);
} questions[API_OPEN] = {{"version", answer_health}, {"health", answer_ready}};

static void answer(struct request *q, const struct open_answer *a)
{
    if (a->err.code)
        answer_problem(q, 503, &a->err);
    else
        answer_json(q, 200, a->text, strlen(a->text));
}

static void answer_all(struct open_answer *a)
{
    struct request *q = a->waiting;

    a->waiting = NULL;
    while (q) {
        struct request *next = q->next_waiting;

        q->calling = false;
        if (!q->gone)
            answer(q, a);
        request_continue(q);
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
    if (!err)
        questions[a - api->open].answer(a, out);
    answer_all(a);
}

void open_start(struct request *q, unsigned which)
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
        answer_problem(q, 503, &err);
        return;
    }
    a->asked = true;
    q->calling = true;
    q->next_waiting = a->waiting;
    a->waiting = q;
}
