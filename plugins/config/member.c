/* Members of a tree: see member.h. */
#include "plugins/config/member.h"

uint64_t member_number(const json_t *in, const char *key, uint64_t fallback)
{
    const json_t *v = json_object_get(in, key);

    return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v)
                                                            : fallback;
}

const char *member_text(const json_t *in, const char *key, const char *fallback)
{
    const char *v = json_string_value(json_object_get(in, key));

    return v ? v : fallback;
}
