/* From the text of a schema to its compiled nodes: one for each place of the document that is a
 * schema, found again by address, which is how references and cycles of them end. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/schema_compile.h"

#define SCHEMA_DEPTH 64 /* nesting of a schema file */
#define REF_DEPTH 500   /* of references within references */
#define COMPILE_BUDGET 100000

int schema_compile_wrong(struct compile *c, const char *format, ...)
{
    AUTO(buf) struct buf text = {0};
    va_list args;

    va_start(args, format);
    buf_addv(&text, format, args);
    va_end(args);
    return orb_fail_at(c->err, ORB_E_SCHEMA, buf_str(&c->path), "%s", buf_str(&text));
}

size_t schema_compile_enter(struct compile *c, const char *token)
{
    size_t before = c->path.len;

    buf_add_pointer(&c->path, token);
    return before;
}

void schema_compile_leave(struct compile *c, size_t before)
{
    c->path.len = before;
    c->path.data[before] = '\0';
}

int schema_compile_expected(struct compile *c, const char *what, const json_t *got)
{
    AUTO(buf) struct buf text = {0};

    tree_dump(got, &text);
    if (text.len > 60) {
        text.len = 60;
        text.data[60] = '\0';
        buf_adds(&text, "…");
    }
    return schema_compile_wrong(c, "expected %s; got %s", what, buf_str(&text));
}

int schema_compile_spend(struct compile *c, uint64_t units)
{
    if (c->unit->budget >= units) {
        c->unit->budget -= units;
        return 0;
    }
    c->unit->budget = 0;
    return orb_fail_at(c->err, ORB_E_LIMIT, buf_str(&c->path),
                       "the schemas of the file are too many or too large to be checked in time; "
                       "the limit is %d schemas, names and steps of patterns",
                       COMPILE_BUDGET);
}

/* The place of the schema of a document node, NULL inside when there is none yet. */
static struct schema **node_slot(struct unit *unit, const json_t *json)
{
    size_t at = ((uintptr_t)json >> 4) & (unit->by_json_slots - 1);

    while (unit->by_json[at] && unit->by_json[at]->json != json)
        at = (at + 1) & (unit->by_json_slots - 1);
    return &unit->by_json[at];
}

static struct schema *node_new(struct unit *unit, const json_t *json)
{
    struct schema *s = xcalloc(1, sizeof(*s));

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
    s->number = (uint32_t)unit->node_count;
    s->max_members = s->max_items = s->max_length = UINT64_MAX;
    unit->nodes[unit->node_count++] = s;
    *node_slot(unit, json) = s;
    return s;
}

static int read_keywords(struct compile *c, struct schema *s, json_t *json)
{
    const char *name;
    json_t *value;

    json_object_foreach (json, name, value) {
        size_t before = schema_compile_enter(c, name);
        int r = schema_keywords_read(c, s, name, value);

        if (r < 0)
            return r;
        schema_compile_leave(c, before);
    }
    for (size_t i = 0; i < s->member_count; i++)
        s->required_count += s->members[i].required;
    if (c->unit->strict_objects && !s->additional && json_object_get(json, "properties"))
        return schema_compile_node(c, json_false(), &s->additional);
    return 0;
}

/* jansson has one true and one false for all documents, so those nodes may be shared; they are. */
int schema_compile_node(struct compile *c, json_t *json, struct schema **ret_schema)
{
    struct schema *s = c->unit->by_json_slots ? *node_slot(c->unit, json) : NULL;
    int r;

    *ret_schema = s;
    if (s)
        return 0;
    r = schema_compile_spend(c, 1 + c->path.len / 64);
    if (r < 0)
        return r;
    if (c->depth == REF_DEPTH)
        return schema_compile_wrong(c, "references within references; the limit is %d", REF_DEPTH);
    if (!json_is_object(json) && !json_is_boolean(json))
        return schema_compile_expected(c, "a schema (an object, true or false)", json);
    *ret_schema = s = node_new(c->unit, json);
    if (json_is_boolean(json)) {
        s->kind = json_is_true(json) ? SCHEMA_ALWAYS : SCHEMA_NEVER;
        return 0;
    }
    c->depth++;
    r = read_keywords(c, s, json);
    c->depth--;
    return r;
}

static void node_free(struct schema *s)
{
    free(s->members);
    free(s->member_index);
    for (size_t i = 0; i < s->pattern_count; i++)
        regex_free(s->patterns[i].regex);
    free(s->patterns);
    regex_free(s->pattern.regex);
    for (size_t i = 0; i < s->dependency_count; i++)
        free(s->dependencies[i].needs);
    free(s->dependencies);
    for (size_t i = 0; i < s->choice_count; i++)
        free(s->choices[i].text);
    free(s->choices);
    free(s->shown);
    free(s->only.text);
    free(s->all_of.all);
    free(s->any_of.all);
    free(s->one_of.all);
    free(s);
}

void schema_compile_unit_free(struct unit *unit)
{
    if (!unit)
        return;
    for (size_t i = 0; i < unit->node_count; i++)
        node_free(unit->nodes[i]);
    free(unit->nodes);
    free(unit->by_json);
    json_decref(unit->document);
    free(unit);
}

void schema_compile_free(struct schema *schema)
{
    if (schema)
        schema_compile_unit_free(schema->unit);
}

int schema_compile_unit_new(const char *doc, size_t len, bool strict_objects,
                            struct unit **ret_unit, struct orb_err *err)
{
    static const struct json_limits limits = {SCHEMA_DEPTH, JSON_MAX_KEYS};
    json_t *tree = NULL;
    int r = tree_parse(doc, len, &limits, &tree, err);

    if (r < 0)
        return r;
    *ret_unit = xcalloc(1, sizeof(**ret_unit));
    (*ret_unit)->document = tree;
    (*ret_unit)->strict_objects = strict_objects;
    (*ret_unit)->budget = COMPILE_BUDGET;
    return 0;
}

int schema_compile_unit(struct unit *unit, const char *pointer, struct schema **ret_schema,
                        struct orb_err *err)
{
    struct compile c = {.unit = unit, .err = err};
    json_t *at = tree_get(unit->document, pointer);
    int r;

    if (!at)
        return orb_fail_at(err, ORB_E_SCHEMA, pointer, "there is no schema here");
    buf_adds(&c.path, pointer);
    r = schema_compile_node(&c, at, ret_schema);
    if (r == 0)
        r = schema_compile_node(&c, json_true(), &unit->any);
    buf_fini(&c.path);
    return r;
}

int schema_compile_in(const char *doc, size_t len, const char *pointer, bool strict_objects,
                      struct schema **ret_schema, struct orb_err *err)
{
    struct unit *unit;
    struct schema *root;
    int r = schema_compile_unit_new(doc, len, strict_objects, &unit, err);

    if (r < 0)
        return r;
    r = schema_compile_unit(unit, pointer, &root, err);
    if (r < 0) {
        schema_compile_unit_free(unit);
        return r;
    }
    schema_finish_unit(unit);
    *ret_schema = root;
    return 0;
}

int schema_compile(const char *text, size_t len, bool strict_objects, struct schema **ret_schema,
                   struct orb_err *err)
{
    return schema_compile_in(text, len, "", strict_objects, ret_schema, err);
}
