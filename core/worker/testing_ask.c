/* Requests to the package and their answers: see testing_ask.h. */
#include "core/worker/testing_ask.h"

#include <stdlib.h>

#include "core/base/xalloc.h"
#include "core/worker/testing_host.h"

const char *testing_ask_show(struct orb_test *test, const char *text)
{
    buf_clear(&test->shown);
    buf_adds(&test->shown, text);
    return buf_str(&test->shown);
}

int testing_ask_ended(struct orb_test *test, struct orb_err *err)
{
    if (test->failed.code)
        *err = test->failed;
    else
        orb_fail(err, ORB_E_GONE, "the package has ended");
    return err->code;
}

struct testing_ask *testing_ask_send(struct orb_test *test, uint32_t peer, uint32_t number,
                                     const char *method, const char *text, uint32_t deadline_ms,
                                     struct orb_err *err)
{
    struct testing_ask **at = &test->asks, *ask;

    if (!test->open || test->ctx.state == SDK_ENDED) {
        testing_ask_ended(test, err);
        return NULL;
    }
    while (*at)
        at = &(*at)->next;
    *at = ask = xcalloc(1, sizeof(*ask));
    ask->corr = ++test->last_corr;
    ask->method = method ? xstrdup(method) : NULL;
    testing_host_send(test,
                      &(struct frame){.type = FRAME_REQ,
                                      .handle = number,
                                      .corr = ask->corr,
                                      .src = peer,
                                      .deadline_ms = deadline_ms},
                      NULL, text);
    testing_host_turn(test);
    if (!ask->done && test->ctx.state == SDK_ENDED) {
        ask->done = true;
        testing_ask_ended(test, &ask->err);
    }
    return ask;
}

int testing_ask_answer(struct orb_test *test, struct testing_ask *ask, const char **ret_text,
                       struct orb_err *err)
{
    struct testing_ask **at = &test->asks;
    int r = ask->err.code;

    while (*at != ask)
        at = &(*at)->next;
    *at = ask->next;
    if (r < 0)
        *err = ask->err;
    else
        *ret_text = testing_ask_show(test, ask->text ? ask->text : "");
    free(ask->method);
    free(ask->text);
    free(ask);
    return r;
}
