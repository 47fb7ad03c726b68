/* Compiles a schema: one table of keywords, and whatever is not in it is refused, never ignored. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/schema_impl.h"

#define SCHEMA_DEPTH 64 /* nesting of a schema file */
#define MATCH_STEPS 100000
#define PATTERN_BYTES 1000

struct compile {
    struct unit *unit;
    struct buf path;
    struct orb_err *err;
};

typedef int keyword_fn(struct compile *c, struct schema *s, json_t *value, size_t field);

struct keyword {
    const char *name;
    keyword_fn *read; /* NULL: for people only */
    size_t field;     /* of struct schema, what read fills */
};

static int compile_node(struct compile *c, json_t *json, struct schema **ret_schema);

__attribute__((format(printf, 2, 3))) static int wrong(struct compile *c, const char *format, ...)
{
    AUTO(buf) struct buf text = {0};
    va_list args;

    va_start(args, format);
    buf_addv(&text, format, args);
    va_end(args);
    return orb_fail_at(c->err, ORB_E_SCHEMA, buf_str(&c->path), "%s", buf_str(&text));
}

static size_t enter(struct compile *c, const char *token)
{
    size_t before = c->path.len;

    pointer_add(&c->path, token);
    return before;
}

static void leave(struct compile *c, size_t before)
{
    c->path.len = before;
    c->path.data[before] = '\0';
}

static int expected(struct compile *c, const char *what, const json_t *got)
{
    AUTO(buf) struct buf text = {0};

    tree_dump(got, &text);
    if (text.len > 60) {
        text.len = 60;
        text.data[60] = '\0';
        buf_adds(&text, "…");
    }
    return wrong(c, "expected %s; got %s", what, buf_str(&text));
}

/* Keywords with a schema, a list of schemas or a map of schemas. */
static int read_schema(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    return compile_node(c, value, (struct schema **)(void *)((char *)s + field));
}

static int read_schemas(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    struct schema_list *list = (struct schema_list *)(void *)((char *)s + field);

    if (!json_is_array(value) || json_array_size(value) == 0)
        return expected(c, "an array of schemas", value);
    list->all = xcalloc(json_array_size(value), sizeof *list->all);
    for (size_t i = 0; i < json_array_size(value); i++) {
        char index[24];
        size_t before;
        int r;

        snprintf(index, sizeof index, "%zu", i);
        before = enter(c, index);
        r = compile_node(c, json_array_get(value, i), &list->all[list->count++]);
        if (r < 0)
            return r;
        leave(c, before);
    }
    return 0;
}

static int read_types(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    static const char *const names[] = {"object", "array",   "string", "integer",
                                        "number", "boolean", "null"};
    static const unsigned bits[] = {SCHEMA_OBJECT, SCHEMA_ARRAY,   SCHEMA_STRING, SCHEMA_INTEGER,
                                    SCHEMA_NUMBER, SCHEMA_BOOLEAN, SCHEMA_NULL};
    size_t count = json_is_array(value) ? json_array_size(value) : 1;

    if (count == 0)
        return expected(c, "a type or several", value);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        const char *name = json_string_value(one);
        size_t at = 0;

        while (name && at < ARRAY_LEN(names) && strcmp(name, names[at]) != 0)
            at++;
        if (!name || at == ARRAY_LEN(names))
            return expected(c, "one of object, array, string, integer, number, boolean, null", one);
        s->types |= bits[at];
    }
    return 0;
}

/* Members may be named by properties or by required first; both add to one list. */
static struct member *member_of(struct schema *s, const char *name)
{
    struct member *m;

    for (size_t i = 0; i < s->member_count; i++)
        if (strcmp(s->members[i].name, name) == 0)
            return &s->members[i];
    s->members = xrealloc(s->members, (s->member_count + 1) * sizeof *s->members);
    m = &s->members[s->member_count++];
    *m = (struct member){.name = name, .len = strlen(name)};
    return m;
}

