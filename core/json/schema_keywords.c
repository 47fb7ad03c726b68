/* The table of keywords – whatever is not in it is refused, never ignored – and the readers of
 * those that hold further schemas. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "core/base/xalloc.h"
#include "core/json/schema_compile.h"

struct keyword {
    const char *name;
    keyword_fn *read; /* NULL: annotation only */
    size_t field;     /* of struct schema, what read fills */
};

/* Keywords with a schema, a list of schemas or a map of schemas. */
static int read_schema(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    return schema_compile_node(c, value, (struct schema **)(void *)((char *)s + field));
}

static int read_schemas(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    struct schema_list *list = (struct schema_list *)(void *)((char *)s + field);

    if (!json_is_array(value) || json_array_size(value) == 0)
        return schema_compile_expected(c, "an array of schemas", value);
    list->all = xcalloc(json_array_size(value), sizeof(*list->all));
    for (size_t i = 0; i < json_array_size(value); i++) {
        char index[24];
        size_t before;
        int r;

        snprintf(index, sizeof(index), "%zu", i);
        before = schema_compile_enter(c, index);
        r = schema_compile_node(c, json_array_get(value, i), &list->all[list->count++]);
        if (r < 0)
            return r;
        schema_compile_leave(c, before);
    }
    return 0;
}

static int read_properties(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    const char *name;
    json_t *one;

    if (!json_is_object(value))
        return schema_compile_expected(c, "an object of schemas", value);
    json_object_foreach (value, name, one) {
        size_t before = schema_compile_enter(c, name);
        struct schema *schema;
        struct member *member;
        int r = schema_compile_node(c, one, &schema);

        if (r == 0)
            r = schema_member_add(c, s, name, &member);
        if (r < 0)
            return r;
        member->schema = schema;
        schema_compile_leave(c, before);
    }
    return 0;
}

static bool all_strings(const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i)))
            return false;
    return json_is_array(value);
}

static int read_required(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    if (!all_strings(value))
        return schema_compile_expected(c, "an array of names", value);
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct member *member;
        int r = schema_member_add(c, s, json_string_value(json_array_get(value, i)), &member);

        if (r < 0)
            return r;
        member->required = true;
    }
    return 0;
}

/* Names required beside another; duplicates are dropped. */
static int read_needs(struct compile *c, struct schema *s, const char *name, const json_t *list,
                      struct dependency *d)
{
    AUTO_FREE bool *seen = NULL;
    struct member *member;
    int r = schema_member_add(c, s, name, &member);

    if (r < 0)
        return r;
    d->member = (uint32_t)(member - s->members);
    for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
        r = schema_member_add(c, s, json_string_value(json_array_get(list, i)), &member);
    if (r < 0)
        return r;
    seen = xcalloc(s->member_count, sizeof(*seen));
    d->needs = xcalloc(json_array_size(list), sizeof(*d->needs));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *need = json_string_value(json_array_get(list, i));
        size_t number = (size_t)(schema_member(s, need, strlen(need)) - s->members);

        if (!seen[number])
            d->needs[d->count++] = (uint16_t)number;
        seen[number] = true;
    }
    return schema_compile_spend(c, s->member_count / 64);
}

