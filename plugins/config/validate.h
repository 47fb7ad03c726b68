/* Checking changes against the schemas. The work follows the change: new values in full, the
 * objects above them only for the keywords that a changed member can break. */
#ifndef CONFIG_VALIDATE_H
#define CONFIG_VALIDATE_H

#include "core/json/scan.h"
#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"
#include "plugins/config/refs.h"

/* Levels of the tree, its root being the first: each value fits a frame, also beside its path and
 * the value it replaces, which four levels of the frame contain. */
#define VALIDATE_DEPTH (JSON_MAX_DEPTH - 4)

/* An edit as typed: the path must be known, every scalar and array in value must match the schema.
 * Missing members are no error yet. A secret given as "********" is replaced by the present one
 * (overlay over base). value may be changed in place; NULL: a deletion. */
int validate_edit(const struct parts *parts, const struct overlay *overlay, const json_t *base,
                  const char *path, json_t **value, struct orb_err *err);

/* A whole patch against base: values, required members and counts of the objects above, references
 * both ways. exact: overlay_patch_exact(patch). reads: what the caller may read, as in rights.h. */
int validate_patch(const struct parts *parts, const struct refs *refs, const struct overlay *exact,
                   const json_t *base, const json_t *patch, char *const *reads,
                   struct orb_err *err);

/* A stored tree as a whole, one part at a time: below 0 with err for the first part that does not
 * fit (no package, or its schema changed). */
int validate_part(const struct parts *parts, const char *name, const json_t *value,
                  struct orb_err *err);

#endif
