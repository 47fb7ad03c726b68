/* Error texts about a word that is written here in other programs' configurations: what to write
 * instead, by x-orb-instead. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/json.h"
#include "core/json/schema_internal.h"

#define DEEPEST 16 /* references that are followed */

bool schema_instead_word(const struct schema *s, const char *word, struct buf *to)
{
    const char *text = NULL;

    for (int i = 0; s && !text && i < DEEPEST; i++, s = s->ref)
        text = json_string_value(json_object_get(json_object_get(s->json, "x-orb-instead"), word));
    if (text)
        buf_addf(to, "; %.160s", text);
    return text != NULL;
}

/* The name of a member where the object is expected. */
static bool add_member(const struct schema *s, const char *word, struct buf *to)
{
    const struct member *m = schema_member(s, word, strlen(word));

    if (!m || !m->schema)
        return false;
    buf_addf(to, "; %.40s needs a value behind it%s%s", m->name,
             m->schema->types == SCHEMA_BOOLEAN ? ", such as " : "",
             m->schema->types == SCHEMA_BOOLEAN ? "true" : "");
    return true;
}

bool schema_instead_value(const struct schema *s, const struct json_slice *v, struct buf *to)
{
    bool text = v->type == 's' && v->len >= 2;
    AUTO_FREE char *word = NULL;

    if (v->type == 'o' || v->type == 'a' || v->len > SCHEMA_INSTEAD_BYTES ||
        json_is_true(json_object_get(s->json, "x-orb-secret")))
        return false;
    word = xcalloc(1, v->len + 1);
    if (text)
        word[json_unescape(v->p + 1, v->len - 2, word)] = '\0';
    else
        memcpy(word, v->p, v->len);
    return schema_instead_word(s, word, to) || (text && add_member(s, word, to));
}