static int read_properties(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    const char *name;
    json_t *one;

    if (!json_is_object(value))
        return expected(c, "an object of schemas", value);
    json_object_foreach (value, name, one) {
        size_t before = enter(c, name);
        struct schema *schema;
        int r = compile_node(c, one, &schema);

        if (r < 0)
            return r;
        member_of(s, name)->schema = schema;
        leave(c, before);
    }
    return s->member_count > UINT16_MAX / 4 ? wrong(c, "too many properties") : 0;
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
        return expected(c, "an array of names", value);
    for (size_t i = 0; i < json_array_size(value); i++)
        member_of(s, json_string_value(json_array_get(value, i)))->required = true;
    return 0;
}

static int read_dependent(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    const char *name;
    json_t *needs;

    if (!json_is_object(value))
        return expected(c, "an object of arrays of names", value);
    s->dependencies = xcalloc(json_object_size(value), sizeof *s->dependencies);
    json_object_foreach (value, name, needs) {
        if (!all_strings(needs))
            return expected(c, "an array of names", needs);
        s->dependencies[s->dependency_count++] = (struct dependency){name, needs};
    }
    return 0;
}

static int compile_pattern(struct compile *c, const char *text, struct pattern *pattern)
{
    PCRE2_UCHAR words[128];
    PCRE2_SIZE at;
    int why;

    if (strlen(text) > PATTERN_BYTES)
        return wrong(c, "a pattern of %zu bytes; the limit is %d", strlen(text), PATTERN_BYTES);
    pattern->text = text;
    pattern->code =
        pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | PCRE2_NEVER_BACKSLASH_C,
                      &why, &at, NULL);
    if (!pattern->code) {
        pcre2_get_error_message(why, words, sizeof words);
        return wrong(c, "expected a regular expression; got \"%s\": %s at byte %zu", text,
                     (char *)words, at);
    }
    /* Where executable memory is not to be had, the interpreter serves. */
    pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
    return 0;
}

static int read_pattern(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    if (!json_is_string(value))
        return expected(c, "a regular expression", value);
    return compile_pattern(c, json_string_value(value), &s->pattern);
}

static int read_patterns(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    const char *text;
    json_t *one;

    if (!json_is_object(value))
        return expected(c, "an object of schemas", value);
    s->patterns = xcalloc(json_object_size(value), sizeof *s->patterns);
    json_object_foreach (value, text, one) {
        size_t before = enter(c, text);
        struct pattern *pattern = &s->patterns[s->pattern_count++];
        int r = compile_pattern(c, text, pattern);

        if (r == 0)
            r = compile_node(c, one, &pattern->schema);
        if (r < 0)
            return r;
        leave(c, before);
    }
    return 0;
}

static int read_count(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    double n = json_number_value(value);

    if (!json_is_number(value) || n < 0 || n != trunc(n) || n > 9e15)
        return expected(c, "a whole number, not negative", value);
    *(uint64_t *)(void *)((char *)s + field) = (uint64_t)n;
    return 0;
}

static int read_number(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    struct number *n = (struct number *)(void *)((char *)s + field);
    AUTO(buf) struct buf text = {0};

    if (!json_is_number(value))
        return expected(c, "a number", value);
    tree_dump(value, &text);
    *n = schema_number(text.data, text.len);
    if (n == &s->multiple && n->d <= 0)
        return expected(c, "a number above 0", value);
    s->has_minimum |= n == &s->minimum;
    s->has_maximum |= n == &s->maximum;
    s->has_above |= n == &s->above;
    s->has_below |= n == &s->below;
    s->has_multiple |= n == &s->multiple;
    s->has_number = true;
    return 0;
}

