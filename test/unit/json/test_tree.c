/* core/json/tree.c and tree_dump.c. */
#include <string.h>

#include "core/base/own.h"
#include "core/json/tree.h"
#include "test/lib/harness.h"

static json_t *parse(const char *text)
{
    json_t *tree = NULL;
    struct orb_err err;

    ck_assert_msg(tree_parse(text, strlen(text), NULL, &tree, &err) == 0, "%s", err.text);
    return tree;
}

static void same(const json_t *tree, const char *text)
{
    AUTO(buf) struct buf b = {0};

    tree_dump(tree, &b);
    ck_assert_str_eq(b.data, text);
}

TEST(the_canonical_form_sorts_numbers_before_words_and_keeps_values)
{
    AUTO(json_t)
    json_t *tree = parse("{\"b\":0.1,\"10\":1,\"9\":[1.0,-2,1e300],\"010\":null,"
                         "\"a\":\"\\u00e9\\u0001\",\"\":{}}");

    same(tree, "{\"9\":[1.0,-2,1e+300],\"010\":null,\"10\":1,\"\":{},"
               "\"a\":\"\xc3\xa9\\u0001\",\"b\":0.1}");
}

TEST(the_pretty_form_indents_objects_only)
{
    AUTO(json_t) json_t *tree = parse("{\"a\":{\"b\":[1,2]},\"c\":{}}");
    AUTO(buf) struct buf b = {0};

    tree_dump_pretty(tree, &b);
    ck_assert_str_eq(b.data, "{\n  \"a\": {\n    \"b\": [1, 2]\n  },\n  \"c\": {}\n}");
}

TEST(what_scan_refuses_becomes_no_tree)
{
    json_t *tree = NULL;
    struct orb_err err;

    ck_assert_int_eq(tree_parse("{\"a\":1,\"a\":2}", 13, NULL, &tree, &err), ORB_E_SYNTAX);
    ck_assert_ptr_null(tree);
}

TEST(pointers_find_members_and_elements)
{
    AUTO(json_t) json_t *tree = parse("{\"a/b\":{\"~\":[5,6]},\"\":7}");

    ck_assert_int_eq(json_integer_value(tree_get(tree, "/a~1b/~0/1")), 6);
    ck_assert_int_eq(json_integer_value(tree_get(tree, "/")), 7);
    ck_assert_ptr_eq(tree_get(tree, ""), tree);
    ck_assert_ptr_null(tree_get(tree, "/a~1b/~0/2"));
    ck_assert_ptr_null(tree_get(tree, "/a~1b/~0/01"));
    ck_assert_ptr_null(tree_get(tree, "/a~1b/~0/1/x"));
    ck_assert_ptr_null(tree_get(tree, "a"));
    ck_assert_ptr_null(tree_get(tree, "/~2"));
}

TEST(a_pointer_splits_into_decoded_tokens)
{
    const char *tokens[3];
    AUTO_FREE char *storage = NULL;
    AUTO(buf) struct buf b = {0};

    ck_assert_int_eq(tree_split_pointer("/a~1b//c", tokens, 3, &storage), 3);
    ck_assert_str_eq(tokens[0], "a/b");
    ck_assert_str_eq(tokens[1], "");
    ck_assert_str_eq(tokens[2], "c");
    buf_add_pointer(&b, "a/b~");
    ck_assert_str_eq(b.data, "/a~1b~0");
    free(take_ptr(storage));
    ck_assert_int_eq(tree_split_pointer("/1/2/3/4", tokens, 3, &storage), -1);
    ck_assert_int_eq(tree_split_pointer("x", tokens, 3, &storage), -1);
    ck_assert_int_eq(tree_split_pointer("", tokens, 3, &storage), 0);
}

