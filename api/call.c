/* Requests to the host. An HTTP request has one at a time, and its answer finds the request valid
 * even if the client has left: q->calling keeps it. */
#include "api/call.h"

#include <stdio.h>
#include <string.h>

#include "api/response.h"
#include "api/session.h"

static void send_call(struct request *q);

static void on_again(struct request *q, const struct orb_err *err)
{
    if (err)
        q->done(q, NULL, 0, err);
    else
        send_call(q);
}

/* The session ended in the host before the call reached a service: logs in again, once. */
static void again(struct request *q)
{
    char token[API_TOKEN + 1];
    struct orb_err err;
    int r;

    q->retried = true;
    memcpy(token, q->session->token, sizeof(token));
    session_ended(q->session);
    session_give_back(q);
    r = session_take(q, token, true, on_again, &err);
    explicit_bzero(token, sizeof(token));
    if (r != 0)
        on_again(q, r < 0 ? &err : NULL);
}

static void on_answer(struct orb_ctx *ctx, void *arg, const char *text, size_t len,
                      const struct orb_err *err)
{
    struct request *q = arg;

    q->calling = false;
    if (!q->gone) {
        if (err && err->code == ORB_E_UNAUTHENTICATED && !q->retried && q->session->shared)
            again(q);
        else
            q->done(q, text, len, err);
    }
    q->go_on(q);
}

static void send_call(struct request *q)
{
    struct orb_err err;
    int r = orb_call_as(q->api->ctx, q->session->id, q->to, q->call_method, buf_str(&q->input),
                        q->input.len, 0, on_answer, q, &err);

    if (r < 0)
        q->done(q, NULL, 0, &err);
    else
        q->calling = true;
}

void call_user(struct request *q, const char *to, const char *method, request_fn *done)
{
    snprintf(q->to, sizeof(q->to), "%s", to);
    snprintf(q->call_method, sizeof(q->call_method), "%s", method);
    q->done = done;
    send_call(q);
}

void call_afresh(struct request *q, session_fn *then)
{
    char token[API_TOKEN + 1];
    struct orb_err err;
    int r;

    memcpy(token, q->session->token, sizeof(token));
    r = session_take(q, token, false, then, &err);
    explicit_bzero(token, sizeof(token));
    if (r < 0)
        then(q, &err);
}

void call_on_reply(struct request *q, const char *text, size_t len, const struct orb_err *err)
{
    if (err)
        response_problem(q, 0, err);
    else if (len)
        response_json(q, 200, text, len);
    else
        response_json(q, 200, "{}", 2);
}
