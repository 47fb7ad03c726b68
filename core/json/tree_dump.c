/* Writes trees as text. The compact form is canonical (what revisions are hashed over), therefore
 * not jansson's own: keys are in tree_dump_compare order and a real is its shortest spelling. */
#include "core/json/tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

struct dump {
    struct buf *to;
    bool pretty;
    bool equal; /* 1.0 is written 1 */
    int depth;
    void (*pause)(void *arg); /* between values; NULL: it is not called */
    void *arg;
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

int tree_dump_compare(const char *a, const char *b)
{
    size_t a_len = 0, b_len = 0;
    const char *na = number_of(a, &a_len), *nb = number_of(b, &b_len);
    int r;

    if (!na != !nb)
        return na ? -1 : 1;
    if (na && a_len != b_len)
        return a_len < b_len ? -1 : 1;
    r = na ? memcmp(na, nb, a_len) : 0;
    return r ? r : strcmp(a, b);
}

static int on_compare(const void *a, const void *b)
{
    return tree_dump_compare(*(const char *const *)a, *(const char *const *)b);
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
    AUTO_FREE const char **keys = xcalloc(n, sizeof(*keys));
    const char *key;
    json_t *member;

    json_object_foreach ((json_t *)node, key, member)
        keys[i++] = key;
    qsort(keys, n, sizeof(*keys), on_compare);
    buf_addc(d->to, '{');
    d->depth++;
    for (i = 0; i < n; i++) {
        if (i)
            buf_addc(d->to, ',');
        line(d);
        buf_add_json(d->to, keys[i], strlen(keys[i]));
        buf_adds(d->to, d->pretty ? ": " : ":");
        dump_value(d, json_object_get(node, keys[i]));
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
