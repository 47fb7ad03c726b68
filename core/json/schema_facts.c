/* What front ends ask a schema: which schema stands where, and what to tell people about it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/json.h"
#include "core/json/schema_check.h"

#define DEEPEST 16
#define MAX_TOKENS 64
#define WALK_NODES 2000 /* looked at for one answer */

/* A keyword here or, when it is not said here, where $ref leads. */
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

static const struct schema *step(const struct schema *s, const char *token, unsigned depth,
                                 unsigned *left);

static const struct schema *step_list(const struct schema_list *list, const char *token,
                                      unsigned depth, unsigned *left)
{
    const struct schema *found = NULL;

    for (size_t i = 0; i < list->count && !found; i++)
        found = step(list->all[i], token, depth, left);
    return found;
}

/* The schema of the member or element token; NULL when this node has nothing to say on it. */
static const struct schema *step(const struct schema *s, const char *token, unsigned depth,
                                 unsigned *left)
{
    const struct member *m = schema_member(s, token, strlen(token));
    const struct schema *found = NULL;

    if (depth > DEEPEST || !*left)
        return NULL;
    --*left;
    if (m && m->schema)
        return m->schema->kind == SCHEMA_NEVER ? NULL : m->schema;
    for (size_t i = 0; i < s->pattern_count; i++)
        if (schema_value_match(&s->patterns[i], token, strlen(token)) > 0)
            return s->patterns[i].schema;
    if (s->items && is_index(token))
        found = s->items;
    if (!found && s->ref)
        found = step(s->ref, token, depth + 1, left);
    if (!found)
        found = step_list(&s->all_of, token, depth + 4, left);
    if (!found)
        found = step_list(&s->any_of, token, depth + 4, left);
    if (!found)
        found = step_list(&s->one_of, token, depth + 4, left);
    if (!found && s->additional && s->additional->kind != SCHEMA_NEVER)
        found = s->additional;
    return found;
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
                     struct orb_err *err)
{
    AUTO(buf) struct buf name = {0};
    int r = 0;

    buf_add_json(&name, token, strlen(token));
    for (int i = 0; s && r == 0 && i < DEEPEST; i++, s = s->ref)
        if (s->names)
            r = schema_check(s->names, name.data, name.len, path, err);
    if (r < 0)
        orb_wrap(err, "not a name for a member");
    return r;
}

const struct schema *schema_facts_at(const struct schema *s, const char *pointer,
                                     struct orb_err *err)
{
    const char *tokens[MAX_TOKENS];
    AUTO_FREE char *storage = NULL;
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf words = {0};
    int n = tree_split_pointer(pointer, tokens, MAX_TOKENS, &storage);

    if (n < 0) {
        orb_fail_at(err, ORB_E_SCHEMA, pointer, "expected a path like /interfaces/eth0");
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        unsigned left = WALK_NODES;
        const struct schema *next = step(s, tokens[i], 0, &left);

        buf_add_pointer(&path, tokens[i]);
        if (name_fits(s, tokens[i], path.data, err) < 0)
            return NULL;
        if (!next && is_open(s, tokens[i], 0))
            next = s->unit->any;
        if (!next) {
            if (!(schema_finish_types_of(s) & (SCHEMA_OBJECT | SCHEMA_ARRAY)))
                buf_addf(&words, "nothing stands below a value; got \"%.60s\"", tokens[i]);
            else
                schema_words_unknown(s, tokens[i], &words);
            orb_fail_at(err, ORB_E_SCHEMA, path.data, "%s", buf_str(&words));
            return NULL;
        }
        s = next;
    }
    return s;
}
