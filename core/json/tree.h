/* Wraps jansson: text becomes a tree only after scan_json. The only directory that includes
 * <jansson.h>; code that uses trees includes this header. */
#ifndef CORE_JSON_TREE_H
#define CORE_JSON_TREE_H

#include <jansson.h>

#include "core/base/buf.h"
#include "core/json/scan.h"

static inline void own_json_t(json_t **json)
{
    json_decref(*json);
}

/* Scan + build. limits as scan_json. The caller owns the result. */
int tree_parse(const char *text, size_t len, const struct json_limits *limits, json_t **ret_tree,
               struct orb_err *err);
/* Whole numbers become integers, whatever their spelling: 1400.0 and 14e2 are 1400. In place; value
 * itself is returned, or what replaces it (taken). */
json_t *tree_integers(json_t *value);
/* The same; pause (NULL: none) is called with arg between the values. Only the caller may use value
 * meanwhile. */
json_t *tree_integers_pausing(json_t *value, void (*pause)(void *arg), void *arg);
/* Compact text with sorted keys (numeric keys in numeric order): the canonical form. */
void tree_dump(const json_t *tree, struct buf *ret_text);
/* The same; pause (NULL: none) is called with arg between the values, which must not change
 * meanwhile. */
void tree_dump_pausing(const json_t *tree, struct buf *ret_text, void (*pause)(void *arg),
                       void *arg);
/* The same with two-space indentation. */
void tree_dump_pretty(const json_t *tree, struct buf *ret_text);
/* The same bytes for every text of the same JSON value (1 and 1.0, any order of members); for
 * comparing, not for storing. */
void tree_dump_equal(const json_t *tree, struct buf *ret_text);

struct schema;
struct schema_shared;
/* Replaces secret values (schema_secret_hides) and values without a schema in value, which is at
 * pointer below schema, by the text mask. Takes value; the result is the caller's; changed parts
 * are copies. */
json_t *schema_secret_mask(const struct schema *schema, const char *pointer, json_t *value,
                           const char *mask);
/* The same, with shared->pause called between the values; its units are left alone. */
json_t *schema_secret_mask_within(const struct schema *schema, const char *pointer, json_t *value,
                                  const char *mask, const struct schema_shared *shared);

/* JSON pointer (RFC 6901) look-up; NULL when absent. Borrowed. */
json_t *tree_get(const json_t *root, const char *pointer);
/* Sets the value at pointer, making objects on the way; value is taken (also on failure). */
int tree_set(json_t *root, const char *pointer, json_t *value, struct orb_err *err);
/* Removes the value; prune: also parents that become empty objects. 1 removed, 0 was not there. */
int tree_delete(json_t *root, const char *pointer, bool prune);
/* Splits a pointer into unescaped tokens. Returns their number; at most max. Tokens point into
 * storage, which the caller frees. -1: not a pointer, or more than max
 * tokens. */
int tree_split_pointer(const char *pointer, const char **tokens, int max, char **ret_storage);
/* Order of two keys: numbers first, by value; then others, bytewise. */
int tree_dump_compare(const char *a, const char *b);

#endif