static int read_format(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    const char *name = json_string_value(value), *near;

    if (!name)
        return expected(c, "the name of a format", value);
    s->format = schema_format(name);
    if (s->format)
        return 0;
    near = schema_format_nearest(name);
    return wrong(c, "unknown format \"%s\"%s%s%s", name, near ? "; did you mean " : "",
                 near ? near : "", near ? "?" : "");
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

static int read_enum(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    if (!json_is_array(value) || json_array_size(value) == 0)
        return expected(c, "an array of values", value);
    s->choices = xcalloc(json_array_size(value), sizeof *s->choices);
    s->has_choices = true;
    for (size_t i = 0; i < json_array_size(value); i++)
        choice_set(&s->choices[s->choice_count++], json_array_get(value, i));
    return 0;
}

static int read_const(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    s->has_const = true;
    choice_set(&s->only, value);
    return 0;
}

static int read_unique(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    s->unique = json_is_true(value);
    return json_is_boolean(value) ? 0 : expected(c, "true or false", value);
}

static int read_flag(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    return json_is_boolean(value) ? 0 : expected(c, "true or false", value);
}

static int read_words(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    return json_is_string(value) ? 0 : expected(c, "a text", value);
}

static int read_apply(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    const char *text = json_string_value(value);

    if (text && (!strcmp(text, "live") || !strcmp(text, "reload") || !strcmp(text, "restart")))
        return 0;
    return expected(c, "one of live, reload, restart", value);
}

static int read_target(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    s->ref_target = json_string_value(value);
    if (!s->ref_target || s->ref_target[0] != '/')
        return expected(c, "a JSON pointer like /interfaces", value);
    return 0;
}

static int read_defs(struct compile *c, struct schema *s, json_t *value, size_t field)
{
    struct schema *ignored;
    const char *name;
    json_t *one;

    if (!json_is_object(value))
        return expected(c, "an object of schemas", value);
    json_object_foreach (value, name, one) {
        size_t before = enter(c, name);
        int r = compile_node(c, one, &ignored);

        if (r < 0)
            return r;
        leave(c, before);
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
        return expected(c, "a reference within the file like #/$defs/name", value);
    pointer = fragment_decode(text + 1);
    target = tree_get(c->unit->document, pointer);
    if (!target)
        return wrong(c, "expected a reference to something in the file; there is no %s", text);
    before = xstrdup(buf_str(&c->path));
    buf_clear(&c->path);
    buf_adds(&c->path, pointer);
    r = compile_node(c, target, &s->ref);
    if (r < 0)
        return r;
    buf_clear(&c->path);
    buf_adds(&c->path, before);
    return 0;
}

#define AT(field) offsetof(struct schema, field)

static const struct keyword keywords[] = {
    {"type", read_types, 0},
    {"properties", read_properties, 0},
    {"required", read_required, 0},
    {"additionalProperties", read_schema, AT(additional)},
    {"propertyNames", read_schema, AT(names)},
    {"patternProperties", read_patterns, 0},
    {"minProperties", read_count, AT(min_members)},
    {"maxProperties", read_count, AT(max_members)},
    {"dependentRequired", read_dependent, 0},
    {"items", read_schema, AT(items)},
    {"minItems", read_count, AT(min_items)},
    {"maxItems", read_count, AT(max_items)},
    {"uniqueItems", read_unique, 0},
    {"enum", read_enum, 0},
    {"const", read_const, 0},
    {"minimum", read_number, AT(minimum)},
    {"maximum", read_number, AT(maximum)},
    {"exclusiveMinimum", read_number, AT(above)},
    {"exclusiveMaximum", read_number, AT(below)},
    {"multipleOf", read_number, AT(multiple)},
    {"minLength", read_count, AT(min_length)},
    {"maxLength", read_count, AT(max_length)},
    {"pattern", read_pattern, 0},
    {"format", read_format, 0},
    {"allOf", read_schemas, AT(all_of)},
    {"anyOf", read_schemas, AT(any_of)},
    {"oneOf", read_schemas, AT(one_of)},
    {"not", read_schema, AT(not_this)},
    {"$ref", read_ref, 0},
    {"$defs", read_defs, 0},
    {"x-orb-ref", read_target, 0},
    {"x-orb-secret", read_flag, 0},
    {"x-orb-apply", read_apply, 0},
    {"x-orb-risk", read_flag, 0},
    {"x-orb-order", NULL, 0},
    {"x-orb-since", read_words, 0},
    {"x-orb-until", read_words, 0},
    {"title", read_words, 0},
    {"description", read_words, 0},
    {"default", NULL, 0},
    {"deprecated", read_flag, 0},
    {"examples", NULL, 0},
    {"$comment", read_words, 0},
    {"$schema", read_words, 0},
    {"$id", read_words, 0},
};

static int read_keyword(struct compile *c, struct schema *s, const char *name, json_t *value)
{
    const char *names[ARRAY_LEN(keywords)];
    const char *near;

    for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
        if (strcmp(keywords[i].name, name) == 0)
            return keywords[i].read ? keywords[i].read(c, s, value, keywords[i].field) : 0;
        names[i] = keywords[i].name;
    }
    near = nearest_name(name, names, ARRAY_LEN(names));
    return wrong(c, "keyword \"%s\" is not supported%s%s%s", name, near ? "; did you mean " : "",
                 near ? near : "", near ? "?" : "");
}

static uint32_t name_hash(const char *name, size_t len)
{
    const unsigned char *p = (const unsigned char *)name;

    return len ? (uint32_t)((len * 31 + p[0]) * 31 + p[len / 2]) * 31 + p[len - 1] : 0;
}

static void index_members(struct schema *s)
{
    uint32_t slots = 4;

    while (slots < s->member_count * 4)
        slots *= 2;
    s->member_index = xcalloc(slots, sizeof *s->member_index);
    s->member_mask = slots - 1;
    for (size_t i = 0; i < s->member_count; i++) {
        uint32_t at = name_hash(s->members[i].name, s->members[i].len) & s->member_mask;

        while (s->member_index[at])
            at = (at + 1) & s->member_mask;
        s->member_index[at] = (uint16_t)(i + 1);
        s->required_count += s->members[i].required;
    }
}

const struct member *schema_member(const struct schema *s, const char *name, size_t len)
{
    if (!s->member_index)
        return NULL;
    for (uint32_t at = name_hash(name, len) & s->member_mask; s->member_index[at];
         at = (at + 1) & s->member_mask) {
        const struct member *m = &s->members[s->member_index[at] - 1];

        if (m->len == len && memcmp(m->name, name, len) == 0)
            return m;
    }
    return NULL;
}

/* Where the schema of a document node stands or would be put. */
static struct schema **node_slot(struct unit *unit, const json_t *json)
{
    size_t at = ((uintptr_t)json >> 4) & (unit->by_json_slots - 1);

    while (unit->by_json[at] && unit->by_json[at]->json != json)
        at = (at + 1) & (unit->by_json_slots - 1);
    return &unit->by_json[at];
}

static struct schema *node_new(struct unit *unit, const json_t *json)
{
    struct schema *s = xcalloc(1, sizeof *s);

    if (unit->node_count * 2 >= unit->by_json_slots) {
        unit->by_json_slots = unit->by_json_slots ? unit->by_json_slots * 2 : 64;
        unit->nodes = xrealloc(unit->nodes, unit->by_json_slots * sizeof(void *));
        free(unit->by_json);
        unit->by_json = xcalloc(unit->by_json_slots, sizeof(void *));
        for (size_t i = 0; i < unit->node_count; i++)
            *node_slot(unit, unit->nodes[i]->json) = unit->nodes[i];
    }
    s->unit = unit;
    s->json = json;
    s->max_members = s->max_items = s->max_length = UINT64_MAX;
    unit->nodes[unit->node_count++] = s;
    *node_slot(unit, json) = s;
    return s;
}

/* jansson has one true and one false for all documents, so those nodes may be shared; they are. */
static int compile_node(struct compile *c, json_t *json, struct schema **ret_schema)
{
    struct schema *s = c->unit->by_json_slots ? *node_slot(c->unit, json) : NULL;
    const char *name;
    json_t *value;

    *ret_schema = s;
    if (s)
        return 0;
    if (!json_is_object(json) && !json_is_boolean(json))
        return expected(c, "a schema (an object, true or false)", json);
    *ret_schema = s = node_new(c->unit, json);
    if (json_is_boolean(json)) {
        s->kind = json_is_true(json) ? SCHEMA_ALWAYS : SCHEMA_NEVER;
        return 0;
    }
    json_object_foreach (json, name, value) {
        size_t before = enter(c, name);
        int r = read_keyword(c, s, name, value);

        if (r < 0)
            return r;
        leave(c, before);
    }
    if (s->member_count)
        index_members(s);
    if (c->unit->strict_objects && !s->additional && json_object_get(json, "properties"))
        return compile_node(c, json_false(), &s->additional);
    return 0;
}

static bool list_leads(const struct schema_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->all[i]->leads_to_ref)
            return true;
    return false;
}

