/* The API service: HTTP on one side, requests to the host on the other. One `struct api` for the
 * worker, one `struct request` for each HTTP request. Nothing here decides who may do what: every
 * call is made as the session of the caller's token and the host decides. */
#ifndef API_API_H
#define API_API_H

#include <microhttpd.h>

#include "api/body.h"
#include "api/route.h"
#include "api/text.h"
#include "api/url.h"
#include "orbital/orbital.h"

#define API_CONNECTIONS 256
#define API_CONNECTIONS_WANTED 192  /* with more open, one gives way for each that comes */
#define API_IDLE_S 30               /* between requests of a connection, and of one without bytes */
#define API_HEAD_MS 10000           /* from a connection's start to the end of its first head */
#define API_LEAST_RATE 16384        /* bytes a second of a body or an answer, after that time */
#define API_USER_WORK 64            /* requests of a user that wait for the host at once */
#define API_USER_BYTES (256u << 10) /* of their bodies, with more than one of them */
#define API_MEMORY (32u << 10)      /* of a connection: request line and headers */
#define API_BODY_MAX (1u << 20)     /* of a request */
#define API_DRAIN_MAX (8u << 20)    /* read and thrown away of a body that is too large */
#define API_BODIES_MAX (32u << 20)  /* of all requests together */
#define API_VALUE_MAX (24u << 20)   /* a value read in slices */
#define API_INLINE_MAX (200u << 10) /* a body that fits one request to the host */
#define API_SLICE (96u << 10)       /* of a body that does not */
#define API_SESSIONS 128
#define API_SESSION_IDLE_MS (5 * 60 * 1000)
#define API_TOKEN 47 /* "orb_" and 43 characters of base64url */

struct request;

/* A user the host let in, kept while its token is used. */
struct session {
    struct session *next;
    char token[API_TOKEN + 1];
    char user[64];
    uint32_t id; /* 0 until the host answered */
    uint64_t used_ms;
    unsigned users; /* requests that hold it */
    bool shared;    /* found by token; else made for one request */
    bool ended;     /* by the host: its token was revoked */
    struct request *waiting;
};

/* What the open routes answer, kept for a moment. */
enum { API_OPEN_HEALTH, API_OPEN_READY, API_OPEN };
struct open_answer {
    bool asked;     /* the host; its answer is for all that wait */
    uint64_t at_ms; /* when it answered, 0: never */
    struct orb_err err;
    char text[80];
    struct request *waiting; /* by next_waiting */
};

enum connection_state {
    CONNECTION_HEAD, /* waits for a request's head */
    CONNECTION_BODY,
    CONNECTION_WORK, /* waits for the host: no fault of the client */
    CONNECTION_ANSWER,
};

/* One TCP connection, as long as libmicrohttpd has it. */
struct connection {
    struct api *api;
    struct connection *prev, *next;
    int fd; /* libmicrohttpd's */
    enum connection_state state;
    uint64_t since_ms; /* of the state */
    uint64_t opened_ms;
    uint64_t owner;          /* whom it counts for: the source address, then the user */
    struct request *request; /* set in CONNECTION_BODY and _WORK */
    size_t answer_bytes;
    bool answered; /* not its first request */
    bool closing;
};

struct api {
    struct orb_ctx *ctx;
    struct MHD_Daemon *daemon;
    struct orb_watch *watch;
    struct orb_timer *timer, *expiry;
    struct session *sessions;
    unsigned session_count;
    struct open_answer open[API_OPEN];
    struct request *requests;
    struct connection *connections;
    unsigned connection_count;
    struct orb_timer *look; /* at slow connections */
    uint64_t cut_off;       /* connections: too slow, or in the way of others */
    bool closed;            /* one of them, in this run of the server */
    uint64_t request_count;
    size_t body_bytes;
    uint64_t committed_ms; /* when a commit was last seen */
    bool stopping;
};

enum request_step {
    STEP_HEAD, /* headers are here */
    STEP_AUTH, /* suspended: the host is asked who this is */
    STEP_BODY, /* the body comes in */
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

    struct text body;
    size_t body_seen;

    bool suspended;
    bool calling; /* an answer of the host is due */
    bool gone;    /* the client left meanwhile: freed when the answer comes */
    bool retried;
    /* the call under way, kept to be repeated when the session had ended */
    char to[64], call_method[64];
    struct text input;
    request_fn *done;

