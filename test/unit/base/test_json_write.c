/* core/base/json_write: what comes out is what the strict scanner takes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/json/scan.h"
#include "test/lib/harness.h"

static void expect_scans(const struct buf *text)
{
    static const struct json_limits limits = {.depth = JSON_WRITE_DEPTH, .keys = 20000};
    struct orb_err err = {0};

    ck_assert_msg(scan_json(buf_str(text), text->len, &limits, &err) == 0, "%s: %s", err.text,
                  buf_str(text));
}

TEST(commas_quotes_and_escapes_are_the_writers)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    json_write_object(&w, NULL);
    json_write_string(&w, "a\"b", "x\n\xff");
    json_write_string(&w, "none", NULL);
    json_write_array(&w, "list");
    json_write_integer(&w, NULL, INT64_MIN);
    json_write_boolean(&w, NULL, false);
    json_write_string_len(&w, NULL, "n\0l", 3);
    json_write_object(&w, NULL);
    json_write_end(&w);
    json_write_raw(&w, NULL, "{\"y\":1}", 7);
    json_write_number(&w, NULL, 0.1);
    json_write_number(&w, NULL, INFINITY);
    json_write_end(&w);
    json_write_array(&w, "empty");
    json_write_end(&w);
    json_write_format(&w, "f", "%d %s", 7, "\"");
    json_write_end(&w);
    ck_assert_str_eq(
        buf_str(&b),
        "{\"a\\\"b\":\"x\\n\xef\xbf\xbd\",\"none\":null,\"list\":["
        "-9223372036854775808,false,\"n\xef\xbf\xbdl\",{},{\"y\":1},0.1,null],\"empty\":[],"
        "\"f\":\"7 \\\"\"}");
    ck_assert_ptr_null(w.keys);
    expect_scans(&b);
}

TEST(a_key_that_is_there_is_refused_with_its_whole_value)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    json_write_object(&w, NULL);
    json_write_integer(&w, "a", 1);
    json_write_object(&w, "b");
    json_write_integer(&w, "a", 2); /* another object's */
    json_write_integer(&w, "a", 3);
    json_write_end(&w);
    json_write_object(&w, "a");
    json_write_array(&w, "c");
    json_write_integer(&w, NULL, 4);
    json_write_end(&w);
    json_write_integer(&w, "c", 5); /* inside what is refused */
    json_write_end(&w);
    json_write_integer(&w, "c", 6);
    json_write_end(&w);
    ck_assert_str_eq(buf_str(&b), "{\"a\":1,\"b\":{\"a\":2},\"c\":6}");
    ck_assert_uint_eq(w.refused, 0); /* what has ended is empty again */
    expect_scans(&b);
}

TEST(the_first_member_may_be_the_refused_one_of_nothing)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    buf_adds(&b, "before ");
    json_write_array(&w, NULL);
    json_write_object(&w, NULL);
    json_write_null(&w, "");
    json_write_null(&w, "");
    ck_assert_uint_eq(w.refused, 1);
    json_write_end(&w);
    json_write_object(&w, NULL);
    json_write_null(&w, "");
    json_write_abandon(&w);
    ck_assert_str_eq(buf_str(&b), "before [{\"\":null},{\"\":null");
}

/* Writes a random value; every key is drawn of a few, so that many are there already. */
static void write_random(struct json_write *w, unsigned *seed, const char *key)
{
    static const char *const keys[] = {"a", "b", "c", "aa", "ab", "", "\"", "\xff", "\n"};
    unsigned kind = (unsigned)rand_r(seed) % (w->depth + 1 < JSON_WRITE_DEPTH ? 6 : 4);

    if (kind == 0)
        json_write_integer(w, key, rand_r(seed));
    else if (kind == 1)
        json_write_string(w, key, keys[(unsigned)rand_r(seed) % ARRAY_LEN(keys)]);
    else if (kind == 2)
        json_write_number(w, key, rand_r(seed) / 7.0);
    else if (kind == 3)
        json_write_boolean(w, key, rand_r(seed) & 1);
    else if (kind == 4)
        json_write_object(w, key);
    else
        json_write_array(w, key);
    if (kind < 4)
        return;
    for (int n = rand_r(seed) % 6; n > 0; n--)
        write_random(w, seed, kind == 4 ? keys[(unsigned)rand_r(seed) % ARRAY_LEN(keys)] : NULL);
    json_write_end(w);
}

TEST(random_values_scan)
{
    unsigned at = (unsigned)harness_seed();

    for (int i = 0; i < 20000; i++) {
        AUTO(buf) struct buf b = {0};
        struct json_write w = json_write_to(&b);

        write_random(&w, &at, NULL);
        expect_scans(&b);
        ck_assert_uint_eq(w.depth, 0);
    }
}

TEST(many_keys_cost_little_each)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);
    char key[16];

    json_write_object(&w, NULL);
    for (int i = 0; i < 40000; i++) {
        snprintf(key, sizeof(key), "%d", i % 20000);
        json_write_integer(&w, key, i);
    }
    ck_assert_uint_eq(w.refused, 20000);
    json_write_end(&w);
    expect_scans(&b);
}
