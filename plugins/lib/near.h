/* "Did you mean …?" of a package: keys of an object as names, the text in memory of a fixed size.
 */
#ifndef PLUGINS_LIB_NEAR_H
#define PLUGINS_LIB_NEAR_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "core/base/suggest.h"

/* Offers every key of an object (NULL: none). */
void near_offer_keys(struct suggest *search, const cJSON *object);
/* Writes `; did you mean NAME?`, or "" when nothing is near, and returns to. */
const char *near_text(const struct suggest *search, char *to, size_t size);

#endif
