/* Requests to the host, as the user of a request. */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/request.h"

/* Calls as the user; q->input is the input (empty: {}). done gets the answer. */
void call_user(struct request *q, const char *to, const char *method, request_fn *done);
/* A login of this request's own with the same token, then `then`. Proof that one can still log in;
 * and what the configuration service keeps by session is not mixed with another request's. */
void call_afresh(struct request *q, session_fn *then);
/* The usual end: the reply is the body of a 200, an error is a problem. */
void call_on_reply(struct request *q, const char *text, size_t len, const struct orb_err *err);

#endif
