/* cli/lex: a line as a shell reads it, and words as they are written on it. */
#include <string.h>

#include "cli/lex.h"
#include "core/base/own.h"
#include "test/lib/harness.h"

#define BREAKS "\"'@><=;|&(:" /* those of bash */

TEST(a_line_is_split_as_a_shell_does_and_nothing_is_expanded)
{
    static const struct {
        const char *line, *words[4];
        char quote;
        size_t skip;
    } table[] = {
        {"orbctl", {"orbctl"}, 0, 0},
        {"orbctl  show ", {"orbctl", "show", ""}, 0, 0},
        {"a 'b c' d", {"a", "b c", "d"}, 0, 0},
        {"a b\\ c", {"a", "b c"}, 0, 0},
        {"a \"b \\\"\\x", {"a", "b \"\\x"}, '"', 0},
        {"a '!l", {"a", "!l"}, '\'', 0},
        {"a $(id) `id` *", {"a", "$(id)", "`id`", "*"}, 0, 0},
        {"a 10.0.0.1:80", {"a", "10.0.0.1:80"}, 0, 9},
        {"a ::1:", {"a", "::1:"}, 0, 4},
        {"a 1\\:2", {"a", "1:2"}, 0, 0}, /* bash does not break there */
        {"a x:'y:z", {"a", "x:y:z"}, '\'', 2},
        {"--format=tr", {"--format=tr"}, 0, 9},
        {"a:b c", {"a:b", "c"}, 0, 0},
        {"a:b ", {"a:b", ""}, 0, 0},
        {"a @fr", {"a", "@fr"}, 0, 0},
        {"a !@fr", {"a", "!@fr"}, 0, 1},
        {"", {""}, 0, 0},
        {"a \\", {"a", "\\"}, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(lex) struct lex lex = {0};
        int n = 0;

        lex_line(table[i].line, BREAKS, &lex);
        for (; n < 4 && table[i].words[n]; n++)
            ck_assert_msg(n < lex.count && !strcmp(lex.words[n], table[i].words[n]),
                          "%s: word %d is \"%s\"", table[i].line, n,
                          n < lex.count ? lex.words[n] : "(none)");
        ck_assert_msg(lex.count == n, "%s: %d words", table[i].line, lex.count);
        ck_assert_msg(lex.quote == table[i].quote && lex.skip == table[i].skip,
                      "%s: quote %d, skip %zu", table[i].line, lex.quote, lex.skip);
    }
}

/* What is written behind a quote, or none, is read as the same word. */
TEST(a_quoted_word_is_read_as_itself)
{
    static const char *const words[] = {"plain",   "!lan",    "a b", "it's", "$HOME",
                                        "`id`",    "a\"b\\c", "~x",  "#1",   "10.0.0.0/8",
                                        "a|b;c&d", "{x}",     "[1]"};
    static const char quotes[] = {0, '\'', '"'};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        for (size_t q = 0; q < ARRAY_LEN(quotes); q++) {
            AUTO(buf) struct buf line = {0};
            AUTO(lex) struct lex lex = {0};

            if (quotes[q])
                buf_addc(&line, quotes[q]);
            lex_quote(words[i], quotes[q], &line);
            if (quotes[q])
                buf_addc(&line, quotes[q]);
            lex_line(buf_str(&line), "", &lex);
            ck_assert_msg(lex.count == 1 && !strcmp(lex.words[0], words[i]), "%s: %s",
                          buf_str(&line), lex.words[0]);
        }
}
