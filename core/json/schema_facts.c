/* What front ends read from a schema: the subschema at a path, and its annotations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/json.h"
#include "core/json/schema_check.h"

#define DEEPEST 16
#define MAX_TOKENS 64
#define WALK_NODES 2000 /* looked at for one answer */
#define SEEN_MAX 64     /* looked at for one name, and not again */
#define OWN_UNITS                                                                                  \
    32 /* of each name on the way; the rest is shared by all look-ups of a request                 \
        */
#define SHARED_UNITS 100000 /* a unit: some 50 ns */

/* A keyword of this schema or, when absent, of the one $ref refers to. */
static const json_t *fact(const struct schema *s, const char *keyword)
{
    const json_t *value = NULL;

    for (int i = 0; s && !value && i < DEEPEST; i++, s = s->ref)
        value = json_object_get(s->json, keyword);
    return value;
}

const char *schema_facts_text(const struct schema *s, const char *keyword)
{
    return json_string_value(fact(s, keyword));
}

const char *schema_facts_title(const struct schema *s)
{
    return schema_facts_text(s, "title");
}

bool schema_facts_flag(const struct schema *s, const char *keyword)
{
    return json_is_true(fact(s, keyword));
}

static const char *target_at(const struct schema *s, unsigned depth, unsigned *left)
{
    const struct schema_list *lists[] = {&s->all_of, &s->any_of, &s->one_of};
    const char *target = s->ref_target;

    if (depth > DEEPEST || !*left)
        return NULL;
    --*left;
    if (!target && s->ref)
        target = target_at(s->ref, depth + 1, left);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (size_t j = 0; !target && j < lists[i]->count; j++)
            target = target_at(lists[i]->all[j], depth + 4, left);
    return target;
}

const char *schema_facts_ref_target(const struct schema *s)
{
    unsigned left = WALK_NODES;

    return target_at(s, 0, &left);
}

const char *schema_facts_type(const struct schema *s)
{
    switch (schema_finish_types_of(s)) {
    case SCHEMA_OBJECT:
        return "object";
    case SCHEMA_ARRAY:
        return "array";
    case SCHEMA_STRING:
        return "string";
    case SCHEMA_INTEGER:
        return "integer";
    case SCHEMA_REAL:
    case SCHEMA_NUMBER:
        return "number";
    case SCHEMA_BOOLEAN:
        return "boolean";
    case SCHEMA_NULL:
        return "null";
    default:
        return NULL;
    }
}

static bool is_index(const char *token)
{
    return token[0] && strspn(token, "0123456789") == strlen(token);
}

/* One name on the way. */
struct walk {
    const char *token;
    size_t len;
    uint64_t own; /* units left, before those that are shared */
    struct schema_shared *shared;
    bool over; /* there were too few */
    const struct schema *seen[SEEN_MAX];
    size_t seen_count;
};

static bool spend(struct walk *w, uint64_t units)
{
    uint64_t own = units < w->own ? units : w->own;

    w->own -= own;
    units -= own;
    w->over = w->over || w->shared->units < units;
    w->shared->units -= w->shared->units < units ? w->shared->units : units;
    return !w->over;
}

/* A definition reached through several references is visited once. */
static bool was_seen(struct walk *w, const struct schema *s)
{
    for (size_t i = 0; i < w->seen_count; i++)
        if (w->seen[i] == s)
            return true;
    if (w->seen_count < SEEN_MAX)
        w->seen[w->seen_count++] = s;
    return false;
}

static const struct schema *step(const struct schema *s, struct walk *w, unsigned depth);

static const struct schema *step_list(const struct schema_list *list, struct walk *w,
                                      unsigned depth)
{
    const struct schema *found = NULL;

    for (size_t i = 0; i < list->count && !found && !w->over; i++)
        found = step(list->all[i], w, depth);
    return found;
}

static const struct schema *step_patterns(const struct schema *s, struct walk *w)
{
    for (size_t i = 0; i < s->pattern_count; i++) {
        if (!spend(w, schema_check_match_units(&s->patterns[i], w->len)))
            return NULL;
        if (schema_value_match(&s->patterns[i], w->token, w->len) > 0)
            return s->patterns[i].schema;
    }
    return NULL;
}

