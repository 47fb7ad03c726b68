/* One HTTP request: what is known of it, from its first line to its response. */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include "api/api_internal.h"
#include "api/route.h"
#include "core/base/buf.h"

/* The body is put inside a request to the host, which takes four levels more. */
#define REQUEST_BODY_DEPTH 28

enum request_step {
    STEP_HEAD, /* headers are here */
    STEP_AUTH, /* suspended: authentication is pending */
    STEP_BODY, /* receiving the body */
    STEP_WORK, /* the route's own code; suspended while it waits for the host */
};

/* Continues a request with the host's answer: text NULL when err is set. */
typedef void request_fn(struct request *q, const char *text, size_t len, const struct orb_err *err);
/* Continues a request that now has a session, or has none because of err. */
typedef void session_fn(struct request *q, const struct orb_err *err);

struct request {
    struct api *api;
    struct request *prev, *next;
    struct MHD_Connection *connection;
    enum request_step step;
    char method[16];
    char *raw; /* target as sent */
    struct url url;
    const struct route *route;
    unsigned first; /* segment of the route's first variable */
    uint64_t started_ms;
    uint64_t opened_ms; /* the connection */

    struct session *session;
    struct request *next_waiting;
    session_fn *on_session;

    struct buf body;
    size_t body_seen;

    /* For turn.h. Charged to it until answered; begin: it is queued, by next_waiting. */
    struct principal *principal;
    void (*begin)(struct request *q);
    bool working, slow;
    uint64_t begun_ms;

    bool suspended;
    bool calling; /* an answer of the host is due */
    bool gone;    /* the client left: freed when the answer arrives */
    bool retried;
    /* The host's answer was dealt with, calling is false: wakes the connection when the response is
     * there, frees a request whose client has left. Set by exchange.c for those below it. */
    void (*go_on)(struct request *q);
    /* the call under way, kept to be repeated when the session had ended */
    char to[64], call_method[64];
    struct buf input;
    request_fn *done;

    /* values read or written in slices */
    struct buf value;
    bool reads_value;
    size_t value_bytes; /* taken for one that is read, until the client has it */
    size_t answer_bytes;
    size_t at;
    bool loading; /* a body is being sent in slices */

    unsigned status; /* 0: not answered yet */
    struct MHD_Response *response;
};

/* A new one in the api's list. raw is copied. NULL: no memory. */
struct request *request_new(struct api *api, const char *raw);
/* Also gives its session back and destroys its response. */
void request_free(struct request *q);

#endif
