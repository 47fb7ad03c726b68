/* Lengths of texts: see longer.h. */
#include <string.h>

#include "plugins/config/longer.h"

#define QUOTES 2u

/* Adds what value takes until that is above limit. */
static bool is_above(const struct parts *parts, const json_t *value, size_t limit,
                     size_t string_most, size_t *count)
{
    size_t len = json_is_string(value) ? json_string_length(value) + QUOTES : 1, i;
    const char *key;
    json_t *one;

    parts_pause(parts);
    *count += len < string_most ? len : string_most;
    json_object_foreach ((json_t *)value, key, one) {
        *count += strlen(key) + QUOTES + 1;
        if (*count > limit || is_above(parts, one, limit, string_most, count))
            return true;
    }
    json_array_foreach (value, i, one)
        if (*count > limit || is_above(parts, one, limit, string_most, count))
            return true;
    return *count > limit;
}

bool longer_than(const struct parts *parts, const json_t *value, size_t limit, size_t string_most)
{
    size_t count = 0;

    return is_above(parts, value, limit, string_most, &count);
}
