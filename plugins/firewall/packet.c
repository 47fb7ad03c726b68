/* Tests of packets. */
#include "plugins/firewall/packet.h"

#include <stdio.h>
#include <stdlib.h>

#include "plugins/firewall/health.h"
#include "plugins/firewall/plugin.h"
#include "plugins/firewall/rows.h"

#define DATAPLANE "dataplane@1"

struct wait {
    struct relay relay;
    struct firewall *self;
    struct orb_req *req;
};

static void on_tested(struct orb_ctx *ctx, void *arg, const cJSON *in, const struct orb_err *err)
{
    struct wait *wait = arg;
    const struct rows *rows = &wait->self->rows;
    const cJSON *rule = cJSON_GetObjectItemCaseSensitive(in, "rule");
    cJSON *out;

    relay_end(&wait->self->relays, &wait->relay);
    if (err) {
        orb_reply_error(wait->req, err);
        free(wait);
        return;
    }
    out = cJSON_Duplicate(in, true);
    if (cJSON_IsNumber(rule)) {
        uint32_t number = (uint32_t)rule->valuedouble;
        unsigned after = rows_after(rows, number);

        if (after && rows->items[after - 1].number == number && rows->items[after - 1].description)
            cJSON_AddStringToObject(out, "description", rows->items[after - 1].description);
    }
    orb_reply(wait->req, out);
    free(wait);
}

int packet_test(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err)
{
    struct wait *wait = calloc(1, sizeof(*wait));
    int r;

    if (!wait)
        return orb_fail(err, ORB_E_NOMEM, "no memory for the request");
    wait->self = orb_user(ctx);
    wait->req = req;
    r = relay_begin(&wait->self->relays, &wait->relay, req, err);
    if (r < 0) {
        free(wait);
        return r;
    }
    r = orb_call(ctx, DATAPLANE, "test", cJSON_Duplicate(in, true), orb_req_left_ms(req), on_tested,
                 wait, err);
    if (r < 0) {
        relay_end(&wait->self->relays, &wait->relay);
        free(wait);
    }
    return r;
}

cJSON *packet_question(const cJSON *question, double tx, struct orb_err *err)
{
    const cJSON *test = cJSON_GetObjectItemCaseSensitive(question, "test");
    cJSON *in;

    if (!cJSON_IsObject(test)) {
        orb_fail_at(err, ORB_E_SCHEMA, "/question/input",
                    "expected {\"test\": {…}}, with the input of the method test");
        return NULL;
    }
    in = cJSON_Duplicate(test, true);
    cJSON_DeleteItemFromObjectCaseSensitive(in, "tx");
    if (tx > 0)
        cJSON_AddNumberToObject(in, "tx", tx);
    return in;
}

cJSON *packet_answer(const cJSON *out, const cJSON *rules)
{
    const cJSON *rule = cJSON_GetObjectItemCaseSensitive(out, "rule"), *description;
    cJSON *answer = cJSON_Duplicate(out, true);
    char key[16];

    if (!cJSON_IsNumber(rule))
        return answer;
    snprintf(key, sizeof(key), "%.0f", rule->valuedouble);
    description = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(rules, key),
                                                   "description");
    if (cJSON_IsString(description))
        cJSON_AddStringToObject(answer, "description", description->valuestring);
    return answer;
}
