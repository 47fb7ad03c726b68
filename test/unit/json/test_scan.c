/* core/json/scan.c and reader.c: what passes, what does not and with which words, and reading
 * values out of text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/own.h"
#include "core/json/scan.h"
#include "test/lib/harness.h"

static int scan(const char *text, struct orb_err *err)
{
    return scan_json(text, strlen(text), NULL, err);
}

TEST(strict_json_passes)
{
    static const char *const good[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1.5e+3",
        "\"\"",
        "[]",
        "{}",
        " [ 1 , 2 ] \n",
        "{\"a\":{\"a\":{\"a\":1}}}",
        "\"\\u00e9 \\ud83d\\ude00 \xf0\x9f\x98\x80\"",
        "9223372036854775807",
        "-9223372036854775808",
        "1e308",
        "1e-400",
        "\"\x7f\"",
        "{\"\":1,\" \":2}",
    };
    struct orb_err err;

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        ck_assert_msg(scan(good[i], &err) == 0, "%s: %s", good[i], err.text);
}

TEST(everything_else_is_refused_with_place_expectation_and_find)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"", "at byte 0 (1:1): expected a value; got the end of the text"},
        {"{\"a\":1}x", "at byte 7 (1:8): expected the end of the text; got 'x'"},
        {"[1,\n 2,]", "at byte 7 (2:4): expected a value; got ']'"},
        {"[1 2]", "at byte 3 (1:4): expected ',' or ']'; got '2'"},
        {"{\"a\" 1}", "at byte 5 (1:6): expected ':' behind the key; got '1'"},
        {"{a:1}", "at byte 1 (1:2): expected a key in quotes or '}'; got 'a'"},
        {"{\"a\":1,}", "at byte 7 (1:8): expected a key in quotes; got '}'"},
        {"{\"a\":1", "expected ',' or '}'; got the end of the text"},
        {"tru", "at byte 0 (1:1): expected a value; got tru"},
        {"NaN", "expected a value; got NaN"},
        {"[01]", "expected a number without leading zeros; got 01"},
        {"1.", "expected a digit behind the point"},
        {"1e+", "expected a digit in the exponent"},
        {"-", "expected a digit behind the minus"},
        {"+1", "expected a value; got +1"},
        {"9223372036854775808", "expected an integer between -9223372036854775808 and"},
        {"-9223372036854775809", "expected an integer between"},
        {"1e309", "expected a number within the range of a double; got 1e309"},
        {"\"a", "expected a closing quote; got the end of the text"},
        {"\"a\nb\"", "expected control characters written as escapes; got byte 0x0a"},
        {"\"\\x\"", "behind a backslash; got 'x'"},
        {"\"\\u12g4\"", "four hexadecimal digits"},
        {"\"\\u0000\"", "any character but NUL"},
        {"\"\\ud800\"", "a whole surrogate pair"},
        {"\"\\ud800\\u0041\"", "a whole surrogate pair"},
        {"\"\\udc00\\ud800\"", "a whole surrogate pair"},
        {"\"\xff\"", "expected valid UTF-8; got byte 0xff"},
        {"\"\xc0\xaf\"", "expected valid UTF-8"},
        {"\"\xed\xa0\x80\"", "expected valid UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "expected valid UTF-8"},
        {"\"\xe2\x82\"", "expected valid UTF-8"},
        {"\xef\xbb\xbf{}", "expected a value; got byte 0xef"},
        {"{\"a\":1,\"a\":2}", "at byte 7 (1:8): expected each key once; got \"a\" again"},
        {"{\"a\":1,\"\\u0061\":2}", "expected each key once"},
        {"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", "expected each key once"},
        {"{\"a/\":1,\"a\\/\":2}", "expected each key once"},
        {"[1]//", "expected the end of the text"},
    };
    struct orb_err err;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_msg(scan(bad[i].text, &err) == ORB_E_SYNTAX, "%s", bad[i].text);
        ck_assert_msg(strstr(err.text, bad[i].words), "%s: %s", bad[i].text, err.text);
    }
}

TEST(a_column_counts_characters_not_bytes)
{
    struct orb_err err;

    scan("[\"\xc3\xa9\",\n \"\xc3\xa9\" x]", &err);
    ck_assert_msg(strstr(err.text, "(2:6)"), "%s", err.text);
}

TEST(a_refusal_needs_no_error_and_a_nul_byte_ends_nothing)
{
    ck_assert_int_eq(scan_json("[", 1, NULL, NULL), ORB_E_SYNTAX);
    ck_assert_int_eq(scan_json("[]\0", 3, NULL, NULL), ORB_E_SYNTAX);
    ck_assert_int_eq(scan_json(NULL, 0, NULL, NULL), ORB_E_SYNTAX);
}

TEST(depth_is_limited)
{
    struct json_limits three = {3, 10};
    struct orb_err err;
    AUTO(buf) struct buf deep = {0};

    ck_assert_int_eq(scan_json("[[[]]]", 6, &three, &err), 0);
    ck_assert_int_eq(scan_json("[[[[]]]]", 8, &three, &err), ORB_E_LIMIT);
    ck_assert_str_eq(err.text, "at byte 3 (1:4): values are nested too deeply; the limit is 3");
    for (int i = 0; i < 1000000; i++)
        buf_addc(&deep, '[');
    three.depth = 1000000;
    ck_assert_int_eq(scan_json(deep.data, deep.len, &three, &err), ORB_E_LIMIT);
}

TEST(keys_per_object_are_limited_not_keys_in_all)
{
    struct json_limits two = {4, 2};
    const char *good = "{\"a\":{\"b\":1,\"c\":2},\"d\":{\"e\":1,\"f\":2}}";
    const char *bad = "{\"a\":1,\"b\":2,\"c\":3}";
    struct orb_err err;

    ck_assert_int_eq(scan_json(good, strlen(good), &two, &err), 0);
    ck_assert_int_eq(scan_json(bad, strlen(bad), &two, &err), ORB_E_LIMIT);
    ck_assert_msg(strstr(err.text, "too many members; the limit is 2"), "%s", err.text);
}

/* Around the sizes where the keys move from the stack to a table and the table grows. */
TEST(a_key_that_comes_again_is_found_in_objects_of_any_size)
{
    struct json_limits limits = {4, 100000};

    for (int n = 1; n < 5000; n = n < 140 ? n + 1 : n * 2)
        for (int again = 0; again < n; again += 1 + n / 5) {
            AUTO(buf) struct buf text = {0};

            for (int i = 0; i < n; i++)
                buf_addf(&text, "%c\"key-%d\":%d", i ? ',' : '{', i, i);
            ck_assert_int_eq(scan_json(buf_str(&text), text.len, &limits, NULL), ORB_E_SYNTAX);
            buf_adds(&text, "}");
            ck_assert_int_eq(scan_json(text.data, text.len, &limits, NULL), 0);
            text.len--;
            buf_addf(&text, ",\"\\u006bey-%d\":0}", again);
            ck_assert_int_eq(scan_json(text.data, text.len, &limits, NULL), ORB_E_SYNTAX);
        }
}

