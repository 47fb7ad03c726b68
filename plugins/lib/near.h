/* "Did you mean …?": the nearest of some names. */
#ifndef PLUGINS_LIB_NEAR_H
#define PLUGINS_LIB_NEAR_H

#include <cjson/cJSON.h>
#include <stddef.h>

struct near {
    const char *word;
    const char *best; /* NULL while nothing is near enough */
    unsigned distance;
};

/* Looks for names that word may have been meant to be; word is kept by reference. */
void near_init(struct near *near, const char *word);
/* Considers one name; it is kept by reference. */
void near_offer(struct near *near, const char *name);
/* Offers every key of an object (NULL: none). */
void near_offer_keys(struct near *near, const cJSON *object);
/* Writes `; did you mean NAME?`, or "" when nothing is near, and returns to. */
const char *near_text(const struct near *near, char *to, size_t size);

#endif
