/* Output of the package, and input to it: see testing_internal.h. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/json_write.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/worker/kit/now.h"
#include "core/worker/sdk_obs.h"
#include "core/worker/testing_ask.h"
#include "core/worker/testing_host.h"
#include "core/worker/testing_internal.h"

const char *orb_test_next(struct orb_test *test, enum orb_test_kind kind, const char *name)
{
    struct testing_record **at = &test->records, *found;

    testing_host_turn(test);
    while (*at && ((*at)->kind != kind || (name && strcmp((*at)->name, name))))
        at = &(*at)->next;
    found = *at;
    if (!found)
        return NULL;
    *at = found->next;
    if (kind == ORB_TEST_CALL)
        test->taken = found->corr;
    testing_ask_show(test, found->text);
    free(found->name);
    free(found->text);
    free(found);
    return buf_str(&test->shown);
}

static int64_t real_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Sleeps until something happens in the loop; false: nothing did until then. */
static bool sleep_until(struct orb_test *test, int64_t until)
{
    struct pollfd loop = {.fd = uv_backend_fd(&test->ctx.loop), .events = POLLIN};
    int64_t left = until - real_ms();

    return left > 0 && test->ctx.state != SDK_ENDED && poll(&loop, 1, (int)left) > 0;
}

const char *orb_test_wait(struct orb_test *test, enum orb_test_kind kind, const char *name,
                          int wait_ms)
{
    int64_t until = real_ms() + wait_ms;
    const char *text;

    while (!(text = orb_test_next(test, kind, name)) && sleep_until(test, until))
        ;
    return text;
}

int orb_test_answer(struct orb_test *test, int wait_ms, const char **ret_output,
                    struct orb_err *err)
{
    int64_t until = real_ms() + wait_ms;

    do {
        testing_host_turn(test);
        for (struct testing_ask *ask = test->asks; ask; ask = ask->next)
            if (ask->method && ask->done)
                return testing_ask_answer(test, ask, ret_output, err);
    } while (sleep_until(test, until));
    return test->ctx.state == SDK_ENDED ? testing_ask_ended(test, err) : ORB_LATER;
}

const char *orb_test_problems(struct orb_test *test)
{
    testing_host_turn(test);
    return testing_ask_show(test, test->problems.len ? buf_str(&test->problems) : "[]");
}

double orb_test_metric(struct orb_test *test, const char *name)
{
    const cJSON *metric;

    if (test->open && test->ctx.state != SDK_ENDED)
        sdk_obs_flush(&test->ctx);
    testing_host_turn(test);
    metric = cJSON_GetObjectItemCaseSensitive(test->metrics, name);
    return metric ? metric->valuedouble : 0;
}

const char *orb_test_fault(struct orb_test *test)
{
    testing_host_turn(test);
    if (!test->fault.len)
        return NULL;
    testing_ask_show(test, buf_str(&test->fault));
    buf_clear(&test->fault);
    return buf_str(&test->shown);
}

void orb_test_reply(struct orb_test *test, const char *output)
{
    testing_host_send(test, &(struct frame){.type = FRAME_REP, .corr = test->taken}, NULL, output);
    testing_host_turn(test);
}

void orb_test_reply_error(struct orb_test *test, int code, const char *text)
{
    struct orb_err err = {0};

    orb_fail(&err, code, "%s", text);
    testing_host_refuse(test, test->taken, &err);
    testing_host_turn(test);
}

static bool is_subscribed(const struct orb_test *test, const char *interface, const char *topic)
{
    size_t len = strlen(interface);

    for (const struct testing_name *name = test->topics; name; name = name->next)
        if (!strncmp(name->text, interface, len) && name->text[len] == '/' &&
            (!strcmp(name->text + len + 1, "*") || !strcmp(name->text + len + 1, topic)))
            return true;
    return false;
}

int orb_test_event(struct orb_test *test, const char *interface, const char *topic,
                   const char *payload, struct orb_err *err)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    testing_host_turn(test);
    if (!is_subscribed(test, interface, topic))
        return orb_fail(err, ORB_E_NOT_FOUND, "the package did not subscribe to %s/%s", interface,
                        topic);
    json_write_object(&w, NULL);
    json_write_string(&w, "from", interface);
    json_write_string(&w, "topic", topic);
    json_write_end(&w);
    testing_host_send(test, &(struct frame){.type = FRAME_EVENT}, buf_str(&b), payload);
    testing_host_turn(test);
    return 0;
}

void orb_test_advance(struct orb_test *test, uint64_t ms)
{
    uint64_t until = now_ms() + ms;

    testing_host_turn(test);
    while (test->timers && test->timers->due_ms <= until) {
        if (test->timers->due_ms > now_ms())
            now_set(test->timers->due_ms);
        testing_host_turn(test);
        if (test->ctx.state == SDK_ENDED || (test->timers && test->timers->due_ms <= now_ms()))
            break; /* ended, or never rests */
    }
    now_set(until);
    testing_host_turn(test);
}
