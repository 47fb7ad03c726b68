/* Patches: what an overlay changes of its base, as a list of ops that can be stored, sent, applied
 * and taken back. */
#ifndef CONFIG_OVERLAY_PATCH_H
#define CONFIG_OVERLAY_PATCH_H

#include "plugins/config/overlay.h"

/* The changes as an array of {"op","path","value"?,"old"?}: minimal (equal members left out), every
 * path's parent exists in base, each value is shared with o or base. */
json_t *overlay_patch(const struct overlay *o, const json_t *base);

/* Adds the smallest ops that make old (may be NULL) into new (may be NULL) at path to patch. parts:
 * as in struct overlay. */
void overlay_patch_diff(const struct parts *parts, json_t *patch, const char *path, json_t *old,
                        json_t *new);
/* Gives a patch back, in slices when it is the last reference. */
void overlay_patch_drop(const struct parts *parts, json_t **patch);
/* Applies a patch made by overlay_patch; with inverse its undoing. */
int overlay_patch_apply(json_t *tree, const json_t *patch, bool inverse, struct orb_err *err);
/* Adds a patch, or its undoing, to an overlay. */
int overlay_patch_take(struct overlay *o, const json_t *base, const json_t *patch, bool inverse,
                       struct orb_err *err);
/* An overlay of exactly the ops of a patch; values are shared with it (read only). */
void overlay_patch_exact(struct overlay *o, const json_t *patch);

#endif
