/* "Did you mean …?": the known name nearest to an unknown word. */
#ifndef CORE_BASE_SUGGEST_H
#define CORE_BASE_SUGGEST_H

#include <stddef.h>

#define SUGGEST_MAX 40 /* bytes of a text that are compared */

/* The three arguments for "%s%s%s": "; did you mean NEAR?", nothing where near is NULL. */
#define SUGGEST_ARGS(near) (near) ? "; did you mean " : "", (near) ? (near) : "", (near) ? "?" : ""

/* Edits (insert, delete, replace, swap of neighbours: the optimal string alignment distance) that
 * lead from a to b, whose case does not count. Of longer texts the first SUGGEST_MAX bytes are
 * compared. */
unsigned suggest_distance(const char *a, size_t a_len, const char *b, size_t b_len);
/* Largest edit distance at which a name is suggested for word. */
unsigned suggest_limit(const char *word);
/* A search among names that come one by one. */
struct suggest {
    const char *word;
    const char *best; /* NULL while none is near enough */
    unsigned distance;
};

/* Begins the search for names that word may have been meant to be; word is kept by reference. */
void suggest_init(struct suggest *search, const char *word);
/* Considers one name, which is kept by reference where it is the nearest so far. */
void suggest_offer(struct suggest *search, const char *name);
/* Nearest of count names to word; NULL when none is near enough. The result is one of names. A name
 * that has '-' where word has '_', and is equal otherwise, comes first at any distance: it is the
 * word's spelling of today. A name without '!' is not near to a word with it before, nor the other
 * way round: it means the opposite. */
const char *suggest_nearest(const char *word, const char *const *names, size_t count);

#endif
