/* What is looked at before a body is read: the request line and the headers. */
#ifndef API_HEADERS_H
#define API_HEADERS_H

#include "api/request.h"

/* Fills url, route and first; below 0 with the problem in err and *ret_status (0: the code's own)
 * and ret_allow for 405. */
int headers_check(struct request *q, unsigned *ret_status, char ret_allow[64], struct orb_err *err);
/* The token of the Authorization header; ORB_E_UNAUTHENTICATED when there is none. The caller wipes
 * it. */
int headers_token(const struct request *q, char ret_token[API_TOKEN + 1], struct orb_err *err);

#endif
