/* The slot of a change: see prepared.h. */
#include <stdlib.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/firewall/plugin.h"
#include "plugins/firewall/prepared.h"

struct prepared *prepared_new(const struct changeset *changes, const cJSON *tree, struct rows *rows)
{
    const cJSON *all = orb_at(tree, "/firewall/rules");
    struct prepared *prepared = xcalloc(1, sizeof(*prepared));

    fold_read(&prepared->folds, tree);
    if (changes->full) {
        rows_change_all(&prepared->rows, all);
        return prepared;
    }
    for (unsigned i = 0; i < changes->count; i++) {
        const char *key = changes->items[i].key;

        if (changes->items[i].kind == CHANGESET_RULE)
            rows_change_one(&prepared->rows, key, cJSON_GetObjectItemCaseSensitive(all, key));
    }
    rows_reserve(rows, &prepared->rows);
    return prepared;
}

void prepared_swap(struct orb_ctx *ctx, struct firewall *self, struct prepared *prepared)
{
    struct folds folds = self->folds;

    rows_swap(&self->rows, &prepared->rows);
    self->folds = prepared->folds;
    prepared->folds = folds;
    prepared->swapped = !prepared->swapped;
    fold_report(ctx, &self->folds);
}

void prepared_free(struct prepared *prepared)
{
    if (!prepared)
        return;
    rows_change_fini(&prepared->rows);
    fold_fini(&prepared->folds);
    free(prepared);
}
