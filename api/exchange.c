/* One HTTP request, from the first line to the last byte. libmicrohttpd calls on_access repeatedly;
 * `step` holds the state. While an answer of the host is pending the connection is suspended, and
 * libmicrohttpd does not poll it: that a client left is noticed afterwards. */
#include "api/exchange.h"

#include <stdio.h>
#include <string.h>

#include "api/connection.h"
#include "api/framing.h"
#include "api/headers.h"
#include "api/principal.h"
#include "api/request.h"
#include "api/response.h"
#include "api/routes.h"
#include "api/session.h"
#include "api/turn.h"
#include "core/json/scan.h"

#define SMALL_BODY 4096u /* is not held to what the user's others have */

/* ---- the steps ---- */

static void refuse(struct request *q, unsigned status, const struct orb_err *err, const char *allow)
{
    response_problem(q, status, err);
    if (allow && *allow)
        response_header(q, MHD_HTTP_HEADER_ALLOW, allow);
}

static void on_session(struct request *q, const struct orb_err *err)
{
    if (err)
        refuse(q, 0, err, NULL);
}

static void begin_login(struct request *q)
{
    char token[API_TOKEN + 1];
    struct orb_err err;
    int r = headers_token(q, token, &err);

    if (r == 0)
        r = session_take(q, token, true, on_session, &err);
    explicit_bzero(token, sizeof(token));
    if (r < 0)
        refuse(q, 0, &err, NULL);
}

static void do_head(struct request *q, const char *version)
{
    char token[API_TOKEN + 1], allow[64];
    struct orb_err err = {0};
    unsigned status;
    int r = framing_check(q->connection, version, &err);

    if (r < 0) { /* where the next request would begin is not known */
        refuse(q, 400, &err, NULL);
        response_header(q, MHD_HTTP_HEADER_CONNECTION, "close");
        return;
    }
    r = headers_check(q, &status, allow, &err);

    /* Without a token a client cannot find out which routes exist, except the open ones. */
    if (!q->route || !(q->route->flags & ROUTE_OPEN)) {
        struct orb_err refusal;

        if (headers_token(q, token, &refusal) < 0 && status != 421) {
            refuse(q, 0, &refusal, NULL);
            return;
        }
    }
    if (r < 0) {
        refuse(q, status, &err, allow);
        return;
    }
    q->step = STEP_BODY;
    if (q->route->flags & ROUTE_OPEN)
        return;
    if (!session_known(q, token)) {
        q->step = STEP_AUTH;
        if (turn_begin(connection_of(q->connection)->principal, q, begin_login, &err) < 0)
            refuse(q, 0, &err, NULL);
    }
    explicit_bzero(token, sizeof(token));
}

/* Returns MHD_NO to end a connection that does not stop sending. */
static enum MHD_Result do_body(struct request *q, const char *data, size_t len)
{
    struct api *api = q->api;

    q->body_seen += len;
    if (q->body_seen > API_DRAIN_MAX)
        return MHD_NO;
    if (q->body_seen <= API_BODY_MAX && api->body_bytes + len <= API_BODIES_MAX) {
        size_t before = q->body.len;

        buf_add(&q->body, data, len);
        api->body_bytes += q->body.len;
        api->body_bytes -= before;
    }
    return MHD_YES;
}

/* Only one complete value may be inserted into the text of a request: nothing in it can close the
 * enclosing objects. */
static int check_json(const struct request *q, struct orb_err *err)
{
    static const struct json_limits limits = {REQUEST_BODY_DEPTH, JSON_MAX_TREE_KEYS};

    return scan_json(q->body.data, q->body.len, &limits, err);
}

static void do_work(struct request *q)
{
    struct connection *c = connection_of(q->connection);
    struct orb_err err;
    size_t waiting;

    q->step = STEP_WORK;
    connection_is(c, CONNECTION_WORK, q);
    if (q->session && q->body.len > SMALL_BODY && (waiting = connection_working_bytes(c)) &&
        waiting + q->body.len > API_USER_BYTES) {
        orb_fail(&err, ORB_E_BUSY,
                 "requests of %.40s with %zu bytes are being answered; with this one more than %u",
                 q->session->user, waiting, API_USER_BYTES);
        refuse(q, 0, &err, NULL);
        return;
    }
    if (q->body_seen > API_BODY_MAX) {
        orb_fail(&err, ORB_E_LIMIT, "the body has %zu bytes; at most %u are taken", q->body_seen,
                 API_BODY_MAX);
        refuse(q, 0, &err, NULL);
    } else if (q->body_seen != q->body.len) {
        orb_fail(&err, ORB_E_BUSY, "too many request bodies are being read");
        refuse(q, 0, &err, NULL);
    } else if (q->body.len && check_json(q, &err) < 0) {
        refuse(q, 0, &err, NULL);
    } else if (!q->body.len && q->route->flags & ROUTE_BODY) {
        orb_fail(&err, ORB_E_INVALID, "%s needs a JSON body", q->method);
        refuse(q, 0, &err, NULL);
    } else if (q->route->flags & ROUTE_OPEN) { /* all wait for one answer: open.c */
        routes_start(q);
    } else if (turn_begin(c->principal, q, routes_start, &err) < 0) {
        refuse(q, 0, &err, NULL);
    }
}

