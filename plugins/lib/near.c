/* Suggestions for errors of the network packages. */
#include <stdio.h>

#include "plugins/lib/near.h"

void near_offer_keys(struct suggest *search, const cJSON *object)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, object)
        suggest_offer(search, item->string);
}

const char *near_text(const struct suggest *search, char *to, size_t size)
{
    snprintf(to, size, "%s%s%s", SUGGEST_ARGS(search->best));
    return to;
}
