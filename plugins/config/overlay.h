/* A set of changes over a tree that it does not own. No change is at an ancestor or descendant of
 * another one, so their order does not matter, and the value at any path is determined by the few
 * changes near it: the tree is never copied as a whole. */
#ifndef CONFIG_OVERLAY_H
#define CONFIG_OVERLAY_H

#include <stdbool.h>

#include "core/json/tree.h"
#include "plugins/config/parts.h"

struct change {
    char *path;
    json_t *value;  /* NULL: deleted. Belongs to the overlay alone, so it may be edited in place */
    uint64_t base;  /* the overlay's stamp when it was made: the revision its author looked at */
    uint64_t clash; /* the newest revision that is known to change the same (rebase.c), 0: none */
};

struct overlay {
    struct change *list; /* sorted by path, '/' before every other byte: a subtree is one range */
    size_t count, cap;
    uint64_t stamp;
    /* Set: writing a secret counts as a change even with the same value, so that a diff discloses
     * nothing about it. NULL: only differences count. */
    const struct parts *parts;
};

/* Frees the changes; the overlay is empty and may be used again. */
void overlay_fini(struct overlay *o);
static inline void own_overlay(struct overlay *o)
{
    overlay_fini(o);
}

/* Sets (value, taken) or deletes (NULL) the value at path. A change without effect on base is
 * dropped. path is not "". */
int overlay_set(struct overlay *o, const json_t *base, const char *path, json_t *value,
                struct orb_err *err);
/* The value at path; a new reference, NULL for none. Read only: parts are shared with base. */
json_t *overlay_get(const struct overlay *o, const json_t *base, const char *path);
/* Does anything stand at path? Nothing is copied. */
bool overlay_has(const struct overlay *o, const json_t *base, const char *path);

/* Calls cb for each change at, above or below path until it returns non-zero; returns that. */
int overlay_touching(const struct overlay *o, const char *path,
                     int (*cb)(void *arg, struct change *change), void *arg);
/* Whether there is a change at path or an ancestor. */
bool overlay_covers(const struct overlay *o, const char *path);
/* Is a at, above or below b? */
bool overlay_path_touches(const char *a, const char *b);
/* Is path at or below top? */
bool overlay_path_under(const char *path, const char *top);
/* Order of the list: below, at or above 0 as of strcmp(), where what is below a path follows it
 * at once. */
int overlay_compare_paths(const char *a, const char *b);

#endif