/* The schema of the member or element; NULL when this node has none. */
static const struct schema *step(const struct schema *s, struct walk *w, unsigned depth)
{
    const struct schema *found;
    const struct member *m;

    if (depth > DEEPEST || was_seen(w, s) || !spend(w, 1 + w->seen_count / 16 + w->len / 64))
        return NULL;
    m = schema_member(s, w->token, w->len);
    if (m && m->schema)
        return m->schema->kind == SCHEMA_NEVER ? NULL : m->schema;
    found = step_patterns(s, w);
    if (!found && s->items && is_index(w->token))
        found = s->items;
    if (!found && s->ref)
        found = step(s->ref, w, depth + 1);
    if (!found)
        found = step_list(&s->all_of, w, depth + 4);
    if (!found)
        found = step_list(&s->any_of, w, depth + 4);
    if (!found)
        found = step_list(&s->one_of, w, depth + 4);
    if (!found && s->additional && s->additional->kind != SCHEMA_NEVER)
        found = s->additional;
    return w->over ? NULL : found;
}

/* Nothing describes the member: may it be there nevertheless? */
static bool is_open(const struct schema *s, const char *token, unsigned depth)
{
    unsigned types = schema_finish_types_of(s);

    if (depth > DEEPEST || s->kind == SCHEMA_NEVER)
        return false;
    if (!(types & SCHEMA_OBJECT) && !((types & SCHEMA_ARRAY) && is_index(token)))
        return false;
    if (s->additional && s->additional->kind == SCHEMA_NEVER)
        return false;
    return !s->ref || is_open(s->ref, token, depth + 1);
}

static int name_fits(const struct schema *s, const char *token, const char *path,
                     struct schema_shared *shared, struct orb_err *err)
{
    AUTO(buf) struct buf name = {0};
    int r = 0;

    buf_add_json(&name, token, strlen(token));
    for (int i = 0; s && r == 0 && i < DEEPEST; i++, s = s->ref)
        if (s->names)
            r = schema_check_within(s->names, name.data, name.len, path, shared, err);
    if (r == ORB_E_SCHEMA)
        orb_wrap(err, "not a name for a member");
    return r;
}

static int unknown(const struct schema *s, const char *token, const char *path, struct orb_err *err)
{
    unsigned types = schema_finish_types_of(s);
    AUTO(buf) struct buf words = {0};

    if (types == SCHEMA_ARRAY || (types & SCHEMA_OBJECT)) {
        schema_words_unknown(s, token, &words);
    } else {
        buf_addf(&words, "a value has no members; got \"%.60s\"", token);
        if (!schema_instead_word(s, token, &words))
            buf_adds(&words, "; set one value at a time");
    }
    return orb_fail_at(err, ORB_E_SCHEMA, path, "%s", buf_str(&words));
}

/* From a schema to that of its member; path: of that, for errors. */
static const struct schema *next_at(const struct schema *s, const char *token, const char *path,
                                    struct schema_shared *shared, struct orb_err *err)
{
    struct walk w = {.token = token, .len = strlen(token), .own = OWN_UNITS, .shared = shared};
    const struct schema *next = step(s, &w, 0);
    int r = w.over ? ORB_E_LIMIT : name_fits(s, token, path, shared, err);

    if (r == ORB_E_LIMIT)
        orb_fail_at(err, r, path,
                    "the schema is too costly to search for this name (use a shorter name, or "
                    "fewer at once; fewer patterns and alternatives in the package's schema)");
    if (r < 0)
        return NULL;
    if (!next && is_open(s, token, 0))
        next = s->unit->any;
    if (!next)
        unknown(s, token, path, err);
    return next;
}

const struct schema *schema_facts_within(const struct schema *s, const char *pointer,
                                         struct schema_shared *shared, struct orb_err *err)
{
    const char *tokens[MAX_TOKENS];
    AUTO_FREE char *storage = NULL;
    AUTO(buf) struct buf path = {0};
    int n = tree_split_pointer(pointer, tokens, MAX_TOKENS, &storage);

    if (n < 0) {
        orb_fail_at(err, ORB_E_SCHEMA, pointer, "expected a path like /interfaces/eth0");
        return NULL;
    }
    for (int i = 0; s && i < n; i++) {
        buf_add_pointer(&path, tokens[i]);
        s = next_at(s, tokens[i], path.data, shared, err);
    }
    return s;
}

const struct schema *schema_facts_at(const struct schema *s, const char *pointer,
                                     struct orb_err *err)
{
    struct schema_shared alone = {.units = SHARED_UNITS};

    return schema_facts_within(s, pointer, &alone, err);
}