    /* values read or written in slices */
    struct text value;
    size_t answer_bytes;
    size_t at;
    bool loading; /* a body is on its way in slices */

    unsigned status; /* 0: not answered yet */
    struct MHD_Response *response;
};

/* ---- server.c: libmicrohttpd on the worker's loop ---- */

int server_start(struct api *api, struct orb_err *err);
void server_stop(struct api *api);
/* A connection was resumed: nothing happens on its descriptor, so the server is run from the loop's
 * next turn. */
void server_wake(struct api *api);

/* ---- connection.c ---- */

void connection_start(struct api *api);
void connection_on_change(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code);
/* NULL: there was no memory for it. */
struct connection *connection_of(struct MHD_Connection *connection);
/* What it does from now on; q: the request, which says whom it counts for. */
void connection_is(struct connection *c, enum connection_state state, struct request *q);
/* When it is too late for what it does, 0: never. */
uint64_t connection_due(const struct connection *c);
/* How many others of its owner wait for the host. */
unsigned connection_working(const struct connection *c);
/* Bytes of their bodies. */
size_t connection_working_bytes(const struct connection *c);
/* What a source is: an IPv4 address, the /64 of an IPv6 one, all of this machine. */
uint64_t connection_source(const struct sockaddr *address);

/* ---- framing.c ---- */

/* Refuses a head that two readers could understand in two ways. version: of the request line. */
int framing_check(struct MHD_Connection *connection, const char *version, struct orb_err *err);

/* ---- request.c ---- */

void *request_on_uri(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result request_on_access(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload_data,
                                  size_t *upload_data_size, void **con_cls);
void request_on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                          enum MHD_RequestTerminationCode toe);
/* After an answer of the host: wakes the connection when the response is there, frees a request
 * whose client has left. A request that neither answered nor asked on is our mistake: 500. */
void request_continue(struct request *q);
void request_free(struct request *q);

/* ---- head.c: what is looked at before a body is read ---- */

/* Fills route and first; below 0 with the problem in err and *ret_status (0: the code's own) and
 * ret_allow for 405. */
int head_check(struct request *q, unsigned *ret_status, char ret_allow[64], struct orb_err *err);
/* The token of the Authorization header; ORB_E_UNAUTHENTICATED when there is none. */
int head_token(const struct request *q, char ret_token[API_TOKEN + 1], struct orb_err *err);

/* ---- answer.c: responses ---- */

/* Each sets the response of q, once. text is copied. */
void answer_json(struct request *q, unsigned status, const char *text, size_t len);
void answer_text(struct request *q, unsigned status, const char *type, const char *text,
                 size_t len);
void answer_empty(struct request *q, unsigned status);
/* application/problem+json (RFC 9457). status 0: the one of the code. */
void answer_problem(struct request *q, unsigned status, const struct orb_err *err);
void answer_header(struct request *q, const char *name, const char *value);

/* ---- session.c ---- */

/* Finds or makes the session of token and gives it to q in place of the one it has: at once
 * (returns 1), or later, calling then (returns 0). shared false: a session of this request's own.
 */
int session_take(struct request *q, const char *token, bool shared, session_fn *then,
                 struct orb_err *err);
void session_give_back(struct request *q);
/* The host said it has ended. */
void session_ended(struct session *s);
void session_expire(struct api *api);
void session_fini(struct api *api);

/* ---- call.c: requests to the host ---- */

/* Calls as the user; q->input is the input (empty: {}). done gets the answer. */
void call_user(struct request *q, const char *to, const char *method, request_fn *done);
/* A login of this request's own with the same token, then `then`. Proof that one can still log in;
 * and what the configuration service keeps by session is not mixed with another request's. */
void call_afresh(struct request *q, session_fn *then);
/* The usual end: the reply is the body of a 200, an error is a problem. */
void call_on_reply(struct request *q, const char *text, size_t len, const struct orb_err *err);

/* ---- open.c, plain.c, config.c: the routes ---- */

/* Answers /healthz or /readyz, at once or with the host's next answer. */
void open_start(struct request *q, unsigned which);

/* Begins the work of the route: answers at once or makes a call. */
void plain_start(struct request *q);
/* Returns false when the route is none of the configuration's. */
bool config_start(struct request *q);

#endif
