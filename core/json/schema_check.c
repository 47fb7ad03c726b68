/* Checks scanned text against a compiled schema in one pass, without a tree. Only enum, const and
 * uniqueItems on objects and arrays build one, of just that value. Whatever is done is charged
 * in units against a budget that grows with the value alone: schemas come from packages, and
 * alternatives in alternatives, long lists of names or texts read again and again could otherwise
 * cost any time. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/json.h"
#include "core/json/schema_check.h"

#define MAX_NESTING 200   /* schemas within schemas, references included */
#define FREE_UNITS 100000 /* a unit: some 50 ns */
#define OWN_UNITS 32
#define NAMES_ON_STACK 512

int schema_check_charge(struct check *c, const struct spot *spot, uint64_t units)
{
    if (c->budget >= units) {
        c->budget -= units;
        c->charged += units;
        if (c->charged >= UNITS_TO_PAUSE && c->shared && c->shared->pause) {
            c->charged = 0;
            c->shared->pause(c->shared->arg);
        }
        return 0;
    }
    c->budget = 0;
    return schema_value_say(c, spot, ORB_E_LIMIT,
                            "the value is too costly to check against its schema");
}

const char *schema_check_skip(const struct check *c, const char *p, struct json_slice *ret_value)
{
    const struct schema_shared *shared = c->shared;

    return json_value_pausing(p, c->end, ret_value, shared ? shared->pause : NULL,
                              shared ? shared->arg : NULL);
}

uint64_t schema_check_match_units(const struct pattern *pattern, size_t len)
{
    return 1 + len * regex_size(pattern->regex) / 32 + regex_size(pattern->regex) / 64;
}

static int check_array(struct check *c, const struct schema *s, const struct spot *spot,
                       const char *p, const char **ret_end)
{
    struct spot at = {.up = spot};
    const char *start = p, *end = c->end;
    struct json_slice v;
    int r;

    p = json_space(p + 1, end);
    while (p < end && *p != ']') {
        const char *before = p;

        if (s->items) {
            r = schema_check_value(c, s->items, &at, p, &p);
            if (r < 0)
                return r;
        } else {
            p = schema_check_skip(c, p, &v);
            r = schema_check_charge(c, &at, 1 + v.len / UNIT_BYTES);
            if (r < 0)
                return r;
        }
        if (p == before)
            break; /* only text that never was scanned */
        at.index++;
        p = json_space(p, end);
        if (p < end && *p == ',')
            p = json_space(p + 1, end);
    }
    *ret_end = p < end ? p + 1 : end;
    if (at.index < s->min_items || at.index > s->max_items)
        return schema_value_wrong_count(c, spot, "element", at.index, s->min_items, s->max_items);
    v = (struct json_slice){start, (size_t)(*ret_end - start), 'a'};
    return s->unique ? schema_unique_check(c, spot, &v) : 0;
}

static int unknown_member(struct check *c, const struct schema *s, const struct spot *at,
                          const char *name)
{
    AUTO(buf) struct buf words = {0};

    if (c->quiet || !c->err)
        return ORB_E_SCHEMA;
    schema_words_unknown(s, name, &words);
    return schema_value_say(c, at, ORB_E_SCHEMA, "%s", buf_str(&words));
}

/* The name itself, as text at key (with its quotes), against propertyNames. */
static int check_name(struct check *c, const struct schema *s, const struct spot *at)
{
    const char *ignored;
    int r = schema_check_value(c, s->names, at, at->key - 1, &ignored);

    if (r == ORB_E_SCHEMA && c->err && !c->quiet)
        orb_wrap(c->err, "not a name for a member");
    return r;
}

/* The names of a schema that an object has. */
struct names {
    bool *seen; /* NULL: not tracked */
    size_t required;
};

/* One member against every schema that concerns it; name is its key, decoded. */
static int check_member(struct check *c, const struct schema *s, const struct spot *at,
                        const char *name, size_t len, const char *p, const char **ret_end,
                        struct names *names)
{
    const struct member *m = schema_member(s, name, len);
    bool known = m && m->schema;
    struct json_slice v;
    int r = schema_check_charge(c, at, 1 + len / UNIT_BYTES);

