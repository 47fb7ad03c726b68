/* Plan lines of the present step, and the answer to a question. */
#include "core/base/own.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_plan.h"

#define MAX_PLAN 1000

void sdk_plan_drop(struct sdk_conf *conf)
{
    cJSON_Delete(conf->plan);
    cJSON_Delete(conf->question);
    cJSON_Delete(conf->answer);
    conf->plan = NULL;
    conf->question = NULL;
    conf->answer = NULL;
    conf->change.question = NULL;
}

void orb_answer(struct orb_ctx *ctx, cJSON *answer)
{
    struct sdk_conf *conf = &ctx->conf;

    if (conf->state != SDK_CONF_PREPARING || !conf->question) {
        cJSON_Delete(answer);
        return;
    }
    cJSON_Delete(conf->answer);
    conf->answer = answer;
}

void orb_plan_step(struct orb_ctx *ctx, const char *kind, const char *text)
{
    struct sdk_conf *conf = &ctx->conf;
    cJSON *line;

    if ((conf->state != SDK_CONF_PREPARING && conf->state != SDK_CONF_APPLYING) ||
        cJSON_GetArraySize(conf->plan) >= MAX_PLAN)
        return;
    if (!conf->plan)
        conf->plan = cJSON_CreateArray();
    line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "kind", kind);
    cJSON_AddStringToObject(line, "text", text);
    cJSON_AddItemToArray(conf->plan, line);
}

cJSON *sdk_plan_take(struct sdk_conf *conf)
{
    cJSON *out = cJSON_CreateObject();

    cJSON_AddItemToObject(out, "plan", conf->plan ? conf->plan : cJSON_CreateArray());
    if (conf->answer)
        cJSON_AddItemToObject(out, "answer", conf->answer);
    conf->plan = NULL;
    conf->answer = NULL;
    sdk_plan_drop(conf);
    return out;
}
