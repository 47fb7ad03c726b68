/* Destination NAT of versions in which it could send several ports to one without `fold`: it is
 * kept and reported, since in most cases each port was meant to keep its number. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/xalloc.h"
#include "plugins/firewall/fold.h"
#include "plugins/firewall/nat.h"
#include "plugins/firewall/translate.h"

void fold_read(struct folds *folds, const cJSON *tree)
{
    const cJSON *item, *nat;
    struct view view;

    translate_view_init(&view, tree);
    nat = cJSON_GetObjectItemCaseSensitive(view.firewall, "nat");
    cJSON_ArrayForEach (item, cJSON_GetObjectItemCaseSensitive(nat, "destination")) {
        if (!nat_folds(&view, item))
            continue;
        folds->keys = xrealloc(folds->keys, (folds->count + 1) * sizeof(*folds->keys));
        snprintf(folds->keys[folds->count++], FOLD_KEY, "%s", item->string);
    }
}

void fold_report(struct orb_ctx *ctx, const struct folds *folds)
{
    orb_problem_clear(ctx, "fold:*");
    for (unsigned i = 0; i < folds->count; i++) {
        char key[48], path[80], what[160];
        struct orb_problem problem = {
            .level = ORB_PROBLEM_DEGRADED,
            .what = what,
            .path = path,
            .todo =
                "give translate-to a range of ports as long as that of port, or set fold to true"};

        snprintf(key, sizeof(key), "fold:%s", folds->keys[i]);
        snprintf(path, sizeof(path), "/firewall/nat/destination/%s", folds->keys[i]);
        snprintf(what, sizeof(what), "destination NAT %s sends several ports to one",
                 folds->keys[i]);
        orb_problem_set(ctx, key, &problem);
    }
}

void fold_fini(struct folds *folds)
{
    free(folds->keys);
    *folds = (struct folds){0};
}
