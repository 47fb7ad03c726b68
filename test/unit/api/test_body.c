/* api/body.c */
#include <stdio.h>
#include <string.h>

#include "api/body.h"
#include "test/lib/harness.h"

TEST(json_values_pass)
{
    static const char *const good[] = {
        "{}",
        "[]",
        " {\"a\" : [ 1 , -2.5e+3 , \"\\u00e9\\\"\" ] } \n",
        "0",
        "-0",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        "\"\"",
        "[[],{},[{}]]",
        "{\"a\":{\"b\":{}},\"c\":[{\"d\":null}]}",
        "\"\xf0\x9f\x98\x80\"",
        "1e5",
    };

    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct orb_err err = {0};

        ck_assert_msg(body_check(good[i], strlen(good[i]), &err) == 0, "%s: %s", good[i], err.text);
    }
}

TEST(what_is_no_json_is_refused_with_place_found_and_expected)
{
    static const struct {
        const char *text, *said;
    } rows[] = {
        {"", "line 1, column 1: expected a value; got the end"},
        {"{", "column 2: expected a name"},
        {"{\"a\"}", "column 5: expected \":\" after a name; got \"}\""},
        {"{\"a\":1,}", "column 8: expected a name"},
        {"{\"a\":1 \"b\":2}", "expected \",\" or \"}\"; got \"\"\""},
        {"{\n \"a\": tru\n}", "line 2, column 7: expected a value; got \"t\""},
        {"[1,]", "column 4: expected a value"},
        {"[1}", "expected \",\" or \"]\"; got \"}\""},
        {"01", "expected the end of the text; got \"1\""},
        {"1.", "expected a digit"},
        {"-", "expected a digit"},
        {"1e", "expected a digit"},
        {"\"a", "expected the \" that ends a string"},
        {"\"\\x\"", "after a backslash"},
        {"\"\\u12g4\"", "four hexadecimal digits"},
        {"\"\n\"", "no control character"},
        {"\"\xff\"", "expected UTF-8; got byte 0xff"},
        {"\"\xed\xa0\x80\"", "expected UTF-8"},
        {"{} {}", "expected the end of the text"},
        {"{'a':1}", "a name in double quotes; got \"'\""},
        {"// x\n{}", "expected a value"},
        {"1}],\"replace\":true,\"x\":[{\"a\":1", "expected the end of the text; got \"}\""},
    };

    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct orb_err err = {0};

        ck_assert_msg(body_check(rows[i].text, strlen(rows[i].text), &err) == ORB_E_SYNTAX,
                      "%s passed", rows[i].text);
        ck_assert_msg(strstr(err.text, rows[i].said) != NULL, "%s: %s", rows[i].text, err.text);
    }
}

TEST(a_nul_byte_is_no_white_space)
{
    ck_assert_int_eq(body_check("{}\0", 3, NULL), ORB_E_SYNTAX);
    ck_assert_int_eq(body_check("\"\0\"", 3, NULL), ORB_E_SYNTAX);
}

TEST(depth_is_limited)
{
    char text[2 * BODY_MAX_DEPTH + 4];

    memset(text, '[', BODY_MAX_DEPTH);
    memset(text + BODY_MAX_DEPTH, ']', BODY_MAX_DEPTH);
    ck_assert_int_eq(body_check(text, 2 * BODY_MAX_DEPTH, NULL), 0);
    memset(text, '[', BODY_MAX_DEPTH + 1);
    memset(text + BODY_MAX_DEPTH + 1, ']', BODY_MAX_DEPTH + 1);
    ck_assert_int_eq(body_check(text, 2 * BODY_MAX_DEPTH + 2, NULL), ORB_E_LIMIT);
}

TEST(a_member_is_found_as_the_text_it_is)
{
    static const char text[] =
        " { \"a\" : {\"value\":1} , \"value\" : [9007199254740993, \"}\"] , \"b\":2}";
    const char *value;
    size_t len;

    ck_assert(body_member(text, sizeof text - 1, "value", &value, &len));
    ck_assert_uint_eq(len, strlen("[9007199254740993, \"}\"]"));
    ck_assert(!memcmp(value, "[9007199254740993, \"}\"]", len));
    ck_assert(body_member(text, sizeof text - 1, "b", &value, &len));
    ck_assert(len == 1 && *value == '2');
    ck_assert(!body_member(text, sizeof text - 1, "c", &value, &len));
    ck_assert(!body_member("{}", 2, "a", &value, &len));
    ck_assert(!body_member("[1]", 3, "a", &value, &len));
}

TEST(numbers_are_whole_and_exact)
{
    unsigned long long n;

    ck_assert(body_number("0", 1, &n) && n == 0);
    ck_assert(body_number("9007199254740992", 16, &n) && n == 9007199254740992ull);
    ck_assert(!body_number("9007199254740993", 16, &n));
    ck_assert(!body_number("", 0, &n));
    ck_assert(!body_number("-1", 2, &n));
    ck_assert(!body_number("1.0", 3, &n));
    ck_assert(!body_number(" 1", 2, &n));
}
