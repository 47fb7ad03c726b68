/* See suggest.h. Three rows of the usual table are enough; the one two rows back is for swaps. */
#include "core/base/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static bool differ(char a, char b)
{
    return tolower((unsigned char)a) != tolower((unsigned char)b);
}

unsigned suggest_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned row[3][SUGGEST_MAX + 1];

    a_len = a_len < SUGGEST_MAX ? a_len : SUGGEST_MAX;
    b_len = b_len < SUGGEST_MAX ? b_len : SUGGEST_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *now = row[i % 3], *before = row[(i - 1) % 3], *two = row[(i + 1) % 3];

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            now[j] = least(least(before[j] + 1, now[j - 1] + 1),
                           before[j - 1] + differ(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && !differ(a[i - 1], b[j - 2]) && !differ(a[i - 2], b[j - 1]))
                now[j] = least(now[j], two[j - 2] + 1);
        }
    }
    return row[a_len % 3][b_len];
}

unsigned suggest_limit(const char *word)
{
    return (unsigned)(strlen(word) / 3) + 1;
}

/* Do the names differ only in their separators, as a key and its spelling of before do? */
static bool is_respelled(const char *word, const char *name)
{
    for (; *word && *name; word++, name++)
        if (*word != *name && !(*word == '_' && *name == '-'))
            return false;
    return !*word && !*name;
}

const char *suggest_nearest(const char *word, const char *const *names, size_t count)
{
    unsigned best_distance = suggest_limit(word) + 1;
    size_t len = strlen(word);
    const char *best = NULL;

    for (size_t i = 0; i < count && len <= SUGGEST_MAX; i++) {
        size_t name_len = strlen(names[i]);
        unsigned d = suggest_distance(word, len, names[i], name_len);

        if ((*word == '!') != (*names[i] == '!'))
            continue; /* it would mean the opposite */
        if (is_respelled(word, names[i]))
            return names[i];
        if (d < best_distance && d < name_len && name_len <= SUGGEST_MAX) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}
