/* A line as a shell reads it: words with '…', "…" and \, of which nothing is expanded. */
#ifndef CLI_LEX_H
#define CLI_LEX_H

#include "core/base/buf.h"

struct lex {
    char **words; /* unquoted; the last one is being typed, "" behind a blank */
    int count;    /* at least 1 */
    char quote;   /* ' or " that is open at the end, else 0 */
    size_t skip;  /* bytes of the last word that the shell completes apart from its rest */
};

/* breaks: characters behind which (before an @) the shell begins a word to complete
 * (COMP_WORDBREAKS); blanks and quotes among them do not count. */
void lex_line(const char *line, const char *breaks, struct lex *ret_lex);
void lex_fini(struct lex *lex);
static inline void own_lex(struct lex *lex)
{
    lex_fini(lex);
}

/* Appends word as it is written on a line: behind an open quote, or with \ where quote is 0. */
void lex_quote(const char *word, char quote, struct buf *ret_text);

#endif
