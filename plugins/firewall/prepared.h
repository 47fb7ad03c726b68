/* State of a change besides the policy: made by prepare from the configuration, swapped in by
 * apply, and swapped back by abort. Swapping neither reads nor allocates. */
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
/* Swaps it in, or out again, and reports the state in use. */
void prepared_swap(struct orb_ctx *ctx, struct firewall *self, struct prepared *prepared);
/* Frees it, with what it holds after the last swap. NULL: nothing. */
void prepared_free(struct prepared *prepared);

#endif
