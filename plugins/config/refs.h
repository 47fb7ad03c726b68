/* Who refers to what (x-orb-ref), kept up to date with the running tree: the question "may this key
 * go?" is one look-up instead of a walk over every rule. */
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
/* References of the patch's new values that point nowhere, and references left behind by what it
 * deletes: ORB_E_SCHEMA with path. A reference counts as far as its package may look (rights.h): so
 * those of a package that the patch enables, or grants more, are checked as well. rights: parts,
 * overlay_exact of the patch, the tree it is laid over, and what the caller reads. */
int refs_check(const struct refs *refs, struct rights *rights, const json_t *patch,
               struct orb_err *err);

#endif
