/* UTF-8 (RFC 3629).
 */
#ifndef CORE_BASE_UTF8_H
#define CORE_BASE_UTF8_H

#include <stddef.h>

/* Length of the UTF-8 sequence of several bytes at text (RFC 3629), 0 when there is none; left, at
 * least 1, is how many bytes are there. */
size_t utf8_len(const char *text, size_t left);

#endif
