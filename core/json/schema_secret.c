/* Masks secrets: every value to which x-orb-secret applies, wherever the keyword is (through
 * references and combinations, in items, patterns, additional and named members), and every value
 * without a schema. Note: alternatives are not tried, all of them count, since a secret that
 * matches the wrong alternative is a secret all the same. What exceeds the budget is masked, too.
 * */
#include <string.h>

#include "core/base/own.h"
#include "core/json/schema_check.h"

#define SET_MAX 64 /* schemas for one value; where there are more it is masked */
#define MAX_TOKENS 64
#define FREE_UNITS 100000   /* a unit: some 50 ns */
#define OWN_UNITS 64        /* own budget of a lookup that shares the rest */
#define UNITS_FOR_VALUE 300 /* for each value that is looked at */

/* All schemas that apply to one value. */
struct set {
    uint64_t *budget;                   /* units left for the whole walk */
    const struct schema_shared *shared; /* NULL: it does not pause */
    const struct schema *list[SET_MAX];
    size_t count;
    bool secret;  /* one of them is secret, or the budget was exceeded */
    bool unknown; /* none describes what is allowed here */
    bool open;    /* any value is allowed here, none describes it */
};

static void add(struct set *set, const struct schema *s, bool names);

static void charge(struct set *set, uint64_t units)
{
    set->secret |= *set->budget < units;
    *set->budget -= *set->budget < units ? *set->budget : units;
}

static void add_list(struct set *set, const struct schema_list *list, bool names)
{
    for (size_t i = 0; i < list->count && !set->secret; i++)
        add(set, list->all[i], names);
}

/* names: also what the names of members must be; a secret among those hides the whole object. */
static void add(struct set *set, const struct schema *s, bool names)
{
    struct set below = {.budget = set->budget};

    if (!s || s->kind == SCHEMA_NEVER)
        return;
    charge(set, 1 + set->count / 16);
    for (size_t i = 0; i < set->count; i++)
        if (set->list[i] == s)
            return;
    if (set->count == SET_MAX) {
        set->secret = true;
        return;
    }
    set->list[set->count++] = s;
    set->secret |= json_is_true(json_object_get(s->json, "x-orb-secret"));
    if (names && s->names)
        add(&below, s->names, false);
    set->secret |= below.secret;
    add(set, s->ref, names);
    add(set, s->not_this, names); /* who puts the word there means this value all the same */
    add_list(set, &s->all_of, names);
    add_list(set, &s->any_of, names);
    add_list(set, &s->one_of, names);
}

static bool is_index(const char *token)
{
    return *token && strspn(token, "0123456789") == strlen(token);
}

/* From the schemas of a value to those of its member or element. None describes it, and one
 * forbids what it does not describe: unknown. */
static void step(const struct set *from, const char *name, bool member, bool element,
                 struct set *to)
{
    size_t len = strlen(name);
    bool open = from->open, closed = false;

    for (size_t i = 0; i < from->count && !to->secret; i++) {
        const struct schema *s = from->list[i];
        const struct member *m = member ? schema_member(s, name, len) : NULL;
        bool known = m && m->schema;
        unsigned types = s->types ? s->types : SCHEMA_ANY;

        if (known)
            add(to, m->schema, true);
        for (size_t k = 0; member && k < s->pattern_count; k++) {
            int fits;

            charge(to, schema_check_match_units(&s->patterns[k], len));
            if (to->secret)
                return;
            fits = schema_value_match(&s->patterns[k], name, len);
            to->secret |= fits < 0;
            known |= fits > 0;
            if (fits > 0)
                add(to, s->patterns[k].schema, true);
        }
        if (member && !known && s->additional)
            add(to, s->additional, true);
        if (element && s->items)
            add(to, s->items, true);
        closed |= member && s->additional && s->additional->kind == SCHEMA_NEVER;
        open |= (member && (types & SCHEMA_OBJECT) && !s->additional) ||
                (element && (types & SCHEMA_ARRAY) && !s->items);
    }
    to->unknown = !to->count && (closed || !open);
    to->open = !to->count && !to->unknown;
}

