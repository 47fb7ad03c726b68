/* JSON texts as bytes: is this one value, and where is a member of it. No tree is built, so a body
 * costs its own size and integers keep their digits on the way through. */
#ifndef API_BODY_H
#define API_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "orbital/error.h"

#define BODY_MAX_DEPTH 28 /* the host allows 32 and a body is put inside a request */

/* Is text exactly one JSON value (RFC 8259, strict UTF-8)? Only then may it be put into the text of
 * a request: nothing in it can close what stands around it. ORB_E_SYNTAX says line, column, what
 * was found and what was expected; ORB_E_LIMIT: too deep. Names that stand twice are the host's to
 * refuse. */
int body_check(const char *text, size_t len, struct orb_err *err);

/* Finds a member of a checked object. Returns false when there is none (or text is no object). */
bool body_member(const char *text, size_t len, const char *key, const char **ret_value,
                 size_t *ret_len);
/* First byte that is no white space, '\0' in an empty text. */
char body_first(const char *text, size_t len);
/* Is this strict UTF-8? */
bool body_utf8(const char *text, size_t len);
/* Reads a whole number of 0 to 2^53; false when the value is none. */
bool body_number(const char *value, size_t len, unsigned long long *ret_number);

#endif
