/* JSON pointers (RFC 6901): "/", then a reference token, and so on; "" is the whole. In a token "~"
 * is spelled ~0 and "/" is spelled ~1. The one place that escapes and unescapes them. */
#ifndef CORE_BASE_POINTER_H
#define CORE_BASE_POINTER_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of token escaped, without the "/" before it. */
size_t pointer_escaped_len(const char *token);
/* Writes token escaped to `to`, which has room for pointer_escaped_len() bytes. No NUL is added.
 * Returns the end of what was written. */
char *pointer_escape(char *to, const char *token);
/* Appends "/" and the token to the pointer in path, which has room for size bytes with its NUL.
 * false: it does not fit, path is as it was. */
bool pointer_append(char *path, size_t size, const char *token);

/* Unescapes a token in place. false: a "~" is followed by neither 0 nor 1, token is as it was. */
bool pointer_unescape(char *token);
/* Is text a pointer: "" or begun by "/", and each "~" followed by 0 or 1? */
bool pointer_is_valid(const char *text);
/* Copies the first token of the pointer at `at`, unescaped, to `to`, which has size bytes. Returns
 * what follows it ("" at the end); NULL: at does not begin with "/", the token has a wrong escape,
 * or it does not fit. */
const char *pointer_next(const char *at, char *to, size_t size);

#endif