/* NULL: nothing needs to be hidden. */
static json_t *masked(const struct set *set, const json_t *value, const char *mask);

static void masked_at(const struct set *set, const char *name, bool member, const json_t *value,
                      const char *mask, json_t **ret_new)
{
    struct set below = {.budget = set->budget, .shared = set->shared};

    if (set->shared && set->shared->pause)
        set->shared->pause(set->shared->arg);
    *set->budget += UNITS_FOR_VALUE;
    step(set, name, member, !member, &below);
    *ret_new = masked(&below, value, mask);
}

static json_t *masked(const struct set *set, const json_t *value, const char *mask)
{
    json_t *copy = NULL, *one, *now;
    const char *key;
    size_t i;

    if (set->secret || set->unknown)
        return json_string(mask);
    json_object_foreach ((json_t *)value, key, one) {
        masked_at(set, key, true, one, mask, &now);
        if (now && !copy)
            copy = json_copy((json_t *)value);
        if (now)
            json_object_set_new(copy, key, now);
    }
    json_array_foreach (value, i, one) {
        masked_at(set, "0", false, one, mask, &now);
        if (now && !copy)
            copy = json_copy((json_t *)value);
        if (now)
            json_array_set_new(copy, i, now);
    }
    return copy;
}

/* The schemas at a pointer, or at the first value on its way that is masked; and how many bytes of
 * the pointer lead there. */
static size_t descend(const struct schema *s, const char *pointer, uint64_t *budget,
                      struct set *ret_set)
{
    const char *tokens[MAX_TOKENS];
    AUTO_FREE char *storage = NULL;
    int n = tree_split_pointer(pointer, tokens, MAX_TOKENS, &storage);
    size_t at = 0;

    *ret_set = (struct set){.budget = budget, .secret = n < 0};
    add(ret_set, s, true);
    for (int i = 0; i < n && !ret_set->secret && !ret_set->unknown; i++) {
        struct set below = {.budget = budget};

        step(ret_set, tokens[i], true, is_index(tokens[i]), &below);
        *ret_set = below;
        at += 1 + strcspn(pointer + at + 1, "/");
    }
    return at;
}

json_t *schema_secret_mask_within(const struct schema *schema, const char *pointer, json_t *value,
                                  const char *mask, const struct schema_shared *shared)
{
    uint64_t budget = FREE_UNITS;
    struct set set;
    json_t *now;

    descend(schema, pointer, &budget, &set);
    set.shared = shared;
    now = masked(&set, value, mask);
    if (!now)
        return value;
    json_decref(value);
    return now;
}

json_t *schema_secret_mask(const struct schema *schema, const char *pointer, json_t *value,
                           const char *mask)
{
    return schema_secret_mask_within(schema, pointer, value, mask, NULL);
}

/* The same with what several look-ups share. */
static size_t descend_within(const struct schema *s, const char *pointer,
                             struct schema_shared *shared, struct set *ret_set)
{
    uint64_t given = OWN_UNITS + (shared->units < FREE_UNITS ? shared->units : FREE_UNITS);
    uint64_t budget = given;
    size_t at = descend(s, pointer, &budget, ret_set);

    if (given - budget > OWN_UNITS)
        shared->units -= given - budget - OWN_UNITS;
    return at;
}

bool schema_secret_hides_within(const struct schema *schema, const char *pointer,
                                struct schema_shared *shared)
{
    struct set set;

    descend_within(schema, pointer, shared, &set);
    return set.secret;
}

size_t schema_secret_shows_within(const struct schema *schema, const char *pointer,
                                  struct schema_shared *shared)
{
    struct set set;

    return descend_within(schema, pointer, shared, &set);
}

bool schema_secret_hides(const struct schema *schema, const char *pointer)
{
    struct schema_shared alone = {.units = FREE_UNITS};

    return schema_secret_hides_within(schema, pointer, &alone);
}

size_t schema_secret_shows(const struct schema *schema, const char *pointer)
{
    struct schema_shared alone = {.units = FREE_UNITS};

    return schema_secret_shows_within(schema, pointer, &alone);
}
