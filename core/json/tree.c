/* Trees: parsing after scan_json, JSON pointers, lookup and edits. Output is in tree_dump.c. */
#include "core/json/tree.h"

#include <stdlib.h>
#include <math.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/pointer.h"
#include "core/base/xalloc.h"
#include "core/json/json.h"

#define AT_ONCE 16384u /* bytes of text made into a tree in one step */

#define MAX_TOKENS 64

static json_t *load(const char *text, size_t len, json_error_t *why)
{
    return json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, why);
}

static json_t *load_pausing(const char *text, size_t len, const struct json_limits *limits,
                            json_error_t *why);

static int add_item(json_t *to, const struct json_item *item, const struct json_limits *limits,
                    json_error_t *why)
{
    json_t *one = load_pausing(item->value.p, item->value.len, limits, why);
    AUTO_FREE char *key = NULL;

    if (!one)
        return -1;
    if (!item->key)
        return json_array_append_new(to, one);
    key = xcalloc(1, item->key_len + 1);
    json_unescape(item->key, item->key_len, key);
    return json_object_set_new_nocheck(to, key, one);
}

/* Containers with long texts member by member. The text was scanned: it is well-formed, and no key
 * occurs twice in an object. */
static json_t *load_pausing(const char *text, size_t len, const struct json_limits *limits,
                            json_error_t *why)
{
    struct json_item item;
    struct json_iter iter;
    json_t *tree;

    if (len <= AT_ONCE ||
        (!json_iter_init(&iter, '{', text, len) && !json_iter_init(&iter, '[', text, len))) {
        limits->pause(limits->arg);
        return load(text, len, why);
    }
    iter.pause = limits->pause;
    iter.arg = limits->arg;
    tree = iter.object ? json_object() : json_array();
    while (json_iter_next(&iter, &item))
        if (add_item(tree, &item, limits, why) < 0) {
            json_decref(tree);
            return NULL;
        }
    return tree;
}

int tree_parse(const char *text, size_t len, const struct json_limits *limits, json_t **ret_tree,
               struct orb_err *err)
{
    json_error_t why = {0};
    json_t *tree;
    int r;

    r = scan_json(text, len, limits, err);
    if (r < 0)
        return r;
    tree = limits && limits->pause ? load_pausing(text, len, limits, &why) : load(text, len, &why);
    if (!tree && json_error_code(&why) == json_error_out_of_memory)
        return orb_fail(err, ORB_E_NOMEM, "out of memory for a JSON text of %zu bytes", len);
    if (!tree)
        return orb_fail(err, ORB_E_SYNTAX, "at byte %d (%d:%d): %s", why.position, why.line,
                        why.column, why.text);
    *ret_tree = tree;
    return 0;
}

int tree_split_pointer(const char *pointer, const char **tokens, int max, char **ret_storage)
{
    AUTO_FREE char *copy = xstrdup(pointer);
    char *rest = copy + 1;
    int n = 0;

    if (copy[0] && copy[0] != '/')
        return -1;
    while (copy[0] && rest) {
        char *token = strsep(&rest, "/");

        if (n == max || !pointer_unescape(token))
            return -1;
        tokens[n++] = token;
    }
    *ret_storage = take_ptr(copy);
    return n;
}

/* An array index as RFC 6901 writes it; -1 when it is none or beyond the array. */
static int index_of(const json_t *array, const char *token)
{
    size_t n = strspn(token, "0123456789"), i;

    if (n == 0 || n > 9 || token[n] || (token[0] == '0' && n > 1))
        return -1;
    i = strtoul(token, NULL, 10);
    return i < json_array_size(array) ? (int)i : -1;
}

static json_t *child(const json_t *node, const char *token)
{
    if (json_is_object(node))
        return json_object_get(node, token);
    if (json_is_array(node)) {
        int i = index_of(node, token);

        return i < 0 ? NULL : json_array_get(node, (size_t)i);
    }
    return NULL;
}

json_t *tree_get(const json_t *root, const char *pointer)
{
    const char *tokens[MAX_TOKENS];
    AUTO_FREE char *storage = NULL;
    json_t *node = (json_t *)root;
    int n = tree_split_pointer(pointer, tokens, MAX_TOKENS, &storage);

    if (n < 0)
        return NULL;
    for (int i = 0; node && i < n; i++)
        node = child(node, tokens[i]);
    return node;
}

static const char *kind(const json_t *node)
{
    static const char *const names[] = {"an object", "an array",  "a string",  "a number",
                                        "a number",  "a boolean", "a boolean", "null"};

    return names[json_typeof(node)];
}

static int replace_root(json_t *root, json_t *value, struct orb_err *err)
{
    int r = 0;

    if (!json_is_object(root) || !json_is_object(value))
        return orb_fail(err, ORB_E_INVALID, "the whole tree is an object; got %s", kind(value));
    if (root != value) {
        json_object_clear(root);
        r = json_object_update(root, value);
    }
    return r < 0 ? orb_fail(err, ORB_E_NOMEM, "out of memory for the tree") : 0;
}