static bool leads(const struct schema *s)
{
    const struct schema *parts[] = {s->additional, s->names, s->items, s->ref};

    if (s->ref_target || list_leads(&s->all_of) || list_leads(&s->any_of) || list_leads(&s->one_of))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i] && parts[i]->leads_to_ref)
            return true;
    for (size_t i = 0; i < s->member_count; i++)
        if (s->members[i].schema && s->members[i].schema->leads_to_ref)
            return true;
    for (size_t i = 0; i < s->pattern_count; i++)
        if (s->patterns[i].schema->leads_to_ref)
            return true;
    return false;
}

/* What can only be said when all nodes are there. References form cycles, hence the repetition. */
static void finish(struct unit *unit)
{
    bool changed = true;

    for (size_t i = 0; i < unit->node_count; i++) {
        struct schema *s = unit->nodes[i];

        s->has_more =
            s->ref || s->all_of.count || s->any_of.count || s->one_of.count || s->not_this;
        s->only_ref = s->ref && json_object_size(s->json) == 1;
    }
    while (changed) {
        changed = false;
        for (size_t i = 0; i < unit->node_count; i++) {
            struct schema *s = unit->nodes[i];

            if (!s->leads_to_ref && leads(s))
                changed = s->leads_to_ref = true;
        }
    }
}

