/* The API service: HTTP on one side, requests to the host on the other. One `struct api` for the
 * worker, one `struct request` (request.h) for each HTTP request, one `struct connection`
 * (connection.h) for each TCP connection. There are no access decisions here: every call is made in
 * the session of the caller's token, and the host decides. */
#ifndef API_API_INTERNAL_H
#define API_API_INTERNAL_H

#include <microhttpd.h>

#include "core/base/buf.h"
#include "orbital/orbital.h"

#define API_CONNECTIONS 256
#define API_CONNECTIONS_WANTED 192  /* above it, one is closed for each that is accepted */
#define API_IDLE_S 30               /* between requests of a connection, and of one without bytes */
#define API_HEAD_MS 10000           /* from a connection's start to the end of its first head */
#define API_LEAST_RATE 16384        /* bytes a second of a body or an answer, after that time */
#define API_USER_AT_ONCE 8          /* requests of a user that are with the host at once */
#define API_SLOW_MS 50              /* a request that takes longer keeps no other one waiting */
#define API_USER_WORK 64            /* all of them, with those that wait to be begun */
#define API_USER_BYTES (256u << 10) /* of their bodies, with more than one of them */
#define API_MEMORY (32u << 10)      /* of a connection: request line and headers */
#define API_BODY_MAX (1u << 20)     /* of a request */
#define API_DRAIN_MAX (8u << 20)    /* read and discarded of a body that is too large */
#define API_BODIES_MAX (32u << 20)  /* of all requests together */
#define API_VALUE_MAX (24u << 20)   /* a value read in slices */
#define API_INLINE_MAX (200u << 10) /* a body that fits one request to the host */
#define API_SLICE (96u << 10)       /* of a body that does not */
#define API_SESSIONS 128
#define API_SESSION_IDLE_MS (5 * 60 * 1000)
#define API_TOKEN 47 /* "orb_" and 43 characters of base64url */

struct connection;
struct library_calls;
struct principal;
struct request;
struct session;

/* What the open routes answer, kept for a moment. */
enum { API_OPEN_HEALTH, API_OPEN_READY, API_OPEN };
struct open_answer {
    bool asked;     /* the host; its answer is for all that wait */
    uint64_t at_ms; /* when it answered, 0: never */
    struct orb_err err;
    struct buf text;
    struct request *waiting; /* by next_waiting */
};

struct api {
    struct orb_ctx *ctx;
    struct orb_watch *listening;
    bool full; /* and not listening until a connection ends */
    int epoll; /* the connections: watch.h */
    struct orb_watch *watch;
    void (*watch_fn)(struct connection *c, unsigned events);
    struct orb_timer *expiry;
    struct principal *principals;
    struct principal *turns, *turns_last; /* those with something to do: turn.h */
    unsigned turn_count;
    struct orb_timer *turn, *slow;
    void (*run)(struct connection *c);
    const struct library_calls *calls;
    bool slow_runs;
    struct session *sessions;
    unsigned session_count;
    struct open_answer open[API_OPEN];
    struct request *requests;
    struct connection *connections;
    unsigned connection_count;
    struct orb_timer *look; /* at slow connections */
    uint64_t cut_off;       /* connections: too slow, or closed in favour of others */
    uint64_t request_count;
    size_t body_bytes;
    size_t value_bytes;    /* of values that are read in slices, and not taken yet */
    uint64_t committed_ms; /* when a commit was last seen */
    bool stopping;
};

#endif