    *ret_end = NULL;
    names->required += m && m->required;
    if (m && names->seen)
        names->seen[m - s->members] = true;
    if (r == 0 && s->names)
        r = check_name(c, s, at);
    if (r == 0 && known)
        r = schema_check_value(c, m->schema, at, p, ret_end);
    for (size_t i = 0; r == 0 && i < s->pattern_count; i++) {
        int matches = schema_check_charge(c, at, schema_check_match_units(&s->patterns[i], len));

        if (matches < 0)
            return matches;
        matches = schema_value_match(&s->patterns[i], name, len);

        if (matches < 0)
            return schema_value_too_costly(c, at, matches);
        if (matches)
            r = schema_check_value(c, s->patterns[i].schema, at, p, ret_end);
        known |= matches > 0;
    }
    if (r == 0 && !known && s->additional) {
        if (s->additional->kind == SCHEMA_NEVER) {
            AUTO_FREE char *word = xstrndup(name, len);

            return unknown_member(c, s, at, word);
        }
        r = schema_check_value(c, s->additional, at, p, ret_end);
    }
    if (r == 0 && !*ret_end) {
        *ret_end = schema_check_skip(c, p, &v);
        r = schema_check_charge(c, at, v.len / UNIT_BYTES);
    }
    return r;
}

static int check_required(struct check *c, const struct schema *s, const struct spot *spot,
                          const struct names *names)
{
    for (size_t i = 0; i < s->member_count && names->required < s->required_count; i++)
        if (s->members[i].required && !names->seen[i])
            return schema_value_say(c, spot, ORB_E_SCHEMA, "expected a member %s; it is missing",
                                    s->members[i].name);
    return 0;
}

static int check_dependent(struct check *c, const struct schema *s, const struct spot *spot,
                           const struct names *names)
{
    for (size_t i = 0; i < s->dependency_count; i++) {
        const struct dependency *d = &s->dependencies[i];
        int r = schema_check_charge(c, spot, 1 + d->count / 16);

        if (r < 0)
            return r;
        for (size_t j = 0; names->seen[d->member] && j < d->count; j++)
            if (!names->seen[d->needs[j]])
                return schema_value_say(c, spot, ORB_E_SCHEMA,
                                        "expected a member %s beside %s; it is missing",
                                        s->members[d->needs[j]].name, s->members[d->member].name);
    }
    return 0;
}

static int check_members(struct check *c, const struct schema *s, const struct spot *spot,
                         const char *p, const char **ret_end, struct names *names)
{
    const char *end = c->end;
    size_t count = 0, len;
    int r;

    p = json_space(p + 1, end);
    while (p < end && *p == '"') {
        struct spot at = {.up = spot, .key = p + 1};
        AUTO_FREE char *heap = NULL;
        bool escaped = false;
        const char *name = p + 1;

        p = json_string_end(p, end, &escaped);
        at.len = len = p - name < 1 ? 0 : (size_t)(p - name - 1);
        if (escaped) {
            name = heap = xcalloc(1, len);
            len = json_unescape(at.key, len, heap);
        }
        p = json_space(p, end);
        if (p < end && *p == ':')
            p = json_space(p + 1, end);
        r = check_member(c, s, &at, name, len, p, &p, names);
        if (r < 0)
            return r;
        count++;
        p = json_space(p, end);
        if (p < end && *p == ',')
            p = json_space(p + 1, end);
    }
    *ret_end = p < end ? p + 1 : end;
    r = check_required(c, s, spot, names);
    if (r < 0)
        return r;
    if (count < s->min_members || count > s->max_members)
        return schema_value_wrong_count(c, spot, "member", count, s->min_members, s->max_members);
    return check_dependent(c, s, spot, names);
}

static int check_object(struct check *c, const struct schema *s, const struct spot *spot,
                        const char *p, const char **ret_end)
{
    bool few[NAMES_ON_STACK];
    AUTO_FREE bool *many = NULL;
    struct names names = {0};
    int r;

    if (s->required_count || s->dependency_count) {
        r = schema_check_charge(c, spot, s->member_count / UNIT_BYTES);
        if (r < 0)
            return r;
        if (s->member_count > NAMES_ON_STACK)
            names.seen = many = xcalloc(s->member_count, sizeof(*many));
        else
            names.seen = memset(few, 0, s->member_count * sizeof(*few));
    }
    return check_members(c, s, spot, p, ret_end, &names);
}

