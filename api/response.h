/* Responses. Each call sets the response of q, once: later ones are ignored. Texts are copied. */
#ifndef API_RESPONSE_H
#define API_RESPONSE_H

#include "api/request.h"

/* Each answers the request with this status. */
void response_json(struct request *q, unsigned status, const char *text, size_t len);
/* The same with the text in q->value, which is not copied but the response's from now on. */
void response_value(struct request *q);
/* Responds with len bytes of that content type, copied. */
void response_text(struct request *q, unsigned status, const char *type, const char *text,
                   size_t len);
/* Responds without a body. */
void response_empty(struct request *q, unsigned status);
/* application/problem+json (RFC 9457). status 0: the one of the code. */
void response_problem(struct request *q, unsigned status, const struct orb_err *err);
/* The same with an error made here; path: JSON pointer, "" for none. */
void response_error(struct request *q, int code, const char *path, const char *text);
/* Adds a header to the response, which is set. */
void response_header(struct request *q, const char *name, const char *value);

#endif