TEST(setting_makes_the_objects_on_the_way)
{
    AUTO(json_t) json_t *tree = parse("{\"a\":{\"n\":1},\"l\":[1]}");
    struct orb_err err;

    ck_assert_int_eq(tree_set(tree, "/a/b/c", json_integer(2), &err), 0);
    ck_assert_int_eq(tree_set(tree, "/l/0", json_integer(3), &err), 0);
    ck_assert_int_eq(tree_set(tree, "/l/-", json_integer(4), &err), 0);
    same(tree, "{\"a\":{\"b\":{\"c\":2},\"n\":1},\"l\":[3,4]}");
    ck_assert_int_eq(tree_set(tree, "/a/n/x/y", json_integer(2), &err), ORB_E_INVALID);
    ck_assert_str_eq(err.path, "/a/n/x/y");
    ck_assert_msg(strstr(err.text, "a number"), "%s", err.text);
    ck_assert_int_eq(tree_set(tree, "/l/7", json_integer(2), &err), ORB_E_INVALID);
    ck_assert_int_eq(tree_set(tree, "x", json_integer(2), &err), ORB_E_INVALID);
    same(tree, "{\"a\":{\"b\":{\"c\":2},\"n\":1},\"l\":[3,4]}");
    ck_assert_int_eq(tree_set(tree, "", parse("{\"z\":1}"), &err), 0);
    same(tree, "{\"z\":1}");
    ck_assert_int_eq(tree_set(tree, "", json_integer(1), &err), ORB_E_INVALID);
}

TEST(deleting_can_take_parents_that_become_empty)
{
    AUTO(json_t)
    json_t *tree = parse("{\"a\":{\"b\":{\"c\":1}},\"l\":[1,2],\"e\":{\"f\":{\"g\":1}}}");

    ck_assert_int_eq(tree_delete(tree, "/a/b/x", true), 0);
    ck_assert_int_eq(tree_delete(tree, "/a/b/c", true), 1);
    ck_assert_int_eq(tree_delete(tree, "/l/0", true), 1);
    ck_assert_int_eq(tree_delete(tree, "/e/f/g", false), 1);
    same(tree, "{\"e\":{\"f\":{}},\"l\":[2]}");
}

TEST(key_order_is_total)
{
    static const char *const order[] = {"0", "00", "2",  "02", "10", "18446744073709551616",
                                        "",  "-1", "1a", "a",  "b"};

    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        for (size_t j = 0; j < ARRAY_LEN(order); j++) {
            int r = tree_dump_compare(order[i], order[j]),
                back = tree_dump_compare(order[j], order[i]);

            ck_assert_int_eq(r == 0, i == j);
            ck_assert_int_eq(r<0, back> 0);
        }
    ck_assert_int_lt(tree_dump_compare("9", "10"), 0);
    ck_assert_int_lt(tree_dump_compare("10", "a"), 0);
}

static void on_pause(void *arg)
{
    ++*(unsigned *)arg;
}

/* Long texts become the same tree member by member. */
TEST(a_text_that_is_read_in_slices_becomes_the_same_tree)
{
    unsigned pauses = 0;
    struct json_limits limits = {.depth = 32, .keys = 100000, .pause = on_pause, .arg = &pauses};
    AUTO(buf) struct buf text = {0}, once = {0}, sliced = {0};
    AUTO(json_t) json_t *a = NULL;
    AUTO(json_t) json_t *b = NULL;
    struct orb_err err;

    buf_adds(&text, " [ {\"empty\":{},\"none\":[ ]}, ");
    for (unsigned i = 0; i < 3; i++) {
        buf_adds(&text, i ? ", {" : "{");
        for (unsigned k = 0; k < 3000; k++)
            buf_addf(
                &text,
                "%s\"k\\u00e9\\\"%u\" : [%u, -1.5e3, true, null, {\"x\":\"\\ud83d\\ude00/\\n\"}]",
                k ? " ,\n" : "", k, k);
        buf_adds(&text, "}");
    }
    buf_adds(&text, ", \"end\" ] ");
    ck_assert_int_eq(tree_parse(text.data, text.len, &limits, &a, &err), 0);
    ck_assert_uint_gt(pauses, 9000);
    limits.pause = NULL;
    ck_assert_int_eq(tree_parse(text.data, text.len, &limits, &b, &err), 0);
    ck_assert(json_equal(a, b));
    tree_dump(a, &sliced);
    tree_dump(b, &once);
    ck_assert_str_eq(buf_str(&sliced), buf_str(&once));
    ck_assert_ptr_nonnull(strstr(buf_str(&once), "k\xc3\xa9\\\"2999"));
}