static unsigned type_of(const struct json_slice *v)
{
    struct number n;

    switch (v->type) {
    case 'o':
        return SCHEMA_OBJECT;
    case 'a':
        return SCHEMA_ARRAY;
    case 's':
        return SCHEMA_STRING;
    case 'i':
        return SCHEMA_INTEGER;
    case 'n':
        n = schema_number(v->p, v->len);
        return n.integer ? SCHEMA_INTEGER : SCHEMA_REAL;
    case '0':
        return SCHEMA_NULL;
    default:
        return SCHEMA_BOOLEAN;
    }
}

/* The alternative whose type is the only one to match; NULL when several do or none. */
static const struct schema *meant(const struct schema_list *list, const struct json_slice *v)
{
    const struct schema *found = NULL;

    for (size_t i = 0; i < list->count; i++) {
        if (!(schema_finish_types_of(list->all[i]) & type_of(v)))
            continue;
        if (found)
            return NULL;
        found = list->all[i];
    }
    return found;
}

/* anyOf (most: any number) and oneOf (most 1). */
static int check_some(struct check *c, const struct schema *s, const struct schema_list *list,
                      bool just_one, const struct spot *spot, const struct json_slice *v)
{
    AUTO(buf) struct buf words = {0};
    const struct schema *one;
    const char *ignored;
    size_t fit = 0;

    for (size_t i = 0; i < list->count && (just_one || !fit); i++) {
        int r;

        c->quiet++;
        r = schema_check_value(c, list->all[i], spot, v->p, &ignored);
        c->quiet--;
        if (r < 0 && r != ORB_E_SCHEMA)
            return r;
        fit += r == 0;
    }
    if (fit == 1 || (fit && !just_one))
        return 0;
    if (c->quiet || !c->err)
        return ORB_E_SCHEMA;
    if (fit)
        return schema_value_say(c, spot, ORB_E_SCHEMA,
                                "expected exactly one alternative to fit; %zu do", fit);
    one = meant(list, v);
    if (one)
        return schema_check_value(c, one, spot, v->p, &ignored);
    schema_words_alternatives(list, &words);
    return schema_value_mismatch(c, s, spot, v, buf_str(&words));
}

/* References and combinations: other schemas for the same value. */
static int check_more(struct check *c, const struct schema *s, const struct spot *spot,
                      const struct json_slice *v)
{
    const char *ignored;
    int r = 0;

    if (s->ref)
        r = schema_check_value(c, s->ref, spot, v->p, &ignored);
    for (size_t i = 0; r == 0 && i < s->all_of.count; i++)
        r = schema_check_value(c, s->all_of.all[i], spot, v->p, &ignored);
    if (r == 0 && s->any_of.count)
        r = check_some(c, s, &s->any_of, false, spot, v);
    if (r == 0 && s->one_of.count)
        r = check_some(c, s, &s->one_of, true, spot, v);
    if (r == 0 && s->not_this) {
        c->quiet++;
        r = schema_check_value(c, s->not_this, spot, v->p, &ignored);
        c->quiet--;
        if (r == 0)
            return schema_value_mismatch(c, s, spot, v, "something else (this is excluded)");
        r = r == ORB_E_SCHEMA ? 0 : r;
    }
    return r;
}

static int check_normal(struct check *c, const struct schema *s, const struct spot *spot,
                        const char *p, const char **ret_end)
{
    struct json_slice v = {p, 0, *p == '{' ? 'o' : 'a'};
    AUTO(buf) struct buf words = {0};
    bool container = *p == '{' || *p == '[';
    int r;

    if (!container || s->has_choices || s->has_const) {
        *ret_end = schema_check_skip(c, p, &v);
        r = schema_check_charge(c, spot, container ? v.len * 2 : v.len / UNIT_BYTES);
        if (r < 0)
            return r;
    }
    if (s->has_choices || s->has_const) {
        r = schema_value_check_choices(c, s, spot, &v);
        if (r < 0)
            return r;
    }
    if (s->types && !(s->types & type_of(&v))) {
        schema_check_skip(c, p, &v);
        if (!c->quiet)
            schema_words_value(s, &words);
        return schema_value_mismatch(c, s, spot, &v, buf_str(&words));
    }
    if (*p == '{')
        r = check_object(c, s, spot, p, ret_end);
    else if (*p == '[')
        r = check_array(c, s, spot, p, ret_end);
    else
        r = schema_value_check_scalar(c, s, spot, &v);
    if (r < 0 || !s->has_more)
        return r;
    v.len = (size_t)(*ret_end - p);
    return check_more(c, s, spot, &v);
}

