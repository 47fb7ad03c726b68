/* cli/grammar and cli/kinds: the whole table of commands is a grammar that completion can read. */
#include <ctype.h>
#include <string.h>

#include "cli/kinds.h"
#include "core/base/own.h"
#include "test/lib/harness.h"

static void is_known(const struct command *c, struct grammar_text word)
{
    struct grammar_text choice;

    ck_assert_msg(word.len > 0, "%s: an empty argument", c->words);
    if (isupper((unsigned char)*word.p)) {
        ck_assert_msg(kinds_find(word) != NULL, "%s: %.*s is no kind of argument", c->words,
                      (int)word.len, word.p);
        return;
    }
    while (grammar_choice(&word, &choice))
        for (size_t i = 0; i < choice.len; i++)
            ck_assert_msg(islower((unsigned char)choice.p[i]) || choice.p[i] == '-',
                          "%s: \"%.*s\" is no word to choose", c->words, (int)choice.len, choice.p);
}

TEST(each_row_of_the_table_is_one_that_completion_reads)
{
    unsigned rows = 0;

    for (unsigned i = 0; grammar_tables[i]; i++)
        for (const struct command *c = grammar_tables[i]; c->words; c++, rows++) {
            const char *at = c->arguments;
            struct grammar_item item;

            ck_assert_msg(*c->help && c->run, "%s: no help or nothing to run", c->words);
            while (grammar_next(&at, &item)) {
                if (!item.option) {
                    is_known(c, item.word);
                    continue;
                }
                ck_assert_msg(item.optional || item.value.len,
                              "%s: an option that must be given has a value", c->words);
                if (item.value.len)
                    is_known(c, item.value);
            }
        }
    ck_assert_uint_gt(rows, 30);
}

TEST(each_command_is_found_by_its_words)
{
    for (unsigned i = 0; grammar_tables[i]; i++)
        for (const struct command *c = grammar_tables[i]; c->words; c++) {
            AUTO_FREE char *text = buf_format("%s", c->words);
            char *argv[8], *rest = text, *word;
            int argc = 0, own;

            while ((word = strtok_r(rest, " ", &rest)))
                argv[argc++] = word;
            argv[argc] = text; /* an argument */
            ck_assert_ptr_eq(grammar_find(argc, argv, &own), c);
            ck_assert_int_eq(own, argc);
            ck_assert_ptr_eq(grammar_find(argc + 1, argv, &own), c);
        }
}

TEST(arguments_are_counted_and_options_are_not)
{
    static const struct {
        const char *arguments;
        int min, max;
    } table[] = {{"", 0, 0},
                 {"[--format tree|set|json] [--all]", 0, 0},
                 {"SERVICE [sandbox|crashes]", 1, 2},
                 {"[REVISION [REVISION]]", 0, 2},
                 {"PATH... VALUE", 2, -1},
                 {"[PATH...] [-n|--limit COUNT]", 0, -1}};
    int min, max;

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        grammar_count(table[i].arguments, &min, &max);
        ck_assert_msg(min == table[i].min && max == table[i].max, "%s: %d to %d",
                      table[i].arguments, min, max);
    }
}

TEST(an_option_is_found_by_any_of_its_names)
{
    static const char arguments[] = "SERVICE [-n|--limit COUNT] [-f|--follow]";
    struct grammar_item item;

    ck_assert(grammar_option(arguments, "-n", 2, &item) && grammar_is(item.value, "COUNT"));
    ck_assert(grammar_option(arguments, "--limit=3", 7, &item) && grammar_is(item.value, "COUNT"));
    ck_assert(grammar_option(arguments, "--follow", 8, &item) && !item.value.len);
    ck_assert(!grammar_option(arguments, "--foll", 6, &item));
    ck_assert(!grammar_option(arguments, "SERVICE", 7, &item));
}
