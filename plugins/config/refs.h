/* Index of references (x-orb-ref), kept up to date with the running tree: whether a key may be
 * deleted is one lookup instead of a walk over every rule. */
#ifndef CONFIG_REFS_H
#define CONFIG_REFS_H

#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"
#include "plugins/config/rights.h"

struct refs {
    json_t *index; /* {"/firewall/zones/lan": {"/firewall/rules/10/from": true}} */
};

/* Frees the index. */
void refs_fini(struct refs *refs);
/* Notes every reference of the tree. */
void refs_build(struct refs *refs, const struct parts *parts, const json_t *tree);
/* Follows a committed patch. */
void refs_update(struct refs *refs, const struct parts *parts, const json_t *patch);
/* The index as refs_update() would leave it, beside the present one, in slices; the caller's. */
json_t *refs_next(const struct refs *refs, const struct parts *parts, const json_t *patch);
/* References of the patch's new values without a target, and references to what it deletes:
 * ORB_E_SCHEMA with path. A reference is checked as far as its package may read (rights.h): so
 * those of a package that the patch enables, or grants more, are checked as well. rights: parts,
 * overlay_patch_exact of the patch, the tree below it, and what the caller reads. */
int refs_check(const struct refs *refs, struct rights *rights, const json_t *patch,
               struct orb_err *err);

#endif
