/* Destination NAT of before it had to be said that several ports go to one: it goes on, and people
 * learn of it, because most of them meant each port to go to its own. */
#include <stdio.h>

#include "plugins/firewall/fold.h"
#include "plugins/firewall/nat.h"
#include "plugins/firewall/translate.h"

void fold_report(struct orb_ctx *ctx, const cJSON *tree)
{
    const cJSON *item, *nat;
    struct view view;

    translate_view_init(&view, tree);
    nat = cJSON_GetObjectItemCaseSensitive(view.firewall, "nat");
    orb_problem_clear(ctx, "fold:*");
    cJSON_ArrayForEach (item, cJSON_GetObjectItemCaseSensitive(nat, "destination")) {
        char key[48], path[80], what[160];
        struct orb_problem problem = {
            .level = ORB_PROBLEM_DEGRADED,
            .what = what,
            .path = path,
            .todo = "give translate-to a range of ports as long as that of port, or say fold true"};

        if (!nat_folds(&view, item))
            continue;
        snprintf(key, sizeof(key), "fold:%.31s", item->string);
        snprintf(path, sizeof(path), "/firewall/nat/destination/%.31s", item->string);
        snprintf(what, sizeof(what), "destination NAT %.31s sends several ports to one",
                 item->string);
        orb_problem_set(ctx, key, &problem);
    }
}
