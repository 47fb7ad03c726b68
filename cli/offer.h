/* What completion offers for the word that is being typed: gathered, then printed one a line. */
#ifndef CLI_OFFER_H
#define CLI_OFFER_H

#include <stdbool.h>

#include "cli/cli.h"

#define OFFER_MOST 500 /* candidates */

struct offer {
    struct cli *cli;
    char **words; /* arguments of the command before the word, options left out */
    int count;
    const char *word; /* typed so far */
    const char *lead; /* the text before it in the same argument: "--format=" */
    bool only_there;  /* only what there is can be named: the command writes no value */
    bool in_line;     /* printed for a line of a shell: quoted, without the part before skip */
    size_t skip;
    char quote;
    struct offered *list;
    unsigned found;
    bool more; /* there are candidates that are not in the list */
    bool open; /* nothing is typed yet, and what is no candidate is possible, too */
    struct buf hint;
};

/* Offers candidate when it begins with what is typed, is not offered yet, and can be printed
 * unchanged. help: what it is, cut when it is long; may be NULL. */
void offer_add(struct offer *o, const char *candidate, const char *help);
/* What is expected here, as text; the first one counts. Printed without candidates, or when
 * open.
 */
void offer_hint(struct offer *o, const char *text);
/* Prints all and frees it. With a line that has no word (the hint, more) a shell inserts nothing:
 * it lists. */
void offer_print(struct offer *o);
/* A reply of the daemon; NULL when there is none, for whatever reason. The caller releases it. */
json_t *offer_ask(struct offer *o, const char *to, const char *method, const char *input);

#endif
