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

void suggest_init(struct suggest *search, const char *word)
{
    *search = (struct suggest){.word = word, .distance = suggest_limit(word) + 1};
}

void suggest_offer(struct suggest *search, const char *name)
{
    const char *word = search->word;
    size_t len = strlen(word), name_len = strlen(name);
    unsigned d;

    if (len > SUGGEST_MAX || (*word == '!') != (*name == '!'))
        return; /* with the other '!' it would mean the opposite */
    if (is_respelled(word, name)) {
        search->best = name;
        search->distance = 0;
        return;
    }
    d = suggest_distance(word, len, name, name_len);
    if (d < search->distance && d < name_len && name_len <= SUGGEST_MAX) {
        search->distance = d;
        search->best = name;
    }
}

const char *suggest_nearest(const char *word, const char *const *names, size_t count)
{
    struct suggest search;

    suggest_init(&search, word);
    for (size_t i = 0; i < count; i++)
        suggest_offer(&search, names[i]);
    return search.best;
}
