/* What the package sends, as the host takes it: checked by the contract, answered where the host
 * itself answers, kept for the test otherwise. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/ipc/contract_check.h"
#include "core/json/scan.h"
#include "core/worker/kit/sdk_timer.h"
#include "core/worker/sdk_wire.h"
#include "core/worker/testing_attach.h"
#include "core/worker/testing_grant.h"
#include "core/worker/testing_host.h"
#include "core/worker/testing_internal.h"

void testing_host_fault(struct orb_test *test, const char *what, const struct orb_err *why)
{
    if (!test->fault.len)
        buf_addf(&test->fault, "%s: %s%s%s", what, why->path, *why->path ? ": " : "", why->text);
}

void testing_host_send(struct orb_test *test, const struct frame *head, const char *env,
                       const char *payload)
{
    frame_stream_add(&test->wire, head, env, env ? strlen(env) : 0, payload,
                     payload ? strlen(payload) : 0, NULL);
    /* The package reads when the socket is full. If it has ended, the caller notices that. */
    while (frame_stream_flush(&test->wire, MSG_DONTWAIT) > 0 && test->ctx.state != SDK_ENDED)
        uv_run(&test->ctx.loop, UV_RUN_NOWAIT);
}

void testing_host_refuse(struct orb_test *test, uint32_t corr, const struct orb_err *err)
{
    AUTO(buf) struct buf env = {0};
    struct json_write w = json_write_to(&env);

    json_write_object(&w, NULL);
    json_write_error(&w, "err", err);
    json_write_end(&w);
    testing_host_send(test, &(struct frame){.type = FRAME_ERR, .corr = corr}, buf_str(&env), NULL);
}

static void record(struct orb_test *test, enum orb_test_kind kind, uint32_t corr, const char *name,
                   const char *text)
{
    struct testing_record **at = &test->records, *new = xcalloc(1, sizeof(*new));

    new->kind = kind;
    new->corr = corr;
    new->name = xstrdup(name);
    new->text = xstrdup(text);
    while (*at)
        at = &(*at)->next;
    *at = new;
}

static void add_name(struct testing_name **list, uint32_t number, const char *text)
{
    struct testing_name *name = xcalloc(1, sizeof(*name));

    name->number = number;
    name->text = xstrdup(text);
    name->next = *list;
    *list = name;
}

/* {"plan": […]} of a step, for the test. */
static void record_plan(struct orb_test *test, const char *text)
{
    cJSON *tree = sdk_parse(text, strlen(text));
    const cJSON *item;

    cJSON_ArrayForEach (item, cJSON_GetObjectItemCaseSensitive(tree, "plan")) {
        char *line = cJSON_PrintUnformatted(item);

        record(test, ORB_TEST_PLAN, 0, sdk_text_of(item, "kind"), line ? line : "");
        cJSON_free(line);
    }
    cJSON_Delete(tree);
}

static void on_answer(struct orb_test *test, const struct frame *head, const char *env,
                      const char *payload)
{
    struct testing_ask *ask = test->asks;

    while (ask && ask->corr != head->corr)
        ask = ask->next;
    if (!ask)
        return;
    ask->done = true;
    if (head->type == FRAME_ERR) {
        struct json_slice error = {.p = "{}", .len = 2};

        json_member(env, strlen(env), "err", &error);
        json_read_error(error.p, error.len, &ask->err);
        return;
    }
    if (!ask->method) {
        record_plan(test, payload);
    } else if (contract_check_output(test->contract, ask->method, payload, strlen(payload),
                                     &ask->err) < 0) {
        testing_host_fault(test, ask->method, &ask->err);
        orb_wrap(&ask->err, "%s answered what its contract does not allow", ask->method);
        return;
    }
    ask->text = xstrdup(payload);
}

static void answer_attach(struct orb_test *test, uint32_t corr, const char *input)
{
    AUTO(buf) struct buf text = {0};

    testing_attach_answer(test, input, &text);
    testing_host_send(test, &(struct frame){.type = FRAME_REP, .corr = corr}, NULL, buf_str(&text));
}

static void on_call(struct orb_test *test, const struct frame *head, const char *env,
                    const char *payload)
{
    cJSON *tree = sdk_parse(env, strlen(env));
    AUTO_FREE char *name = NULL;
    struct orb_err err;
    bool own;

    for (struct testing_name *method = test->methods; head->handle && method; method = method->next)
        if (method->number == head->handle)
            name = xstrdup(method->text);
    if (!name)
        name = buf_format("%s/%s", sdk_text_of(tree, "to"), sdk_text_of(tree, "method"));
    cJSON_Delete(tree);
    own = !strcmp(name, "config@1/attach") || !strcmp(name, "config@1/fetch"); /* the SDK's */
    if (!own && testing_grant_check(test, GRANT_CALL, name, &err) < 0) {
        testing_host_refuse(test, head->corr, &err);
    } else if (head->type == FRAME_OPEN) {
        add_name(&test->methods, head->corr, name);
        testing_host_send(
            test, &(struct frame){.type = FRAME_OPENED, .handle = head->corr, .corr = head->corr},
            NULL, NULL);
    } else if (own) {
        answer_attach(test, head->corr, payload);
    } else {
        record(test, ORB_TEST_CALL, head->corr, name, *payload ? payload : "{}");
    }
}

