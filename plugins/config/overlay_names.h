/* Names and number of the members that an object has with the changes of an overlay. */
#ifndef CONFIG_OVERLAY_NAMES_H
#define CONFIG_OVERLAY_NAMES_H

#include "plugins/config/overlay.h"

/* Names of members of the object at path that begin with prefix, at most so many; the caller
 * releases the array. */
json_t *overlay_names(const struct overlay *o, const json_t *base, const char *path,
                      const char *prefix, size_t most);
/* Number of members of the object at path; 0 for anything else. */
size_t overlay_names_count(const struct overlay *o, const json_t *base, const char *path);

#endif