static int read_dependent(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    const char *name;
    json_t *needs;

    if (!json_is_object(value))
        return schema_compile_expected(c, "an object of arrays of names", value);
    s->dependencies = xcalloc(json_object_size(value), sizeof(*s->dependencies));
    json_object_foreach (value, name, needs) {
        int r;

        if (!all_strings(needs))
            return schema_compile_expected(c, "an array of names", needs);
        r = read_needs(c, s, name, needs, &s->dependencies[s->dependency_count++]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_patterns(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    const char *text;
    json_t *one;

    if (!json_is_object(value))
        return schema_compile_expected(c, "an object of schemas", value);
    s->patterns = xcalloc(json_object_size(value), sizeof(*s->patterns));
    json_object_foreach (value, text, one) {
        size_t before = schema_compile_enter(c, text);
        struct pattern *pattern = &s->patterns[s->pattern_count++];
        int r = schema_facets_compile_pattern(c, text, pattern);

        if (r == 0)
            r = schema_compile_node(c, one, &pattern->schema);
        if (r < 0)
            return r;
        schema_compile_leave(c, before);
    }
    return 0;
}

static int read_defs(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    struct schema *ignored;
    const char *name;
    json_t *one;

    if (!json_is_object(value))
        return schema_compile_expected(c, "an object of schemas", value);
    json_object_foreach (value, name, one) {
        size_t before = schema_compile_enter(c, name);
        int r = schema_compile_node(c, one, &ignored);

        if (r < 0)
            return r;
        schema_compile_leave(c, before);
    }
    return 0;
}

/* "#/a%20b" is a URI fragment: percent signs are undone before it is a JSON pointer. */
static char *fragment_decode(const char *text)
{
    char *to = xstrdup(text), *out = to;

    for (const char *p = text; *p; p++) {
        unsigned byte;
        int used = 0;

        if (*p == '%' && sscanf(p, "%%%2x%n", &byte, &used) == 1 && used == 3 && byte) {
            *out++ = (char)byte;
            p += 2;
        } else {
            *out++ = *p;
        }
    }
    *out = '\0';
    return to;
}

static int read_ref(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    const char *text = json_string_value(value);
    AUTO_FREE char *pointer = NULL;
    AUTO_FREE char *before = NULL;
    json_t *target;
    int r;

    if (!text || text[0] != '#' || (text[1] && text[1] != '/'))
        return schema_compile_expected(c, "a reference within the file like #/$defs/name", value);
    pointer = fragment_decode(text + 1);
    target = tree_get(c->unit->document, pointer);
    if (!target)
        return schema_compile_wrong(
            c, "expected a reference to something in the file; there is no \"%s\"", text);
    before = xstrdup(buf_str(&c->path));
    buf_clear(&c->path);
    buf_adds(&c->path, pointer);
    r = schema_compile_node(c, target, &s->ref);
    if (r < 0)
        return r;
    buf_clear(&c->path);
    buf_adds(&c->path, before);
    return 0;
}

#define AT(field) offsetof(struct schema, field)

static const struct keyword keywords[] = {
    {"type", schema_facets_read_types, 0},
    {"properties", read_properties, 0},
    {"required", read_required, 0},
    {"additionalProperties", read_schema, AT(additional)},
    {"propertyNames", read_schema, AT(names)},
    {"patternProperties", read_patterns, 0},
    {"minProperties", schema_facets_read_count, AT(min_members)},
    {"maxProperties", schema_facets_read_count, AT(max_members)},
    {"dependentRequired", read_dependent, 0},
    {"items", read_schema, AT(items)},
    {"minItems", schema_facets_read_count, AT(min_items)},
    {"maxItems", schema_facets_read_count, AT(max_items)},
    {"uniqueItems", schema_facets_read_unique, 0},
    {"enum", schema_facets_read_enum, 0},
    {"const", schema_facets_read_const, 0},
    {"minimum", schema_facets_read_number, AT(minimum)},
    {"maximum", schema_facets_read_number, AT(maximum)},
    {"exclusiveMinimum", schema_facets_read_number, AT(above)},
    {"exclusiveMaximum", schema_facets_read_number, AT(below)},
    {"multipleOf", schema_facets_read_number, AT(multiple)},
    {"minLength", schema_facets_read_count, AT(min_length)},
    {"maxLength", schema_facets_read_count, AT(max_length)},
    {"pattern", schema_facets_read_pattern, 0},
    {"format", schema_facets_read_format, 0},
    {"allOf", read_schemas, AT(all_of)},
    {"anyOf", read_schemas, AT(any_of)},
    {"oneOf", read_schemas, AT(one_of)},
    {"not", read_schema, AT(not_this)},
    {"$ref", read_ref, 0},
    {"$defs", read_defs, 0},
    {"x-orb-ref", schema_facets_read_target, 0},
    {"x-orb-offer", schema_facets_read_offer, 0},
    {"x-orb-secret", schema_facets_read_flag, 1},
    {"x-orb-apply", schema_facets_read_apply, 0},
    {"x-orb-risk", schema_facets_read_flag, 0},
    {"x-orb-order", NULL, 0},
    {"x-orb-since", schema_facets_read_words, 0},
    {"x-orb-until", schema_facets_read_words, 0},
    {"x-orb-expected", schema_facets_read_words, 0},
    {"x-orb-also", schema_facets_read_names, 0},
    {"x-orb-instead", schema_facets_read_instead, 0},
    {"title", schema_facets_read_words, 0},
    {"description", schema_facets_read_words, 0},
    {"default", NULL, 0},
    {"deprecated", schema_facets_read_flag, 0},
    {"examples", NULL, 0},
    {"$comment", schema_facets_read_words, 0},
    {"$schema", schema_facets_read_words, 0},
    {"$id", schema_facets_read_words, 0},
};

int schema_keywords_read(struct compile *c, struct schema *s, const char *name, json_t *value)
{
    const char *names[ARRAY_LEN(keywords)];
    const char *near;

    for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
        if (!strcmp(keywords[i].name, name))
            return keywords[i].read ? keywords[i].read(c, s, value, keywords[i].field) : 0;
        names[i] = keywords[i].name;
    }
    near = suggest_nearest(name, names, ARRAY_LEN(names));
    return schema_compile_wrong(c, "keyword \"%s\" is not supported%s%s%s", name,
                                SUGGEST_ARGS(near));
}
