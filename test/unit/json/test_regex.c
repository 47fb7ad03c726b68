/* core/json/regex: patterns match as in ECMA-262, at a cost bounded by their size. */
#include <string.h>

#include "core/base/buf.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/regex.h"
#include "test/lib/harness.h"

static bool matches(const char *pattern, const char *text)
{
    char why[120];
    struct regex *regex = regex_compile(pattern, why, sizeof(why));
    bool result;

    ck_assert_msg(regex != NULL, "%s: %s", pattern, why);
    result = regex_match(regex, text, strlen(text));
    regex_free(regex);
    return result;
}

TEST(a_pattern_matches_what_it_describes)
{
    static const struct {
        const char *pattern, *yes, *no; /* separated by blanks; <> means "" */
    } table[] = {
        {"^[a-z][a-z0-9-]{0,14}$", "a lan-0 abcdefghijklmno", "A 0a <> abcdefghijklmnop a_b"},
        {"b", "abc b", "ac <>"},
        {"^(forward|input|output)$", "forward input", "forwards inpu <>"},
        {"^a|b$", "ax xb", "xa bx"},
        {"^(?:ab)+$", "ab abab", "a aba <>"},
        {"^a*$", "<> aaa", "b aab"},
        {"^(a*)*$", "<> aaa", "ab"},
        {"^(a|b*|)+c$", "c abc bbac", "ab"},
        {"^a{2}$", "aa", "a aaa"},
        {"^a{2,}$", "aa aaaa", "a"},
        {"^(ab?){1,2}?$", "a ab aba", "abab- <>"},
        {"^a{,2}$", "a{,2}", "a aa"},
        {"^x{a}$", "x{a}", "xa"},
        {"^\\d+\\.\\d+$", "1.0 12.34", "1 1. a.b"},
        {"^[\\w.]+$", "a_1.B", "a-b"},
        {"^[^\\d/]+$", "abc ä", "a1 a/"},
        {"^\\D\\W\\S$", "a-b", "1-b aab"},
        {"^[a\\-z]+$", "a- z", "b"},
        {"^[-a]+$", "-a", "b"},
        {"^[a-]+$", "-a", "b"},
        {"^[\\d-x]+$", "1-x", "b"},
        {"^[]$", "", "a <>"},
        {"^[^]$", "a ]", "<>"},
        {"^[\\]\\\\]+$", "]\\", "a"},
        {"^.$", "a ä 日 \U0001f600", "<> ab"},
        {"^[ä-ü]$", "ö", "o a"},
        {"^\\u00e4\\x41\\u{1f600}\\ud83d\\ude00$", "äA\U0001f600\U0001f600", "ä"},
        {"\\bcat\\b", "cat a-cat", "concat cats"},
        {"^\\Bx|a\\Bb", "ab", "xa a-b"},
        {"^\\^\\$\\(\\)\\|\\/\\.$", "^$()|/.", "x"},
        {"^\\cA$", "\x01", "A"},
        {"", "<> a", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        for (int wanted = 0; wanted < 2; wanted++) {
            AUTO_FREE char *words = xstrdup(wanted ? table[i].yes : table[i].no);

            for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
                const char *text = strcmp(word, "<>") ? word : "";

                ck_assert_msg(matches(table[i].pattern, text) == wanted, "%s on \"%s\"",
                              table[i].pattern, text);
            }
        }
    ck_assert(!matches("^.$", "\n"));
    ck_assert(!matches("^a$", "a\n"));
    ck_assert(matches("^\\s+$", " \t\n\u00a0\u2028"));
}

TEST(what_is_not_supported_is_refused_with_its_place)
{
    static const char *const table[][2] = {{"(?=a)", "look-around"},
                                           {"(?<n>a)", "named groups"},
                                           {"(a)\\1", "byte 4"},
                                           {"\\p{L}", "not supported"},
                                           {"\\C", "not supported"},
                                           {"[", "expected ]"},
                                           {"(a", "expected )"},
                                           {"a)", "before )"},
                                           {"*a", "something to repeat"},
                                           {"a**", "something to repeat"},
                                           {"[z-a]", "ascending"},
                                           {"a{2,1}", "ascending"},
                                           {"\\", "behind \\"},
                                           {"a{1001}", "more than 1000"},
                                           {"\\x1", "hexadecimal"},
                                           {"(a{100}){100}", "too large"},
                                           {"(((){1000}){1000}){1000}", "too large"}};
    char why[120];

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        ck_assert_msg(!regex_compile(table[i][0], why, sizeof(why)), "%s", table[i][0]);
        ck_assert_msg(strstr(why, table[i][1]) != NULL, "%s: %s", table[i][0], why);
    }
}

TEST(no_pattern_takes_longer_than_text_times_pattern)
{
    static const char *const patterns[] = {
        "^(a+)+$",  "^(a|aa)*$",           "(a*)*b",    "a*a*a*a*a*a*b",
        "(x+x+)+y", "^(([a-z])+.)+[A-Z]$", "(.*){50}b", "^(a?){100}a{100}$"};
    AUTO(buf) struct buf text = {0};
    uint64_t before = now_ns();

    for (int i = 0; i < 5000; i++)
        buf_adds(&text, i % 2 ? "a" : "x");
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
        ck_assert(!matches(patterns[i], buf_str(&text)));
    ck_assert_uint_lt((now_ns() - before) / 1000000, 5000);
}
