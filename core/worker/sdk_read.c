/* The readers of orbital/read.h. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/pointer.h"
#include "core/worker/sdk_internal.h"
#include "core/worker/sdk_tree.h"

static const cJSON *member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

const char *orb_text(const cJSON *object, const char *key, const char *fallback)
{
    const char *text = cJSON_GetStringValue(member(object, key));

    return text ? text : fallback;
}

int64_t orb_number(const cJSON *object, const char *key, int64_t fallback)
{
    int64_t value;

    return orb_int64(member(object, key), &value) < 0 ? fallback : value;
}

bool orb_bool(const cJSON *object, const char *key, bool fallback)
{
    const cJSON *item = member(object, key);

    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}

const cJSON *orb_at(const cJSON *tree, const char *pointer)
{
    return sdk_tree_at((cJSON *)(uintptr_t)tree, pointer);
}

bool orb_pointer_add(char *path, size_t size, const char *name)
{
    return pointer_append(path, size, name);
}

const char *orb_pointer(char *path, size_t size, ...)
{
    const char *name;
    va_list names;

    va_start(names, size);
    path[0] = '\0';
    while ((name = va_arg(names, const char *)) && pointer_append(path, size, name))
        ;
    va_end(names);
    return path;
}

/* Field i of a table whose entries have size bytes, converted to this host's struct. */
static struct orb_field field_at(const struct orb_field *fields, size_t size, size_t i)
{
    struct orb_field field = {0};

    memcpy(&field, (const char *)fields + i * size, size < sizeof(field) ? size : sizeof(field));
    return field;
}

static int of_another_type(const struct orb_field *field, const char *wanted, struct orb_err *err)
{
    return orb_fail(err, ORB_E_SCHEMA, "member %s: expected %s", field->key, wanted);
}

static int read_text(const struct orb_field *field, const cJSON *item, char **to,
                     struct orb_err *err)
{
    const char *text = item ? cJSON_GetStringValue(item) : field->text;

    if (item && !text)
        return of_another_type(field, "a text", err);
    *to = text ? strdup(text) : NULL;
    return text && !*to ? orb_fail(err, ORB_E_NOMEM, "no memory for member %s", field->key) : 0;
}

static int read_field(const struct orb_field *field, const cJSON *item, char *at,
                      struct orb_err *err)
{
    switch (field->type) {
    case ORB_TEXT:
        return read_text(field, item, (char **)(void *)at, err);
    case ORB_INT:
        *(int64_t *)(void *)at = field->number;
        if (item && orb_int64(item, (int64_t *)(void *)at) < 0)
            return of_another_type(field, "an integer from -2^53 to 2^53", err);
        return 0;
    case ORB_BOOL:
        *(bool *)at = item ? cJSON_IsTrue(item) : field->number;
        return item && !cJSON_IsBool(item) ? of_another_type(field, "true or false", err) : 0;
    case ORB_REAL:
        *(double *)(void *)at = item ? cJSON_GetNumberValue(item) : field->real;
        return item && !cJSON_IsNumber(item) ? of_another_type(field, "a number", err) : 0;
    default: /* ORB_OTHER */
        return 0;
    }
}

int orb_read_sized(const struct orb_field *fields, size_t size, const cJSON *object, void *to,
                   struct orb_err *err)
{
    struct orb_field field;
    int r = 0;

    /* First nothing is owned, so that what was read can be freed when a later member fails. */
    for (size_t i = 0; (field = field_at(fields, size, i)).key; i++)
        if (field.type == ORB_TEXT)
            *(char **)(void *)((char *)to + field.offset) = NULL;
    for (size_t i = 0; r >= 0 && (field = field_at(fields, size, i)).key; i++)
        r = read_field(&field, member(object, field.key), (char *)to + field.offset, err);
    if (r < 0)
        orb_read_free_sized(fields, size, to);
    return r;
}

void orb_read_free_sized(const struct orb_field *fields, size_t size, void *from)
{
    struct orb_field field;

    for (size_t i = 0; (field = field_at(fields, size, i)).key; i++) {
        char **text = (char **)(void *)((char *)from + field.offset);

        if (field.type != ORB_TEXT)
            continue;
        free(*text);
        *text = NULL;
    }
}
