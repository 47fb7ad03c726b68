/* cli/out: nothing that came from elsewhere acts on the terminal. */
#include <stdarg.h>
#include <string.h>

#include "cli/out.h"
#include "core/base/own.h"
#include "core/json/tree.h"
#include "test/lib/harness.h"

static const char *formatted(struct buf *to, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const char *formatted(struct buf *to, const char *format, ...)
{
    va_list args;

    buf_clear(to);
    va_start(args, format);
    out_format(to, format, args);
    va_end(args);
    return buf_str(to);
}

TEST(what_acts_on_a_terminal_is_shown_as_an_escape)
{
    static const struct {
        const char *raw, *plain;
    } table[] = {
        {"plain, äöü €, 日本 \\x1b", "plain, äöü €, 日本 \\x1b"},
        {"\x1b]0;title\a", "\\x1b]0;title\\x07"},
        {"a\nb\tc\rd\x7f", "a\\x0ab\\x09c\\x0dd\\x7f"},
        {"\xc2\x80\xc2\x9b\xc2\x9f", "\\x80\\x9b\\x9f"},              /* C1, as UTF-8 */
        {"\x9b\x31m", "\\x9b1m"},                                     /* C1, as a byte */
        {"\xff\xfe\xc0\xaf", "\\xff\\xfe\\xc0\\xaf"},                 /* never UTF-8 */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},                          /* a surrogate */
        {"\xe2\x82", "\\xe2\\x82"},                                   /* cut */
        {"\u202a\u202e\u2066\u2069", "\\u202a\\u202e\\u2066\\u2069"}, /* reading order */
        {"\u200b\u200e\u200f\u061c\u2028\u2029", "\\u200b\\u200e\\u200f\\u061c\\u2028\\u2029"},
        {"\u00ad\ufeff\ufe0f\u3164\u2062", "\\xad\\ufeff\\ufe0f\\u3164\\u2062"},
        {"\U000e0041\U000e0101\U0001d173", "\\U000e0041\\U000e0101\\U0001d173"},
        {"\U0001f600", "\U0001f600"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(buf) struct buf plain = {0}, again = {0};

        text_plain(table[i].raw, &plain);
        ck_assert_str_eq(buf_str(&plain), table[i].plain);
        ck_assert(text_is_plain(buf_str(&plain)));
        ck_assert(text_is_plain(table[i].raw) == !strcmp(table[i].raw, table[i].plain));
        text_plain(buf_str(&plain), &again);
        ck_assert_str_eq(buf_str(&again), buf_str(&plain));
    }
}

TEST(the_newline_of_a_format_is_ours_and_that_of_an_argument_is_not)
{
    AUTO(buf) struct buf b = {0};

    ck_assert_str_eq(formatted(&b, "%s\n\t%s\n", "a\nb", "c\td"), "a\\x0ab\n\tc\\x09d\n");
    ck_assert_str_eq(formatted(&b, "%c|", '\x1b'), "\\x1b|");
}

TEST(formats_mean_what_printf_means)
{
    AUTO(buf) struct buf b = {0};

    ck_assert_str_eq(formatted(&b, "%d %u %x %lld %ld %zu %lu %llu", -1, 4000000000u, 255u, -5LL,
                               -6L, (size_t)7, 8UL, 9ULL),
                     "-1 4000000000 ff -5 -6 7 8 9");
    ck_assert_str_eq(formatted(&b, "%03lld|%06lld|%5d|%-5d|%.3d|%+d", 7LL, 123LL, 42, 42, 5, 6),
                     "007|000123|   42|42   |005|+6");
    ck_assert_str_eq(formatted(&b, "%-5s|%5s|%*s|%.2s|100%%", "ä", "ö", 3, "x", "abc"),
                     "ä    |    ö|  x|ab|100%");
    ck_assert_str_eq(formatted(&b, "%.1s", "ä"), "\\xc3"); /* cut by the precision */
    ck_assert_str_eq(formatted(&b, "%d%s", 1, ""), "1");
}

TEST(json_stays_the_same_json)
{
    static const struct {
        const char *raw, *plain;
    } table[] = {
        {"{\"a\u202e\":\"\x7f\xc2\x85\"}", "{\"a\\u202e\":\"\\u007f\\u0085\"}"},
        {"[\"\\\"\", \"\\\\\",\n\t\"\U000e0041\"]\r",
         "[\"\\\"\", \"\\\\\",\n\t\"\\udb40\\udc41\"] "},
        {"\"x\\u001b\"", "\"x\\u001b\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(json_t) json_t *before = NULL, *after = NULL;
        AUTO(buf) struct buf plain = {0};

        text_json(table[i].raw, &plain);
        ck_assert_str_eq(buf_str(&plain), table[i].plain);
        ck_assert_int_eq(tree_parse(table[i].raw, strlen(table[i].raw), NULL, &before, NULL), 0);
        ck_assert_int_eq(tree_parse(buf_str(&plain), plain.len, NULL, &after, NULL), 0);
        ck_assert(json_equal(before, after));
    }
}

TEST(a_newline_inside_a_json_string_forges_no_line)
{
    AUTO(buf) struct buf plain = {0};

    text_json("{\"a\":\"x\ny\"}", &plain); /* no JSON at all: a broken daemon */
    ck_assert_str_eq(buf_str(&plain), "{\"a\":\"x\\u000ay\"}");
}

TEST(lines_keep_newline_and_tab_only)
{
    AUTO(buf) struct buf plain = {0};

    text_lines("a\n\tb\r\x1b\u202e", &plain);
    ck_assert_str_eq(buf_str(&plain), "a\n\tb\\x0d\\x1b\\u202e");
}
