/* uniqueItems. Simple elements – integers, strings without escapes, true, false, null – are equal
 * exactly when their texts are equal, and are compared as text; all others are parsed into trees,
 * which costs a hundred times as much. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/json.h"
#include "core/json/schema_check.h"

#define TREE_UNITS 6 /* a byte made into a tree, written again and compared */

static bool is_plain(const struct json_slice *v)
{
    if (v->type == 'o' || v->type == 'a')
        return false;
    if (v->type == 's')
        return !memchr(v->p, '\\', v->len);
    for (size_t i = 0; i < v->len; i++)
        if (v->p[i] == '.' || v->p[i] == 'e' || v->p[i] == 'E')
            return v->p[0] == 't' || v->p[0] == 'f'; /* true, false */
    return v->len != 2 || v->p[0] != '-' || v->p[1] != '0';
}

static uint32_t hash_of(const struct json_slice *v)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < v->len; i++)
        h = (h ^ (unsigned char)v->p[i]) * 16777619u;
    return h ^ h >> 15;
}

struct elements {
    struct json_slice *all;
    size_t count, room;
    bool plain;
};

static int collect(const struct check *c, struct elements *e, const struct json_slice *array)
{
    struct json_iter it;
    struct json_item item;

    e->plain = json_iter_init(&it, '[', array->p, array->len);
    if (c->shared) {
        it.pause = c->shared->pause;
        it.arg = c->shared->arg;
    }
    while (e->plain && json_iter_next(&it, &item)) {
        if (e->count == e->room) {
            struct json_slice *more;

            e->room = e->room ? e->room * 2 : 64;
            more = realloc(e->all, e->room * sizeof(*more));
            if (!more)
                return -1;
            e->all = more;
        }
        e->all[e->count++] = item.value;
        e->plain = is_plain(&item.value);
    }
    return 0;
}

static int repeated(struct check *c, const struct spot *spot, size_t index,
                    const struct json_slice *v)
{
    struct spot at = {.up = spot, .index = index};

    return schema_value_say(c, &at, ORB_E_SCHEMA, "expected each element once; got %.*s again",
                            (int)(v->len < 100 ? v->len : 100), v->p);
}

/* A table twice as large as there are elements; the hash is not secret, so how far an element is
 * looked for is charged. */
static int check_plain(struct check *c, const struct spot *spot, const struct elements *e)
{
    size_t slots = 64, steps = 0;
    AUTO_FREE uint32_t *table = NULL;

    while (slots < e->count * 2)
        slots *= 2;
    table = calloc(slots, sizeof(*table));
    if (!table)
        return schema_value_say(c, spot, ORB_E_NOMEM, "out of memory for comparing elements");
    for (size_t i = 0; i < e->count; i++) {
        const struct json_slice *v = &e->all[i];
        size_t at = hash_of(v) & (slots - 1);

        for (; table[at]; at = (at + 1) & (slots - 1), steps++) {
            const struct json_slice *other = &e->all[table[at] - 1];

            if (other->len == v->len && memcmp(other->p, v->p, v->len) == 0)
                return repeated(c, spot, i, v);
        }
        table[at] = (uint32_t)i + 1;
        if (steps > 16) {
            if (schema_check_charge(c, spot, steps / 4) < 0)
                return ORB_E_LIMIT;
            steps = 0;
        }
    }
    return 0;
}

static int check_trees(struct check *c, const struct spot *spot, const struct json_slice *v)
{
    AUTO(json_t) json_t *tree = NULL, *seen = NULL;
    AUTO(buf) struct buf text = {0};
    int r = schema_check_charge(c, spot, v->len * TREE_UNITS);

    if (r < 0)
        return r;
    seen = json_object();
    tree = json_loadb(v->p, v->len, JSON_REJECT_DUPLICATES, NULL);
    for (size_t i = 0; tree && i < json_array_size(tree); i++) {
        struct spot at = {.up = spot, .index = i};

        buf_clear(&text);
        tree_dump_equal(json_array_get(tree, i), &text);
        if (json_object_get(seen, text.data))
            return schema_value_say(c, &at, ORB_E_SCHEMA,
                                    "expected each element once; got %.100s again",
                                    text.data[0] == '{'   ? "this object"
                                    : text.data[0] == '[' ? "this array"
                                                          : text.data);
        if (json_object_set_new(seen, text.data, json_true()) < 0)
            tree = (json_decref(tree), NULL);
    }
    return tree ? 0
                : schema_value_say(c, spot, ORB_E_NOMEM, "out of memory for comparing elements");
}

int schema_unique_check(struct check *c, const struct spot *spot, const struct json_slice *v)
{
    struct elements e = {0};
    int r = schema_check_charge(c, spot, v->len / 4);

    if (r == 0 && collect(c, &e, v) < 0)
        r = schema_value_say(c, spot, ORB_E_NOMEM, "out of memory for comparing elements");
    if (r == 0)
        r = e.plain ? check_plain(c, spot, &e) : check_trees(c, spot, v);
    free(e.all);
    return r;
}
