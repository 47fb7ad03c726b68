/* See lex.h. */
#include "cli/lex.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/xalloc.h"

static void end_word(struct lex *lex, struct buf *word)
{
    lex->words = xrealloc(lex->words, ((size_t)lex->count + 1) * sizeof(lex->words[0]));
    lex->words[lex->count++] = buf_take(word);
    lex->skip = 0;
}

/* The character behind a \: inside of "…" the \ itself stays, except before what is special there.
 */
static void add_escaped(struct buf *word, char quote, char c)
{
    if (quote == '"' && !strchr("\"\\$`", c))
        buf_addc(word, '\\');
    buf_addc(word, c);
}

void lex_line(const char *line, const char *breaks, struct lex *ret_lex)
{
    struct buf word = {0};
    bool begun = false;

    *ret_lex = (struct lex){0};
    for (const char *p = line; *p; p++) {
        char q = ret_lex->quote;

        if (!q && strchr(" \t\n", *p)) {
            if (begun)
                end_word(ret_lex, &word);
            begun = false;
            continue;
        }
        begun = true;
        if (q && *p == q) {
            ret_lex->quote = 0;
        } else if (!q && (*p == '\'' || *p == '"')) {
            ret_lex->quote = *p;
            ret_lex->skip = word.len;
        } else if (q != '\'' && *p == '\\' && p[1]) {
            add_escaped(&word, q, *++p);
        } else {
            buf_addc(&word, *p);
            if (!q && strchr(breaks, *p)) /* bash keeps an @ with what follows it */
                ret_lex->skip = word.len - (*p == '@');
        }
    }
    {
        size_t skip = ret_lex->skip;

        end_word(ret_lex, &word);
        ret_lex->skip = begun ? skip : 0;
    }
}

void lex_fini(struct lex *lex)
{
    for (int i = 0; i < lex->count; i++)
        free(lex->words[i]);
    free(lex->words);
    *lex = (struct lex){0};
}

void lex_quote(const char *word, char quote, struct buf *ret_text)
{
    const char *special = quote == '"' ? "\"\\$`" : quote ? "" : "\"'\\$`!*?[]{}()<>|&;#~ \t\n^";

    for (const char *p = word; *p; p++) {
        if (quote == '\'' && *p == '\'') {
            buf_adds(ret_text, "'\\''");
            continue;
        }
        if (strchr(special, *p))
            buf_addc(ret_text, '\\');
        buf_addc(ret_text, *p);
    }
}
