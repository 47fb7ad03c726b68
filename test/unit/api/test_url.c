/* api/url.c */
#include <string.h>

#include "api/url.h"
#include "test/lib/harness.h"

TEST(a_target_is_split_before_it_is_decoded)
{
    struct url url;

    ck_assert_int_eq(
        url_parse("/api/v1/config/running/routing/static/10.0.0.0%2F8?a=b%26c&d", &url, NULL), 0);
    ck_assert_uint_eq(url.count, 7);
    ck_assert_str_eq(url.segments[6], "10.0.0.0/8");
    ck_assert_uint_eq(url.pair_count, 2);
    ck_assert_str_eq(url_query(&url, "a"), "b&c");
    ck_assert_str_eq(url_query(&url, "d"), "");
    ck_assert_ptr_null(url_query(&url, "c"));
}

TEST(one_slash_at_the_end_is_ignored_and_plus_is_a_space_in_the_query_only)
{
    struct url url;

    ck_assert_int_eq(url_parse("/a+b/?q=a+b", &url, NULL), 0);
    ck_assert_uint_eq(url.count, 1);
    ck_assert_str_eq(url.segments[0], "a+b");
    ck_assert_str_eq(url_query(&url, "q"), "a b");
    ck_assert_int_eq(url_parse("/", &url, NULL), 0);
    ck_assert_uint_eq(url.count, 0);
}

TEST(what_may_mean_two_things_is_refused_with_a_reason)
{
    static const struct {
        const char *raw, *reason;
    } rows[] = {
        {"", "slash"},
        {"api", "slash"},
        {"http://host/api", "slash"},
        {"//a", "segment 1"},
        {"/a//b", "segment 2"},
        {"/a/../b", "segment 2 of the URL is \"..\""},
        {"/a/%2e%2e/b", "segment 2"},
        {"/./a", "segment 1"},
        {"/a%", "hexadecimal"},
        {"/a%2", "hexadecimal"},
        {"/a%zz", "hexadecimal"},
        {"/a%00b", "control character %00"},
        {"/a%0Ab", "control character %0A"},
        {"/a%7f", "control character %7F"},
        {"/a b", "byte 0x20"},
        {"/a#b", "byte 0x23"},
        {"/\xc3\xa9", "byte 0xc3"},
        {"/%ff", "UTF-8"},
        {"/%c0%af", "UTF-8"},
        {"/%ed%a0%80", "UTF-8"},
        {"/a?x=1&x=2", "\"x\" twice"},
        {"/a?%00=1", "control"},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct orb_err err = {0};
        struct url url;

        ck_assert_msg(url_parse(rows[i].raw, &url, &err) == ORB_E_INVALID, "\"%s\" passed",
                      rows[i].raw);
        ck_assert_msg(strstr(err.text, rows[i].reason) != NULL, "\"%s\": %s", rows[i].raw,
                      err.text);
    }
}

TEST(limits_are_named)
{
    char raw[URL_MAX + 8];
    struct orb_err err;
    struct url url;

    memset(raw, 'a', sizeof(raw));
    raw[0] = '/';
    raw[URL_MAX] = '\0';
    ck_assert_int_eq(url_parse(raw, &url, &err), 0);
    raw[URL_MAX] = 'a';
    raw[URL_MAX + 1] = '\0';
    ck_assert_int_eq(url_parse(raw, &url, &err), ORB_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "4097"));
    for (unsigned i = 0; i <= 2 * URL_SEGMENTS + 1; i++)
        raw[i] = i % 2 ? 'a' : '/';
    raw[2 * URL_SEGMENTS + 2] = '\0';
    ck_assert_int_eq(url_parse(raw, &url, &err), ORB_E_LIMIT);
    raw[2 * URL_SEGMENTS] = '\0';
    ck_assert_int_eq(url_parse(raw, &url, &err), 0);
    ck_assert_uint_eq(url.count, URL_SEGMENTS);
}

TEST(numbers_are_whole_and_exact)
{
    int64_t n;

    ck_assert(url_number("0", &n) && n == 0);
    ck_assert(url_number("9007199254740992", &n) && n == INT64_C(9007199254740992));
    ck_assert(!url_number("9007199254740993", &n));
    ck_assert(!url_number("", &n));
    ck_assert(!url_number("-1", &n));
    ck_assert(!url_number("1.0", &n));
    ck_assert(!url_number(" 1", &n));
}
