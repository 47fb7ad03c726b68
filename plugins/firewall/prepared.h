/* What a change brings besides the policy: prepare reads it from the configuration, apply swaps it
 * with what is in use, and the same swap takes it back. Swapping reads nothing and asks for no
 * memory. */
#ifndef PLUGINS_FIREWALL_PREPARED_H
#define PLUGINS_FIREWALL_PREPARED_H

#include "plugins/firewall/changeset.h"
#include "plugins/firewall/fold.h"
#include "plugins/firewall/rows.h"

struct firewall;

struct prepared {
    bool swapped; /* rows and folds hold what was in use before */
    struct rows_change rows;
    struct folds folds;
};

/* The result of a change: tree is the configuration as it will be, changes what is touched in it.
 * rows: those in use, which get room for it. The caller frees it by prepared_free(). */
struct prepared *prepared_new(const struct changeset *changes, const cJSON *tree,
                              struct rows *rows);
/* Puts it into use, or takes it out again, and reports what is in use now. */
void prepared_swap(struct orb_ctx *ctx, struct firewall *self, struct prepared *prepared);
/* Frees it, with what it holds after the last swap. NULL: nothing. */
void prepared_free(struct prepared *prepared);

#endif
