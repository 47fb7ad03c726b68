/* Shared by the files of the overlay. */
#ifndef CONFIG_OVERLAY_INTERNAL_H
#define CONFIG_OVERLAY_INTERNAL_H

#include "plugins/config/overlay.h"

/* Index of the first change that is not before path. */
size_t overlay_lower(const struct overlay *o, const char *path);
/* The change at path or an ancestor, NULL: none; *ret_rest is the remainder of path. */
struct change *overlay_above(const struct overlay *o, const char *path, const char **ret_rest);
/* The changes strictly below path: [first, *ret_end). */
size_t overlay_below(const struct overlay *o, const char *path, size_t *ret_end);
/* Frees the changes [first, end). */
void overlay_drop(struct overlay *o, size_t first, size_t end);
/* A change with the overlay's stamp; value is taken. */
void overlay_insert(struct overlay *o, size_t at, const char *path, json_t *value);
/* Length of the shortest prefix of path at which base cannot hold what is below; 0: it holds it. */
size_t overlay_broken_prefix(const json_t *base, const char *path);
/* Is value at path what is there already (struct overlay, parts)? */
bool overlay_is_same(const struct parts *parts, const char *path, json_t *old, json_t *value);
/* The next token of path after its first skip bytes (which end before a '/'): its length. */
size_t overlay_token_len(const char *path, size_t skip);
/* The member name of the token of len bytes at text, unescaped; the caller's. */
char *overlay_token_name(const char *text, size_t len);

#endif
