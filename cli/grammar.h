/* The table of commands as a grammar: which command words mean, and which arguments it takes. The
 * parser, --help and completion read the same text of struct command (cli/cli.h). */
#ifndef CLI_GRAMMAR_H
#define CLI_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/cli.h"

/* The tables of all files, NULL at the end. */
extern const struct command *const grammar_tables[];

/* Before the command, and --json and --help also behind it. */
extern const char grammar_globals[];

/* A piece of the text; not NUL-terminated. */
struct grammar_text {
    const char *p;
    size_t len;
};

/* One argument. word: a kind in capitals (PATH, see cli/kinds.h), the words to choose from
 * (tree|set|json), or the names of an option (-f|--follow). */
struct grammar_item {
    struct grammar_text word;
    struct grammar_text value; /* of an option; len 0: it has none */
    bool option, optional, repeated;
};

/* Next argument of a text such as "--from ZONE PATH... [--format tree|set|json]"; an option outside
 * brackets must be given, and has a value. False at the end. *at moves. */
bool grammar_next(const char **at, struct grammar_item *ret_item);
/* Number of words it takes, options not counted; *ret_max -1: any. */
void grammar_count(const char *arguments, int *ret_min, int *ret_max);
/* The last argument that is a word; false: there is none. */
bool grammar_last(const char *arguments, struct grammar_item *ret_item);
/* The option with this name (len bytes); false: there is none. */
bool grammar_option(const char *arguments, const char *name, size_t len,
                    struct grammar_item *ret_item);
/* The next of the words that | separates; false at the end. *rest moves. */
bool grammar_choice(struct grammar_text *rest, struct grammar_text *ret_choice);
/* Is it this word? */
bool grammar_is(struct grammar_text text, const char *word);

/* The command that the first words name, the one with most words; NULL: none. */
const struct command *grammar_find(int argc, char **argv, int *ret_words);

#endif
