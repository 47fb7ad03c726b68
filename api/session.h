/* Sessions of users at the host, found by token. */
#ifndef API_SESSION_H
#define API_SESSION_H

#include "api/request.h"

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

/* A session whose token occurs in the bytes of a request, NULL: none. Not authenticated. */
const struct session *session_within(struct api *api, const char *text, size_t len);
/* Gives q the session of the token, if there is one. */
bool session_known(struct request *q, const char *token);
/* Finds or makes the session of token and assigns it to q in place of its present one: at once
 * (returns 1), or later, then calls back (returns 0). shared false: a session for this request
 * alone. */
int session_take(struct request *q, const char *token, bool shared, session_fn *then,
                 struct orb_err *err);
/* The request has none afterwards; one that is no longer found by its token ends with its last
 * request.
 */
void session_give_back(struct request *q);
/* The host reported that it has ended. */
void session_ended(struct session *s);
/* Ends those that were not used for API_SESSION_IDLE_MS. */
void session_expire(struct api *api);
/* Frees all; the host ends its side with the worker. */
void session_fini(struct api *api);

#endif
