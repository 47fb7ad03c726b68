/* The kinds of arguments that the table of commands names in capitals. */
#ifndef CLI_KINDS_H
#define CLI_KINDS_H

#include "cli/grammar.h"
#include "cli/offer.h"

struct kind {
    const char *name;                  /* "SERVICE" */
    const char *help;                  /* what is expected there */
    void (*complete)(struct offer *o); /* NULL: it is free */
};

/* NULL: there is none of this name. */
const struct kind *kinds_find(struct grammar_text name);
/* Offers what an argument may be: the words to choose from, or those of its kind. */
void kinds_offer(struct grammar_text word, struct offer *o);

#endif
