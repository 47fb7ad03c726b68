/* Regular expressions of schemas, in time proportional to text × pattern whatever both are: all
 * states are followed at once, nothing is tried twice. The subset of ECMA-262 that this allows:
 * literals, . [ ] \d \w \s \b and their opposites, groups, |, * + ? {n,m} (lazy or not), ^ $, \x \u
 * \c and the usual escapes. No look-around, no references back, no named groups, no \p. */
#ifndef CORE_JSON_REGEX_H
#define CORE_JSON_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#define REGEX_BYTES 1000 /* of a pattern */
#define REGEX_STEPS 3000 /* of its program: {n,m} counts as often as it is written out */

struct regex;

/* NULL: invalid; why names what was expected and the byte offset. */
struct regex *regex_compile(const char *pattern, char *why, size_t size);
void regex_free(struct regex *regex);
/* Is there a match anywhere in the text (UTF-8)? */
bool regex_match(const struct regex *regex, const char *text, size_t len);
/* Steps of the program. A match looks at each at most once a character. */
size_t regex_size(const struct regex *regex);

#endif
