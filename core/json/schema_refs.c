/* Finds the values that must be keys of a map elsewhere (x-orb-ref). Subschemas from which no such
 * keyword is reachable are skipped. Alternatives are tried on each level, so one budget covers
 * walking and trying together. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/json.h"
#include "core/json/schema_check.h"

#define DEEPEST 64
#define STEP_UNITS 6 /* its path is written, too */
#define BUDGETS 4    /* of one check: alternatives in alternatives read their values again */
#define FREE_UNITS 400000
#define OWN_UNITS 64

struct walk {
    schema_ref_fn *cb;
    void *arg;
    struct buf path;
    unsigned depth;
    struct check check; /* its budget is that of the walk; quiet */
};

static int walk_value(struct walk *w, const struct schema *s, const struct json_slice *v);

static char *word_of(const struct json_slice *v)
{
    char *word = xcalloc(1, v->len + 1);

    if (v->type == 's')
        word[json_unescape(v->p + 1, v->len < 2 ? 0 : v->len - 2, word)] = '\0';
    else
        memcpy(word, v->p, v->len);
    return word;
}

/* Of patternProperties, for a name of len bytes. */
static int charge_patterns(struct walk *w, const struct schema *s, size_t len)
{
    uint64_t units = 0;

    for (size_t i = 0; i < s->pattern_count; i++)
        units += schema_check_match_units(&s->patterns[i], len);
    return schema_check_charge(&w->check, NULL, units);
}

static int walk_member(struct walk *w, const struct schema *s, const struct json_item *item)
{
    struct json_slice key = {item->key - 1, item->key_len + 2, 's'};
    AUTO_FREE char *name = word_of(&key);
    const struct member *m = schema_member(s, name, strlen(name));
    bool known = m && m->schema;
    size_t before = w->path.len;
    int r = 0;

    buf_add_pointer(&w->path, name);
    if (s->names)
        r = walk_value(w, s->names, &key);
    if (r == 0 && s->pattern_count)
        r = charge_patterns(w, s, strlen(name));
    if (r == 0 && known)
        r = walk_value(w, m->schema, &item->value);
    for (size_t i = 0; r == 0 && i < s->pattern_count; i++)
        if (schema_value_match(&s->patterns[i], name, strlen(name)) > 0) {
            known = true;
            r = walk_value(w, s->patterns[i].schema, &item->value);
        }
    if (r == 0 && !known && s->additional)
        r = walk_value(w, s->additional, &item->value);
    w->path.len = before;
    w->path.data[before] = '\0';
    return r;
}

static int walk_element(struct walk *w, const struct schema *s, const struct json_item *item,
                        size_t index)
{
    size_t before = w->path.len;
    int r;

    buf_addf(&w->path, "/%zu", index);
    r = walk_value(w, s->items, &item->value);
    w->path.len = before;
    w->path.data[before] = '\0';
    return r;
}

static int walk_alternatives(struct walk *w, const struct schema_list *list,
                             const struct json_slice *v)
{
    const char *ignored;

    for (size_t i = 0; i < list->count; i++) {
        int r;

        w->check.end = v->p + v->len;
        w->check.depth = 0;
        r = schema_check_value(&w->check, list->all[i], NULL, v->p, &ignored);
        if (r == 0)
            return walk_value(w, list->all[i], v);
        if (r != ORB_E_SCHEMA)
            return r;
    }
    return 0;
}

static bool iter_init(const struct walk *w, struct json_iter *it, char kind,
                      const struct json_slice *v)
{
    bool fits = json_iter_init(it, kind, v->p, v->len);

    if (fits) {
        it->pause = w->check.shared->pause;
        it->arg = w->check.shared->arg;
    }
    return fits;
}

static int walk_node(struct walk *w, const struct schema *s, const struct json_slice *v)
{
    struct json_iter it;
    struct json_item item;
    size_t index = 0;
    int r = 0;

    if (s->ref_target && v->type != 'o' && v->type != 'a' && v->type != '0') {
        AUTO_FREE char *word = word_of(v);

        r = w->cb(w->arg, buf_str(&w->path), s->ref_target, word);
    }
    if (v->type == 'o' && iter_init(w, &it, '{', v))
        while (r == 0 && json_iter_next(&it, &item))
            r = walk_member(w, s, &item);
    if (v->type == 'a' && s->items && iter_init(w, &it, '[', v))
        while (r == 0 && json_iter_next(&it, &item))
            r = walk_element(w, s, &item, index++);
    if (r == 0 && s->ref)
        r = walk_value(w, s->ref, v);
    for (size_t i = 0; r == 0 && i < s->all_of.count; i++)
        r = walk_value(w, s->all_of.all[i], v);
    if (r == 0)
        r = walk_alternatives(w, &s->any_of, v);
    if (r == 0)
        r = walk_alternatives(w, &s->one_of, v);
    return r;
}

static int walk_value(struct walk *w, const struct schema *s, const struct json_slice *v)
{
    int r;

    if (!s->leads_to_ref || w->depth == DEEPEST)
        return 0;
    r = schema_check_charge(&w->check, NULL, STEP_UNITS + v->len / UNIT_BYTES);
    if (r < 0)
        return r;
    w->depth++;
    r = walk_node(w, s, v);
    w->depth--;
    return r;
}

bool schema_refs_any(const struct schema *schema)
{
    return schema->leads_to_ref;
}

int schema_refs_each(const struct schema *schema, const char *text, size_t len,
                     const char *base_path, schema_ref_fn *cb, void *arg)
{
    struct schema_shared alone = {.units = FREE_UNITS};

    return schema_refs_each_within(schema, text, len, base_path, &alone, cb, arg);
}

int schema_refs_each_within(const struct schema *schema, const char *text, size_t len,
                            const char *base_path, struct schema_shared *shared, schema_ref_fn *cb,
                            void *arg)
{
    uint64_t own = OWN_UNITS + (uint64_t)len * UNITS_PER_BYTE * BUDGETS;
    uint64_t given = own + (shared->units < FREE_UNITS ? shared->units : FREE_UNITS), used;
    struct walk w = {.cb = cb, .arg = arg};
    const char *end = text + len, *p = json_space(text, end);
    struct json_slice v;
    int r;

    if (p == end || !schema->leads_to_ref)
        return 0;
    schema_check_init(&w.check, text, len, "", NULL);
    w.check.budget = given;
    w.check.shared = shared;
    w.check.quiet = 1;
    buf_adds(&w.path, base_path ? base_path : "");
    schema_check_skip(&w.check, p, &v);
    r = walk_value(&w, schema, &v);
    used = given - w.check.budget;
    if (used > own)
        shared->units -= used - own;
    buf_fini(&w.path);
    return r;
}
