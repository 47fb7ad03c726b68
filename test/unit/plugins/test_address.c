/* plugins/lib: addresses, prefixes, ranges, suggestions, pointers. */
#include <string.h>
#include <sys/socket.h>

#include "core/base/suggest.h"
#include "plugins/lib/prefix.h"
#include "plugins/lib/near.h"
#include "test/lib/harness.h"

TEST(a_prefix_is_read_in_one_way_only)
{
    static const char *const bad[] = {
        "10.0.0.1",       "10.0.0.1/",      "10.0.0.1/33", "10.0.0.1/-1",
        "10.0.0.1/08",    "10.0.0.1/8x",    "10.0.0/8",    "010.0.0.1/8",
        "2001:db8::/129", "2001:db8::g/64", "/8",          "",
        "10.0.0.1/8/8",   " 10.0.0.1/8",    "10.0.0.1/ 8", "::ffff:1.2.3.4:5/64"};
    struct prefix p;
    char text[ADDRESS_TEXT];

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(prefix_parse(bad[i], &p) != NULL, "\"%s\" was taken", bad[i]);
    ck_assert_ptr_null(prefix_parse("10.1.2.3/20", &p));
    ck_assert_str_eq(prefix_text(&p, text), "10.1.2.3/20");
    p = prefix_network(&p);
    ck_assert_str_eq(prefix_text(&p, text), "10.1.0.0/20");
    ck_assert_ptr_null(prefix_parse("2001:DB8:0:0:1::/65", &p));
    ck_assert_str_eq(prefix_text(&p, text), "2001:db8:0:0:1::/65");
    ck_assert_ptr_null(prefix_parse("0.0.0.0/0", &p));
}

TEST(prefixes_contain_and_overlap_by_their_bits)
{
    struct prefix a, b, all;
    struct address in, out;

    ck_assert_ptr_null(prefix_parse("10.1.16.1/20", &a));
    ck_assert_ptr_null(prefix_parse("10.1.31.0/24", &b));
    ck_assert_ptr_null(prefix_parse("0.0.0.0/0", &all));
    ck_assert_int_eq(address_parse("10.1.31.255", &in), 0);
    ck_assert_int_eq(address_parse("10.1.32.0", &out), 0);
    ck_assert(prefix_contains(&a, &in) && !prefix_contains(&a, &out));
    ck_assert(prefix_contains(&all, &out) && prefix_overlap(&a, &b) && prefix_overlap(&b, &all));
    ck_assert_int_eq(address_parse("::1", &in), 0);
    ck_assert(!prefix_contains(&all, &in));
}

TEST(a_range_has_ends_in_order)
{
    struct address lo, hi;
    char a[ADDRESS_TEXT], b[ADDRESS_TEXT];

    ck_assert_ptr_null(prefix_parse_range("10.1.0.0/22", &lo, &hi));
    ck_assert_str_eq(address_text(&lo, a), "10.1.0.0");
    ck_assert_str_eq(address_text(&hi, b), "10.1.3.255");
    ck_assert_ptr_null(prefix_parse_range("2001:db8::5-2001:db8::9", &lo, &hi));
    ck_assert_str_eq(address_text(&hi, b), "2001:db8::9");
    ck_assert_ptr_null(prefix_parse_range("192.0.2.7", &lo, &hi));
    ck_assert(address_equal(&lo, &hi));
    ck_assert_ptr_nonnull(prefix_parse_range("10.0.0.9-10.0.0.1", &lo, &hi));
    ck_assert_ptr_nonnull(prefix_parse_range("10.0.0.1-::1", &lo, &hi));
    ck_assert_ptr_nonnull(prefix_parse_range("10.0.0.1/24", &lo, &hi));
    ck_assert_ptr_nonnull(prefix_parse_range("10.0.0.1-", &lo, &hi));
    ck_assert_ptr_nonnull(prefix_parse_range("-", &lo, &hi));
}

TEST(the_nearest_name_is_suggested_and_far_ones_are_not)
{
    struct suggest near;
    char text[64];

    suggest_init(&near, "lna0");
    suggest_offer(&near, "wan0");
    suggest_offer(&near, "lan0");
    ck_assert_str_eq(near_text(&near, text, sizeof(text)), "; did you mean lan0?");
    suggest_init(&near, "x");
    suggest_offer(&near, "management");
    ck_assert_str_eq(near_text(&near, text, sizeof(text)), "");
}
