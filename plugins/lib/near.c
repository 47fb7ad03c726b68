/* Suggestions of names that come one by one, and JSON pointers in memory of a fixed size. */
#include <stdio.h>
#include <string.h>

#include "core/base/suggest.h"
#include "plugins/lib/near.h"

void near_init(struct near *near, const char *word)
{
    near->word = word;
    near->best = NULL;
    near->distance = suggest_limit(word) + 1;
}

void near_offer(struct near *near, const char *name)
{
    size_t len = strlen(name);
    unsigned d = suggest_distance(near->word, strlen(near->word), name, len);

    if (d < near->distance && d < len && len <= SUGGEST_MAX) {
        near->distance = d;
        near->best = name;
    }
}

void near_offer_keys(struct near *near, const cJSON *object)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, object)
        near_offer(near, item->string);
}

const char *near_text(const struct near *near, char *to, size_t size)
{
    if (near->best)
        snprintf(to, size, "; did you mean %s?", near->best);
    else
        snprintf(to, size, "%s", "");
    return to;
}