/* Sets value (borrowed) under the last token of node. */
static int put(json_t *node, const char *token, json_t *value, const char *pointer,
               struct orb_err *err)
{
    int r;

    if (json_is_object(node)) {
        r = json_object_set(node, token, value);
    } else if (json_is_array(node) && !strcmp(token, "-")) {
        r = json_array_append(node, value);
    } else if (json_is_array(node)) {
        int i = index_of(node, token);

        if (i < 0)
            return orb_fail_at(err, ORB_E_INVALID, pointer,
                               "expected an index below %zu or -; got %s", json_array_size(node),
                               token);
        r = json_array_set(node, (size_t)i, value);
    } else {
        return orb_fail_at(err, ORB_E_INVALID, pointer, "cannot have a member %s: it is %s", token,
                           kind(node));
    }
    return r < 0 ? orb_fail_at(err, ORB_E_INVALID, pointer,
                               "cannot put the value there (out of memory, a name that is not "
                               "UTF-8, or a tree put into itself)")
                 : 0;
}

int tree_set(json_t *root, const char *pointer, json_t *value, struct orb_err *err)
{
    const char *tokens[MAX_TOKENS];
    AUTO_FREE char *storage = NULL;
    AUTO(json_t) json_t *made = value;
    json_t *node = root;
    int n = tree_split_pointer(pointer, tokens, MAX_TOKENS, &storage), have = 0;

    if (!value)
        return orb_fail(err, ORB_E_NOMEM, "out of memory for a value");
    if (n < 0)
        return orb_fail_at(err, ORB_E_INVALID, pointer,
                           "expected a JSON pointer of at most %d names, each behind a /",
                           MAX_TOKENS);
    if (n == 0)
        return replace_root(root, value, err);
    for (; have < n - 1; have++) {
        json_t *next = child(node, tokens[have]);

        if (!next)
            break;
        node = next;
    }
    /* What is missing is built from the inside out, so that a failure leaves the tree as it was. */
    for (int i = n - 1; i > have; i--) {
        json_t *outer = json_object();

        if (!outer || json_object_set(outer, tokens[i], made) < 0) {
            json_decref(outer);
            return orb_fail_at(err, ORB_E_INVALID, pointer,
                               "cannot name a member %s (out of memory, or not UTF-8)", tokens[i]);
        }
        json_decref(made);
        made = outer;
    }
    return put(node, tokens[have], made, pointer, err);
}

int tree_delete(json_t *root, const char *pointer, bool prune)
{
    const char *tokens[MAX_TOKENS];
    json_t *nodes[MAX_TOKENS + 1];
    AUTO_FREE char *storage = NULL;
    int n = tree_split_pointer(pointer, tokens, MAX_TOKENS, &storage);

    if (n < 0)
        return 0;
    if (n == 0) {
        size_t had = json_object_size(root);

        json_object_clear(root);
        return had > 0;
    }
    nodes[0] = root;
    for (int i = 0; i < n; i++) {
        nodes[i + 1] = child(nodes[i], tokens[i]);
        if (!nodes[i + 1])
            return 0;
    }
    for (int i = n - 1; i >= 0; i--) {
        if (json_is_object(nodes[i]))
            json_object_del(nodes[i], tokens[i]);
        else
            json_array_remove(nodes[i], (size_t)index_of(nodes[i], tokens[i]));
        if (!prune || i == 0 || !json_is_object(nodes[i]) || json_object_size(nodes[i]) > 0)
            break;
    }
    return 1;
}

#define EXACT 9007199254740992.0 /* 2^53: up to here a double has every integer */

json_t *tree_integers_pausing(json_t *value, void (*pause)(void *arg), void *arg)
{
    const char *key;
    json_t *member;
    void *next;
    size_t i;

    if (pause)
        pause(arg);
    if (json_is_real(value)) {
        double d = json_real_value(value);

        if (d != trunc(d) || d < -EXACT || d > EXACT)
            return value;
        json_decref(value);
        return json_integer((json_int_t)d);
    }
    json_object_foreach_safe(value, next, key, member)
    {
        if (json_is_real(member))
            json_object_set_new(value, key, tree_integers_pausing(json_incref(member), NULL, NULL));
        else
            tree_integers_pausing(member, pause, arg);
    }
    json_array_foreach (value, i, member) {
        if (json_is_real(member))
            json_array_set_new(value, i, tree_integers_pausing(json_incref(member), NULL, NULL));
        else
            tree_integers_pausing(member, pause, arg);
    }
    return value;
}

json_t *tree_integers(json_t *value)
{
    return tree_integers_pausing(value, NULL, NULL);
}
