/* The request target: percent-decoded once, strictly, into segments and query pairs. Decoding after
 * splitting allows a slash in a key: /routing/static/10.0.0.0%2F8. */
#ifndef API_URL_H
#define API_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orbital/error.h"

#define URL_MAX 4096
#define URL_SEGMENTS 40
#define URL_PAIRS 16

struct url {
    char store[URL_MAX + 2 * URL_PAIRS + 8]; /* what the pointers below point into */
    const char *segments[URL_SEGMENTS];
    unsigned count;
    struct url_pair {
        const char *key, *value;
    } pairs[URL_PAIRS];
    unsigned pair_count;
};

/* raw: path and query as in the request line. One slash at the end is ignored. Refused, with what
 * was found: no slash in front, empty or dot segments, bytes that must be percent-encoded, broken
 * percent signs, decoded control characters, text that is not UTF-8, a query name given twice.
 * Errors: ORB_E_INVALID, ORB_E_LIMIT (more than URL_MAX bytes, URL_SEGMENTS, URL_PAIRS). */
int url_parse(const char *raw, struct url *ret_url, struct orb_err *err);
/* NULL when the query has no such name. */
const char *url_query(const struct url *url, const char *key);
/* Reads a whole number of 0 to 2^53, decimal digits only; false when the text is none. */
bool url_number(const char *text, int64_t *ret_number);

#endif
