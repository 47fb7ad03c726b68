/* Memory that changes over a tree take. */
#include <string.h>

#include "plugins/config/overlay_bytes.h"
#include "plugins/config/parts.h"

/* What jansson and malloc take for a value, about. */
#define BYTES_OF_VALUE 48u
#define BYTES_OF_MEMBER 80u

size_t overlay_bytes_of_value(const struct parts *parts, const json_t *value)
{
    size_t n = BYTES_OF_VALUE + (json_is_string(value) ? json_string_length(value) : 0), i;
    const char *key;
    json_t *one;

    parts_pause(parts);
    json_object_foreach ((json_t *)value, key, one)
        n += BYTES_OF_MEMBER + strlen(key) + overlay_bytes_of_value(parts, one);
    json_array_foreach (value, i, one)
        n += sizeof(one) + overlay_bytes_of_value(parts, one);
    return n;
}

size_t overlay_bytes_of_change(const struct parts *parts, const char *path, const json_t *value)
{
    return sizeof(struct change) + BYTES_OF_VALUE + strlen(path) +
           overlay_bytes_of_value(parts, value);
}

size_t overlay_bytes(const struct overlay *o)
{
    size_t n = 0;

    for (size_t i = 0; i < o->count; i++) {
        n += overlay_bytes_of_change(o->parts, o->list[i].path, o->list[i].value);
    }
    return n;
}