static void on_subscribe(struct orb_test *test, const struct frame *head, const char *env)
{
    cJSON *tree = sdk_parse(env, strlen(env));
    const char *to = sdk_text_of(tree, "to");
    AUTO_FREE char *name =
        buf_format("%.*s/%s", (int)strcspn(to, "@"), to, sdk_text_of(tree, "topic"));
    struct orb_err err;

    cJSON_Delete(tree);
    if (testing_grant_check(test, GRANT_SUBSCRIBE, name, &err) < 0) {
        testing_host_refuse(test, head->corr, &err);
        return;
    }
    add_name(&test->topics, 0, name);
    testing_host_send(test, &(struct frame){.type = FRAME_REP, .corr = head->corr}, NULL, NULL);
}

static void on_publish(struct orb_test *test, const char *env, const char *payload)
{
    const char *text = *payload ? payload : "{}";
    cJSON *tree = sdk_parse(env, strlen(env));
    const char *topic = sdk_text_of(tree, "topic");
    struct orb_err err;

    if (contract_check_event(test->contract, topic, text, strlen(text), &err) < 0)
        testing_host_fault(test, topic, &err);
    else
        record(test, ORB_TEST_EVENT, 0, topic, text);
    cJSON_Delete(tree);
}

static void on_metric(struct orb_test *test, const char *payload)
{
    cJSON *tree = sdk_parse(payload, strlen(payload));
    const char *name = sdk_text_of(tree, "name");
    const cJSON *add = cJSON_GetObjectItemCaseSensitive(tree, "add");
    cJSON *known = cJSON_GetObjectItemCaseSensitive(test->metrics, name);

    if (!known)
        known = cJSON_AddNumberToObject(test->metrics, name, 0);
    if (add)
        known->valuedouble += add->valuedouble;
    else
        known->valuedouble = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(tree, "set"));
    cJSON_Delete(tree);
}

static void on_problems(struct orb_test *test, const char *payload)
{
    cJSON *tree = sdk_parse(payload, strlen(payload));
    char *text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(tree, "problems"));

    buf_clear(&test->problems);
    buf_adds(&test->problems, text ? text : "[]");
    cJSON_free(text);
    cJSON_Delete(tree);
}

static void on_text(struct orb_test *test, unsigned type, const char *payload)
{
    cJSON *tree = sdk_parse(payload, strlen(payload));

    if (type == FRAME_LOG)
        record(test, ORB_TEST_LOG, 0, sdk_text_of(tree, "event"), payload);
    else if (type == FRAME_FAIL)
        json_read_error(payload, strlen(payload), &test->failed);
    else if (*sdk_text_of(tree, "degraded")) /* PONG */
        orb_fail(&test->health, ORB_E_STATE, "%s", sdk_text_of(tree, "degraded"));
    cJSON_Delete(tree);
}

static void on_frame(struct orb_test *test, const struct frame *head, const char *env,
                     const char *payload)
{
    switch (head->type) {
    case FRAME_REP:
    case FRAME_ERR:
        on_answer(test, head, env, payload);
        break;
    case FRAME_OPEN:
    case FRAME_REQ:
        on_call(test, head, env, payload);
        break;
    case FRAME_SUB:
        on_subscribe(test, head, env);
        break;
    case FRAME_PUB:
        on_publish(test, env, payload);
        break;
    case FRAME_METRIC:
        on_metric(test, payload);
        break;
    case FRAME_PROBLEMS:
        on_problems(test, payload);
        break;
    case FRAME_READY:
        test->ready = true;
        break;
    case FRAME_LOG:
    case FRAME_FAIL:
    case FRAME_PONG:
        on_text(test, head->type, payload);
        break;
    default: /* HELLO, APPLIED, PROGRESS, CANCEL: nothing to do */
        break;
    }
}

/* Takes what the package sent; false: nothing. */
static bool receive(struct orb_test *test)
{
    struct inframe frame;
    bool any = false;

    while (frame_stream_read(&test->wire, MSG_DONTWAIT) > 0)
        ;
    while (frame_stream_next(&test->wire, &frame, NULL) == 0) {
        AUTO_FREE char *env = xstrndup(frame.env, frame.h.envlen);

        on_frame(test, &frame.h, env, frame.payload);
        any = true;
    }
    return any;
}

/* What the package sends leaves in the next turn of its loop, before that would sleep. */
static bool has_work(struct orb_test *test)
{
    return sdk_wire_waiting(&test->ctx) > 0 || uv_is_active((uv_handle_t *)&test->ctx.more);
}

void testing_host_turn(struct orb_test *test)
{
    unsigned idle = 0;

    for (unsigned i = 0; idle < 2 && i < TESTING_ROUNDS; i++) {
        bool busy = false;

        test->round++;
        while (sdk_timer_fire(test))
            busy = true;
        if (test->ctx.state != SDK_ENDED)
            uv_run(&test->ctx.loop, UV_RUN_NOWAIT);
        else if (test->open)
            sdk_wire_drain(&test->ctx, 0);
        busy |= receive(test);
        busy |= test->ctx.state != SDK_ENDED && has_work(test);
        idle = busy ? 0 : idle + 1;
    }
}

static void free_names(struct testing_name **list)
{
    while (*list) {
        struct testing_name *name = *list;

        *list = name->next;
        free(name->text);
        free(name);
    }
}

void testing_host_fini(struct orb_test *test)
{
    while (test->records) {
        struct testing_record *r = test->records;

        test->records = r->next;
        free(r->name);
        free(r->text);
        free(r);
    }
    free_names(&test->methods);
    free_names(&test->topics);
    testing_grant_fini(test);
    cJSON_Delete(test->metrics);
    buf_fini(&test->problems);
    frame_stream_fini(&test->wire);
}
