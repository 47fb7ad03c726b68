/* Keywords that constrain one value: type, bounds, pattern, format, enum, const, and the
 * annotations for front ends. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/base/suggest.h"
#include "core/json/schema_compile.h"

int schema_facets_read_types(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    static const char *const names[] = {"object", "array",   "string", "integer",
                                        "number", "boolean", "null"};
    static const unsigned bits[] = {SCHEMA_OBJECT, SCHEMA_ARRAY,   SCHEMA_STRING, SCHEMA_INTEGER,
                                    SCHEMA_NUMBER, SCHEMA_BOOLEAN, SCHEMA_NULL};
    size_t count = json_is_array(value) ? json_array_size(value) : 1;

    if (count == 0)
        return schema_compile_expected(c, "a type or several", value);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        const char *name = json_string_value(one);
        size_t at = 0;

        while (name && at < ARRAY_LEN(names) && strcmp(name, names[at]))
            at++;
        if (!name || at == ARRAY_LEN(names))
            return schema_compile_expected(
                c, "one of object, array, string, integer, number, boolean, null", one);
        s->types |= bits[at];
    }
    return 0;
}

int schema_facets_compile_pattern(struct compile *c, const char *text, struct pattern *pattern)
{
    char why[160];

    if (strlen(text) > REGEX_BYTES)
        return schema_compile_wrong(c, "a pattern of %zu bytes; the limit is %d", strlen(text),
                                    REGEX_BYTES);
    pattern->text = text;
    pattern->regex = regex_compile(text, why, sizeof(why));
    if (!pattern->regex)
        return schema_compile_wrong(c, "expected a regular expression; got \"%s\": %s", text, why);
    return schema_compile_spend(c, 20 + regex_size(pattern->regex));
}

int schema_facets_read_pattern(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    if (!json_is_string(value))
        return schema_compile_expected(c, "a regular expression", value);
    return schema_facets_compile_pattern(c, json_string_value(value), &s->pattern);
}

int schema_facets_read_count(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    double n = json_number_value(value);

    if (!json_is_number(value) || n < 0 || n != trunc(n) || n > 9e15)
        return schema_compile_expected(c, "a whole number, not negative", value);
    *(uint64_t *)(void *)((char *)s + field) = (uint64_t)n;
    return 0;
}

int schema_facets_read_number(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    struct number *n = (struct number *)(void *)((char *)s + field);
    AUTO(buf) struct buf text = {0};

    if (!json_is_number(value))
        return schema_compile_expected(c, "a number", value);
    tree_dump(value, &text);
    *n = schema_number(text.data, text.len);
    if (n == &s->multiple && n->d <= 0)
        return schema_compile_expected(c, "a number above 0", value);
    s->has_minimum |= n == &s->minimum;
    s->has_maximum |= n == &s->maximum;
    s->has_above |= n == &s->above;
    s->has_below |= n == &s->below;
    s->has_multiple |= n == &s->multiple;
    s->has_number = true;
    return 0;
}

int schema_facets_read_format(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    const char *name = json_string_value(value), *near;

    if (!name)
        return schema_compile_expected(c, "the name of a format", value);
    s->format = schema_format(name);
    if (s->format)
        return 0;
    near = schema_format_nearest(name);
    return schema_compile_wrong(c, "unknown format \"%s\"%s%s%s", name, SUGGEST_ARGS(near));
}

static void choice_set(struct choice *choice, const json_t *value)
{
    AUTO(buf) struct buf text = {0};
    struct number n;

    if (json_is_string(value)) {
        choice->type = SCHEMA_STRING;
        buf_add(&text, json_string_value(value), json_string_length(value));
    } else {
        tree_dump_equal(value, &text);
        n = (struct number){0};
        if (json_is_number(value))
            n = schema_number(text.data, text.len);
        choice->type = json_is_object(value)   ? SCHEMA_OBJECT
                       : json_is_array(value)  ? SCHEMA_ARRAY
                       : json_is_null(value)   ? SCHEMA_NULL
                       : json_is_number(value) ? (n.integer ? SCHEMA_INTEGER : SCHEMA_REAL)
                                               : SCHEMA_BOOLEAN;
    }
    choice->len = text.len;
    choice->text = buf_take(&text);
}

int schema_facets_text_order(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len != b_len)
        return a_len < b_len ? -1 : 1;
    return memcmp(a, b, a_len);
}

/* Texts first, in their order. */
static int choice_order(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;

    if ((x->type == SCHEMA_STRING) != (y->type == SCHEMA_STRING))
        return x->type == SCHEMA_STRING ? -1 : 1;
    return schema_facets_text_order(x->text, x->len, y->text, y->len);
}

int schema_facets_read_enum(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    if (!json_is_array(value) || json_array_size(value) == 0)
        return schema_compile_expected(c, "an array of values", value);
    s->choices = xcalloc(json_array_size(value), sizeof(*s->choices));
    s->has_choices = true;
    for (size_t i = 0; i < json_array_size(value); i++) {
        choice_set(&s->choices[s->choice_count++], json_array_get(value, i));
        s->text_count += s->choices[i].type == SCHEMA_STRING;
    }
    s->shown = xcalloc(s->choice_count, sizeof(*s->shown));
    memcpy(s->shown, s->choices, s->choice_count * sizeof(*s->shown));
    qsort(s->choices, s->choice_count, sizeof(*s->choices), choice_order);
    return schema_compile_spend(c, s->choice_count);
}

int schema_facets_read_const(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    s->has_const = true;
    choice_set(&s->only, value);
    return 0;
}

int schema_facets_read_unique(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    s->unique = json_is_true(value);
    c->unit->has_secrets |= field && json_is_true(value);
    return json_is_boolean(value) ? 0 : schema_compile_expected(c, "true or false", value);
}

int schema_facets_read_flag(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    c->unit->has_secrets |= field && json_is_true(value);
    return json_is_boolean(value) ? 0 : schema_compile_expected(c, "true or false", value);
}

int schema_facets_read_words(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    return json_is_string(value) ? 0 : schema_compile_expected(c, "a text", value);
}

int schema_facets_read_names(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i)))
            return schema_compile_expected(c, "an array of names", value);
    return json_is_array(value) ? 0 : schema_compile_expected(c, "an array of names", value);
}

int schema_facets_read_instead(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    const char *word;
    json_t *text;

    json_object_foreach (value, word, text)
        if (!json_string_length(text))
            return schema_compile_expected(c, "a text", text);
    return json_is_object(value) ? 0 : schema_compile_expected(c, "texts by word", value);
}

int schema_facets_read_apply(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    const char *text = json_string_value(value);

    if (text && (!strcmp(text, "live") || !strcmp(text, "reload") || !strcmp(text, "restart")))
        return 0;
    return schema_compile_expected(c, "one of live, reload, restart", value);
}

/* What front ends offer; it does not limit the value. */
int schema_facets_read_offer(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    json_t *one;
    size_t i;

    if (!json_array_size(value))
        return schema_compile_expected(c, "an array of words and JSON pointers", value);
    json_array_foreach (value, i, one)
        if (!json_string_length(one))
            return schema_compile_expected(c, "a word, or a JSON pointer like /interfaces", one);
    return 0;
}

int schema_facets_read_target(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    s->ref_target = json_string_value(value);
    if (!s->ref_target || s->ref_target[0] != '/')
        return schema_compile_expected(c, "a JSON pointer like /interfaces", value);
    return 0;
}
