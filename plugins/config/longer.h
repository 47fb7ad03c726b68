/* How long the text of a value is, as far as it matters. */
#ifndef CONFIG_LONGER_H
#define CONFIG_LONGER_H

#include "plugins/config/parts.h"

#define LONGER_ALL SIZE_MAX

/* Is the text of value (NULL: none) longer than limit bytes, escapes not counted? It looks at no
 * more than that. Of each string at most string_most bytes count: LONGER_ALL, or those of a mask
 * where strings may yet be masked. In slices. */
bool longer_than(const struct parts *parts, const json_t *value, size_t limit, size_t string_most);

#endif
