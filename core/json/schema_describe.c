/* One level of a schema as JSON, for completion, help and forms. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/schema_impl.h"

#define DEEPEST 16

static const json_t *fact(const struct schema *s, const char *keyword)
{
    const json_t *value = NULL;

    for (int i = 0; s && !value && i < DEEPEST; i++, s = s->ref)
        value = json_object_get(s->json, keyword);
    return value;
}

static void add(json_t *to, const char *name, json_t *value)
{
    if (value)
        json_object_set_new(to, name, value);
}

/* Names every member that any part of the schema requires in every case. */
static void add_required(const struct schema *s, json_t *to, unsigned depth)
{
    for (size_t i = 0; i < s->member_count; i++)
        if (s->members[i].required)
            json_array_append_new(to, json_string(s->members[i].name));
    if (s->ref && depth < DEEPEST)
        add_required(s->ref, to, depth + 1);
    for (size_t i = 0; i < s->all_of.count && depth < DEEPEST; i++)
        add_required(s->all_of.all[i], to, depth + 4);
}

static json_t *types_json(const struct schema *s)
{
    unsigned types = schema_types_of(s);
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{SCHEMA_OBJECT, "object"},   {SCHEMA_ARRAY, "array"},
                 {SCHEMA_STRING, "string"},   {SCHEMA_REAL, "number"},
                 {SCHEMA_INTEGER, "integer"}, {SCHEMA_BOOLEAN, "boolean"},
                 {SCHEMA_NULL, "null"}};
    const char *one = schema_type(s);
    json_t *list;

    if (one || types == SCHEMA_ANY)
        return one ? json_string(one) : NULL;
    list = json_array();
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if ((types & names[i].bit) && !(names[i].bit == SCHEMA_INTEGER && (types & SCHEMA_REAL)))
            json_array_append_new(list, json_string(names[i].name));
    return list;
}

/* Choices of the schema or, when it is a choice of schemas, of all that name theirs. */
static void add_choices(const struct schema *s, json_t *to, unsigned depth)
{
    const json_t *list = json_object_get(s->json, "enum");
    const json_t *only = json_object_get(s->json, "const");

    if (depth > DEEPEST)
        return;
    if (list)
        json_array_extend(to, (json_t *)list);
    if (only)
        json_array_append(to, (json_t *)only);
    if (s->ref && !list && !only)
        add_choices(s->ref, to, depth + 1);
    for (size_t i = 0; i < s->any_of.count; i++)
        add_choices(s->any_of.all[i], to, depth + 4);
    for (size_t i = 0; i < s->one_of.count; i++)
        add_choices(s->one_of.all[i], to, depth + 4);
}

static json_t *describe(const struct schema *s, unsigned depth);

static void add_members(const struct schema *s, json_t *to, unsigned depth)
{
    size_t count;
    AUTO_FREE const char **names = schema_known(s, &count);
    const struct schema *map = s, *items = s;
    json_t *members = json_array(), *required = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(members, json_string(names[i]));
    add_required(s, required, 0);
    add(to, "members", count ? members : (json_decref(members), NULL));
    add(to, "required", json_array_size(required) ? required : (json_decref(required), NULL));
    for (int i = 0; i < DEEPEST && map->ref && !map->additional && !map->pattern_count; i++)
        map = map->ref;
    if (map->pattern_count || (map->additional && map->additional->kind != SCHEMA_NEVER)) {
        json_object_set_new(to, "map", json_true());
        if (map->names && depth == 0)
            add(to, "names", describe(map->names, 1));
    }
    for (int i = 0; i < DEEPEST && items->ref && !items->items; i++)
        items = items->ref;
    if (items->items && depth == 0)
        add(to, "items", describe(items->items, 1));
}

static json_t *describe(const struct schema *s, unsigned depth)
{
    static const char *const copied[][2] = {
        {"title", "title"},
        {"description", "description"},

        {"format", "format"},
        {"pattern", "pattern"},
        {"default", "default"},
        {"minimum", "minimum"},
        {"maximum", "maximum"},
        {"exclusiveMinimum", "exclusiveMinimum"},
        {"exclusiveMaximum", "exclusiveMaximum"},
        {"minLength", "minLength"},
        {"maxLength", "maxLength"},
        {"x-orb-secret", "secret"},
        {"x-orb-risk", "risk"},
        {"x-orb-apply", "apply"},
        {"deprecated", "deprecated"},
    };
    json_t *to = json_object(), *choices = json_array();

    add(to, "type", types_json(s));
    for (size_t i = 0; i < ARRAY_LEN(copied); i++)
        add(to, copied[i][1], json_incref((json_t *)fact(s, copied[i][0])));
    if (schema_ref_target(s))
        json_object_set_new(to, "ref", json_string(schema_ref_target(s)));
    add_choices(s, choices, 0);
    add(to, "enum", json_array_size(choices) ? choices : (json_decref(choices), NULL));
    add_members(s, to, depth);
    return to;
}

void schema_describe(const struct schema *s, struct buf *ret_json)
{
    AUTO(json_t) json_t *to = describe(s, 0);

    tree_dump(to, ret_json);
}