TEST(a_number_literal_longer_than_cjson_reads_is_refused)
{
    char text[80];

    memset(text, '1', sizeof(text));
    text[1] = '.';
    ck_assert_int_eq(scan_json(text, 63, NULL, NULL), 0);
    ck_assert_int_eq(scan_json(text, 64, NULL, NULL), ORB_E_LIMIT);
}

TEST(members_are_found_by_what_their_key_means)
{
    const char *text = " { \"x\" : [1,{\"op\":2}] , \"\\u006fp\" : \"s\\u00e9t\\n\", \"n\":-12 }";
    size_t len = strlen(text);
    struct json_slice v;
    char to[16];
    int64_t n;

    ck_assert_int_eq(json_member(text, len, "op", &v), 1);
    ck_assert_int_eq(v.type, 's');
    ck_assert_int_eq(json_text(&v, to, sizeof(to)), 0);
    ck_assert_str_eq(to, "s\xc3\xa9t\n");
    ck_assert_int_eq(json_text(&v, to, 6), 0);
    ck_assert_int_eq(json_text(&v, to, 5), -1);
    ck_assert_int_eq(json_int64(&v, &n), -1);
    ck_assert_int_eq(json_member(text, len, "n", &v), 1);
    ck_assert_int_eq(json_int64(&v, &n), 0);
    ck_assert_int_eq(n, -12);
    ck_assert_int_eq(json_text(&v, to, sizeof(to)), -1);
    ck_assert_int_eq(json_member(text, len, "x", &v), 1);
    ck_assert_int_eq(v.type, 'a');
    ck_assert_int_eq(v.len, strlen("[1,{\"op\":2}]"));
    ck_assert_int_eq(json_member(text, len, "o", &v), 0);
    ck_assert_int_eq(json_member("[1]", 3, "x", &v), 0);
}

TEST(the_ends_of_the_integer_range_are_read_exactly)
{
    struct json_slice least = {"-9223372036854775808", 20, 'i'};
    struct json_slice most = {"9223372036854775807", 19, 'i'};
    int64_t n;

    ck_assert_int_eq(json_int64(&least, &n), 0);
    ck_assert(n == INT64_MIN);
    ck_assert_int_eq(json_int64(&most, &n), 0);
    ck_assert(n == INT64_MAX);
    least.p++, least.len--;
    ck_assert_int_eq(json_int64(&least, &n), -1);
}

TEST(an_error_is_read_as_it_was_written_whatever_it_lacks)
{
    static const struct {
        const char *json;
        int r, code;
        const char *path, *text;
    } rows[] = {
        {"{\"code\":\"denied\",\"text\":\"no \\\"x\\\"\",\"path\":\"/a~1b\"}", 0, ORB_E_DENIED,
         "/a~1b", "no \"x\""},
        {"{\"path\":\"\",\"text\":\"t\",\"code\":\"busy\"}", 0, ORB_E_BUSY, "", "t"},
        {"{\"code\":\"busy\"}", 0, ORB_E_BUSY, "", "too much is in flight; try again"},
        {"{\"code\":\"some-code\",\"text\":\"t\"}", 0, ORB_E_INTERNAL, "", "t"},
        {"{\"text\":\"t\"}", -1, ORB_E_INTERNAL, "", "t"},
        {"{\"code\":1}", -1, ORB_E_INTERNAL, "", "internal error"},
        {"[]", -1, ORB_E_INTERNAL, "", "internal error"},
    };
    char long_one[2000];
    struct orb_err err;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ck_assert_int_eq(json_read_error(rows[i].json, strlen(rows[i].json), &err), rows[i].r);
        ck_assert_int_eq(err.code, rows[i].code);
        ck_assert_str_eq(err.path, rows[i].path);
        ck_assert_str_eq(err.text, rows[i].text);
    }
    snprintf(long_one, sizeof(long_one), "{\"code\":\"busy\",\"text\":\"%0*d\"}", 1500, 0);
    ck_assert_int_eq(json_read_error(long_one, strlen(long_one), &err), 0);
    ck_assert_uint_eq(strlen(err.text), ORB_ERR_TEXT - 1);
}