static void go_on(struct request *q)
{
    struct orb_err err;

    if (q->calling)
        return;
    if (q->gone) {
        request_free(q);
        return;
    }
    if (q->step == STEP_WORK && !q->status) {
        orb_fail(&err, ORB_E_INTERNAL, "%s came to no answer", q->method);
        response_problem(q, 0, &err);
    }
    if (q->suspended) {
        q->suspended = false;
        MHD_resume_connection(q->connection);
        turn_add(connection_of(q->connection));
    }
}

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct connection *c = cls;
    struct request *q = request_new(c->api, uri);

    if (q)
        q->go_on = go_on;
    /* The library announces a request whose line it then refuses (its query is too long), without
     * announcing its end. */
    if (c->begun)
        request_free(c->begun);
    c->begun = q;
    return q;
}

static enum MHD_Result respond(struct request *q)
{
    struct connection *c = connection_of(q->connection);

    if (!q->response)
        return MHD_NO; /* no memory even for the response */
    turn_end(q);
    c->answer_bytes = q->answer_bytes;
    connection_is(c, CONNECTION_ANSWER, q);
    return MHD_queue_response(q->connection, q->status, q->response);
}

static void suspend(struct request *q)
{
    q->suspended = true;
    MHD_suspend_connection(q->connection);
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload_data,
                                 size_t *upload_data_size, void **con_cls)
{
    struct request *q = *con_cls;
    struct connection *c = cls;

    if (!q)
        return MHD_NO;
    if (!q->connection) {
        q->connection = connection;
        c->begun = NULL;
        q->opened_ms = c->opened_ms;
        snprintf(q->method, sizeof(q->method), "%s", method);
        connection_is(c, CONNECTION_BODY, q);
        do_head(q, version);
        if (q->step == STEP_AUTH && !q->status) {
            connection_is(c, CONNECTION_WORK, q);
            suspend(q);
        }
        return q->status ? respond(q) : MHD_YES;
    }
    if (q->status)
        return respond(q);
    if (q->step == STEP_AUTH) {
        turn_end(q);
        q->step = STEP_BODY;
        connection_is(c, CONNECTION_BODY, q);
        return MHD_YES;
    }
    if (*upload_data_size) {
        size_t len = *upload_data_size;

        *upload_data_size = 0;
        return do_body(q, upload_data, len);
    }
    do_work(q);
    if (q->status)
        return respond(q);
    suspend(q);
    return MHD_YES;
}

static void log_request(const struct connection *c, const struct request *q,
                        enum MHD_RequestTerminationCode toe)
{
    bool quiet = q->route && q->route->flags & (ROUTE_OPEN | ROUTE_QUIET) && q->status < 400;
    size_t path_len = q->raw ? strcspn(q->raw, "?") : 0;
    char path[160];
    uint64_t lost;

    if (!principal_may_record(c->principal, &lost))
        return;
    snprintf(path, sizeof(path), "%.*s", path_len < sizeof(path) ? (int)path_len : 159,
             q->raw ? q->raw : "");
    for (char *p = path; *p; p++)
        if (*p & 0x80 || *p < 0x20)
            *p = '?';
    orb_log(q->api->ctx,
            quiet              ? ORB_DEBUG
            : q->status >= 500 ? ORB_WARNING
                               : ORB_INFO,
            "http.request", KV("method", q->method), KV("path", path), KV("status", q->status),
            KV("ms", (int64_t)(orb_now_ms() - q->started_ms)),
            KV("user", q->session ? q->session->user : ""),
            KV("end", toe == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "ok" : "cut off"),
            KV("not-recorded", lost));
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode toe)
{
    struct request *q = *con_cls;
    struct connection *c = cls;
    struct api *api = c->api;

    *con_cls = NULL;
    if (!q)
        return;
    connection_is(c, CONNECTION_HEAD, NULL);
    c->begun = NULL;
    c->completed++;
    if (q->connection && !api->stopping) {
        api->request_count++;
        orb_counter_add(api->ctx, "requests", 1);
        if (q->status >= 500)
            orb_counter_add(api->ctx, "request_errors", 1);
        else if (q->status >= 400)
            orb_counter_add(api->ctx, "requests_refused", 1);
        log_request(c, q, toe);
    }
    if (q->calling && !api->stopping)
        q->gone = true;
    else
        request_free(q);
}

const struct library_calls exchange_calls = {
    .on_uri = on_uri, .on_access = on_access, .on_completed = on_completed};