int schema_check_value(struct check *c, const struct schema *s, const struct spot *spot,
                       const char *p, const char **ret_end)
{
    struct json_slice v;
    int r;

    if (p >= c->end)
        return schema_value_say(c, spot, ORB_E_SCHEMA, "expected a value; got the end of the text");
    r = schema_check_charge(c, spot, 1);
    if (r < 0)
        return r;
    if (c->depth == MAX_NESTING)
        return schema_value_say(c, spot, ORB_E_LIMIT,
                                "schemas are nested too deeply; the limit is %d", MAX_NESTING);
    if (s->kind == SCHEMA_ALWAYS) {
        *ret_end = schema_check_skip(c, p, &v);
        return schema_check_charge(c, spot, v.len / UNIT_BYTES);
    }
    if (s->kind == SCHEMA_NEVER) {
        *ret_end = schema_check_skip(c, p, &v);
        return schema_value_mismatch(c, s, spot, &v, "nothing here");
    }
    c->depth++;
    r = s->only_ref ? schema_check_value(c, s->ref, spot, p, ret_end)
                    : check_normal(c, s, spot, p, ret_end);
    c->depth--;
    return r;
}

void schema_check_init(struct check *c, const char *text, size_t len, const char *base_path,
                       struct orb_err *err)
{
    *c = (struct check){
        .end = text + len,
        .budget = FREE_UNITS + (uint64_t)len * UNITS_PER_BYTE,
        .base = base_path ? base_path : "",
        .err = err,
    };
}

/* What was found is left out of the sentence; what was expected stays. */
static void hide_found(struct orb_err *err)
{
    char *got = strstr(err->text, "; got ");

    if (got)
        snprintf(got, sizeof(err->text) - (size_t)(got - err->text),
                 "; got something else (it is secret)");
}

static int check_all(struct check *c, const struct schema *schema, const char *text)
{
    struct orb_err *err = c->err;
    const char *ignored;
    int r = schema_check_value(c, schema, NULL, json_space(text, c->end), &ignored);

    if (r == ORB_E_SCHEMA && err && schema->unit->has_secrets &&
        (strlen(err->path) == sizeof(err->path) - 1 ||
         schema_secret_hides(schema, err->path + strlen(c->base))))
        hide_found(err);
    return r;
}

int schema_check(const struct schema *schema, const char *text, size_t len, const char *base_path,
                 struct orb_err *err)
{
    struct check c;

    schema_check_init(&c, text, len, base_path, err);
    return check_all(&c, schema, text);
}

int schema_check_within(const struct schema *schema, const char *text, size_t len,
                        const char *base_path, struct schema_shared *shared, struct orb_err *err)
{
    struct check c;
    uint64_t own = OWN_UNITS + (uint64_t)len * UNITS_PER_BYTE, given, used;
    int r;

    schema_check_init(&c, text, len, base_path, err);
    given = own + (shared->units < FREE_UNITS ? shared->units : FREE_UNITS);
    c.budget = given;
    c.shared = shared;
    r = check_all(&c, schema, text);
    used = given - c.budget;
    if (used > own)
        shared->units -= used - own;
    return r;
}

int schema_check_some(const struct schema *schema, const char *text, size_t len, uint64_t units,
                      struct orb_err *err)
{
    struct check c;
    int r;

    schema_check_init(&c, text, len, "", err);
    if (c.budget <= units)
        return check_all(&c, schema, text);
    c.budget = units;
    r = check_all(&c, schema, text);
    return r == ORB_E_LIMIT && c.budget == 0 ? SCHEMA_MORE : r;
}
