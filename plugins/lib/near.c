/* Suggestions by edit distance (insert, delete, replace, swap of neighbours), and JSON pointers. */
#include <stdio.h>
#include <string.h>

#include "plugins/lib/near.h"

#define NEAR_MAX 40

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    unsigned row[3][NEAR_MAX + 1];

    if (la > NEAR_MAX || lb > NEAR_MAX)
        return NEAR_MAX;
    for (size_t j = 0; j <= lb; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned *now = row[i % 3], *before = row[(i - 1) % 3], *two = row[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            now[j] =
                least(least(before[j] + 1, now[j - 1] + 1), before[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], two[j - 2] + 1);
        }
    }
    return row[la % 3][lb];
}

void near_init(struct near *near, const char *word)
{
    near->word = word;
    near->best = NULL;
    near->distance = (unsigned)(strlen(word) / 3) + 2;
}

void near_offer(struct near *near, const char *name)
{
    unsigned d = distance(near->word, name);

    if (d < near->distance && d < strlen(name)) {
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

void pointer_push(char *to, size_t size, const char *token)
{
    size_t n = strlen(to);

    if (n + 1 < size)
        to[n++] = '/';
    for (; *token && n + 3 < size; token++) {
        if (*token == '~' || *token == '/') {
            to[n++] = '~';
            to[n++] = *token == '~' ? '0' : '1';
        } else {
            to[n++] = *token;
        }
    }
    to[n < size ? n : size - 1] = 0;
}
