/* Masked secrets in edits: "********" means the configured value. */
#ifndef CONFIG_MASKS_H
#define CONFIG_MASKS_H

#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"

/* Is it "********"? */
bool masks_is_mask(const json_t *value);
/* A list with masks in it, given for path: each element that has a mask becomes the stored one
 * (overlay over base) that shows as it does, so that no secret ends up beside what it does not
 * belong to. *list becomes a new reference then. The time follows the bytes of both lists. */
int masks_keep_secrets(const struct parts *parts, const struct overlay *overlay, const json_t *base,
                       const char *path, json_t **list, struct orb_err *err);

#endif
