/* From the text of a schema to its compiled nodes: one for each place of the document that is a
 * schema, found again by address, which is how references and cycles of them end. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/schema_compile.h"

#define SCHEMA_DEPTH 64 /* nesting of a schema file */
#define MATCH_STEPS 100000

int schema_wrong(struct compile *c, const char *format, ...)
{
    AUTO(buf) struct buf text = {0};
    va_list args;

    va_start(args, format);
    buf_addv(&text, format, args);
    va_end(args);
    return orb_fail_at(c->err, ORB_E_SCHEMA, buf_str(&c->path), "%s", buf_str(&text));
}

size_t schema_enter(struct compile *c, const char *token)
{
    size_t before = c->path.len;

    pointer_add(&c->path, token);
    return before;
}

void schema_leave(struct compile *c, size_t before)
{
    c->path.len = before;
    c->path.data[before] = '\0';
}

int schema_expected(struct compile *c, const char *what, const json_t *got)
{
    AUTO(buf) struct buf text = {0};

    tree_dump(got, &text);
    if (text.len > 60) {
        text.len = 60;
        text.data[60] = '\0';
        buf_adds(&text, "…");
    }
    return schema_wrong(c, "expected %s; got %s", what, buf_str(&text));
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
int schema_compile_node(struct compile *c, json_t *json, struct schema **ret_schema)
{
    struct schema *s = c->unit->by_json_slots ? *node_slot(c->unit, json) : NULL;
    const char *name;
    json_t *value;

    *ret_schema = s;
    if (s)
        return 0;
    if (!json_is_object(json) && !json_is_boolean(json))
        return schema_expected(c, "a schema (an object, true or false)", json);
    *ret_schema = s = node_new(c->unit, json);
    if (json_is_boolean(json)) {
        s->kind = json_is_true(json) ? SCHEMA_ALWAYS : SCHEMA_NEVER;
        return 0;
    }
    json_object_foreach (json, name, value) {
        size_t before = schema_enter(c, name);
        int r = schema_read_keyword(c, s, name, value);

        if (r < 0)
            return r;
        schema_leave(c, before);
    }
    if (s->member_count)
        index_members(s);
    if (c->unit->strict_objects && !s->additional && json_object_get(json, "properties"))
        return schema_compile_node(c, json_false(), &s->additional);
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
    r = schema_compile_node(&c, at, &c.unit->root);
    if (r == 0)
        r = schema_compile_node(&c, json_true(), &any);
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
