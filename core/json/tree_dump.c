/* Writes trees as text. The compact form is canonical (what revisions are hashed over), therefore
 * not jansson's own: keys are in tree_dump_compare order and a real is its shortest spelling. */
#include "core/json/tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

#define COMPARED_AT_ONCE 256u /* keys, between two pauses */

struct dump {
    struct buf *to;
    bool pretty;
    bool equal; /* 1.0 is written 1 */
    int depth;
    void (*pause)(void *arg); /* between values; NULL: it is not called */
    void *arg;
    unsigned compared; /* keys */
};

static void dump_value(struct dump *d, const json_t *node);

/* Digits of a key without leading zeros, or NULL when it is no number. */
static const char *number_of(const char *key, size_t *ret_len)
{
    size_t n = strspn(key, "0123456789");

    if (n == 0 || key[n])
        return NULL;
    while (n > 1 && *key == '0') {
        key++;
        n--;
    }
    *ret_len = n;
    return key;
}

/* A member and what its key is compared by. */
struct member {
    const char *key, *number; /* number_of(key) */
    size_t len;               /* of number */
    const json_t *value;
};

static struct member member_of(const char *key, const json_t *value)
{
    struct member m = {.key = key, .value = value};

    m.number = number_of(key, &m.len);
    return m;
}

static int on_compare(const void *one, const void *other)
{
    const struct member *a = one, *b = other;
    int r;

    if (!a->number != !b->number)
        return a->number ? -1 : 1;
    if (a->number && a->len != b->len)
        return a->len < b->len ? -1 : 1;
    r = a->number ? memcmp(a->number, b->number, a->len) : 0;
    return r ? r : strcmp(a->key, b->key);
}

static int on_compare_of(const void *one, const void *other, void *arg)
{
    struct dump *d = arg;

    if (d->pause && ++d->compared % COMPARED_AT_ONCE == 0)
        d->pause(d->arg);
    return on_compare(one, other);
}

int tree_dump_compare(const char *a, const char *b)
{
    const struct member one = member_of(a, NULL), other = member_of(b, NULL);

    return on_compare(&one, &other);
}

static void line(struct dump *d)
{
    if (!d->pretty)
        return;
    buf_addc(d->to, '\n');
    for (int i = 0; i < d->depth; i++)
        buf_adds(d->to, "  ");
}

static void dump_object(struct dump *d, const json_t *node)
{
    size_t n = json_object_size(node), i = 0;
    AUTO_FREE struct member *members = xcalloc(n, sizeof(*members));
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)node, key, value)
        members[i++] = member_of(key, value);
    qsort_r(members, n, sizeof(*members), on_compare_of, d);
    buf_addc(d->to, '{');
    d->depth++;
    for (i = 0; i < n; i++) {
        if (i)
            buf_addc(d->to, ',');
        line(d);
        buf_add_json(d->to, members[i].key, strlen(members[i].key));
        buf_adds(d->to, d->pretty ? ": " : ":");
        dump_value(d, members[i].value);
    }
    d->depth--;
    if (n)
        line(d);
    buf_addc(d->to, '}');
}

/* Arrays in configurations hold scalars: they stay on one line. */
static void dump_array(struct dump *d, const json_t *node)
{
    size_t n = json_array_size(node);

    buf_addc(d->to, '[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_adds(d->to, d->pretty ? ", " : ",");
        dump_value(d, json_array_get(node, i));
    }
    buf_addc(d->to, ']');
}

/* The shortest of the spellings with 15 to 17 digits that reads back as the same double. */
static void dump_real(struct dump *d, double real)
{
    char text[40];

    if (d->equal && real == trunc(real) && real >= -0x1p63 && real < 0x1p63) {
        buf_addf(d->to, "%lld", (long long)real);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    buf_adds(d->to, text);
    if (!strpbrk(text, ".e"))
        buf_adds(d->to, ".0"); /* else it would come back as an integer */
}

static void dump_value(struct dump *d, const json_t *node)
{
    if (d->pause)
        d->pause(d->arg);
    switch (json_typeof(node)) {
    case JSON_OBJECT:
        dump_object(d, node);
        break;
    case JSON_ARRAY:
        dump_array(d, node);
        break;
    case JSON_STRING:
        buf_add_json(d->to, json_string_value(node), json_string_length(node));
        break;
    case JSON_INTEGER:
        buf_addf(d->to, "%" JSON_INTEGER_FORMAT, json_integer_value(node));
        break;
    case JSON_REAL:
        dump_real(d, json_real_value(node));
        break;
    case JSON_TRUE:
        buf_adds(d->to, "true");
        break;
    case JSON_FALSE:
        buf_adds(d->to, "false");
        break;
    case JSON_NULL:
        buf_adds(d->to, "null");
        break;
    }
}

void tree_dump(const json_t *tree, struct buf *ret_text)
{
    struct dump d = {.to = ret_text};

    dump_value(&d, tree);
}

void tree_dump_pausing(const json_t *tree, struct buf *ret_text, void (*pause)(void *arg),
                       void *arg)
{
    struct dump d = {.to = ret_text, .pause = pause, .arg = arg};

    dump_value(&d, tree);
}

void tree_dump_pretty(const json_t *tree, struct buf *ret_text)
{
    struct dump d = {.to = ret_text, .pretty = true};

    dump_value(&d, tree);
}

void tree_dump_equal(const json_t *tree, struct buf *ret_text)
{
    struct dump d = {.to = ret_text, .equal = true};

    dump_value(&d, tree);
}