static void node_free(struct schema *s)
{
    free(s->members);
    free(s->member_index);
    for (size_t i = 0; i < s->pattern_count; i++)
        pcre2_code_free(s->patterns[i].code);
    free(s->patterns);
    pcre2_code_free(s->pattern.code);
    free(s->dependencies);
    for (size_t i = 0; i < s->choice_count; i++)
        free(s->choices[i].text);
    free(s->choices);
    free(s->only.text);
    free(s->all_of.all);
    free(s->any_of.all);
    free(s->one_of.all);
    free(s);
}

static void unit_free(struct unit *unit)
{
    for (size_t i = 0; i < unit->node_count; i++)
        node_free(unit->nodes[i]);
    free(unit->nodes);
    free(unit->by_json);
    json_decref(unit->document);
    pcre2_match_context_free(unit->match);
    free(unit);
}

void schema_free(struct schema *schema)
{
    if (schema)
        unit_free(schema->unit);
}

int schema_compile_in(const char *doc, size_t len, const char *pointer, bool strict_objects,
                      struct schema **ret_schema, struct orb_err *err)
{
    struct json_limits limits = {SCHEMA_DEPTH, JSON_MAX_KEYS};
    struct compile c = {.err = err};
    AUTO(json_t) json_t *tree = NULL;
    struct schema *any;
    json_t *at;
    int r;

    r = tree_parse(doc, len, &limits, &tree, err);
    if (r < 0)
        return r;
    at = tree_get(tree, pointer);
    if (!at)
        return orb_fail_at(err, ORB_E_SCHEMA, pointer, "there is no schema here");
    c.unit = xcalloc(1, sizeof *c.unit);
    c.unit->document = take_ptr(tree);
    c.unit->strict_objects = strict_objects;
    c.unit->match = pcre2_match_context_create(NULL);
    if (!c.unit->match) {
        unit_free(c.unit);
        return orb_fail(err, ORB_E_NOMEM, "out of memory for a schema");
    }
    pcre2_set_match_limit(c.unit->match, MATCH_STEPS);
    pcre2_set_depth_limit(c.unit->match, MATCH_STEPS);
    buf_adds(&c.path, pointer);
    r = compile_node(&c, at, &c.unit->root);
    if (r == 0)
        r = compile_node(&c, json_true(), &any);
    buf_fini(&c.path);
    if (r < 0) {
        unit_free(c.unit);
        return r;
    }
    c.unit->any = any;
    finish(c.unit);
    *ret_schema = c.unit->root;
    return 0;
}

int schema_compile(const char *text, size_t len, bool strict_objects, struct schema **ret_schema,
                   struct orb_err *err)
{
    return schema_compile_in(text, len, "", strict_objects, ret_schema, err);
}
