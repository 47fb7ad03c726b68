/* core/worker/sdk_read.c: values, pointers and tables of include/orbital/read.h. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "orbital/orbital.h"
#include "test/lib/harness.h"

struct want {
    char *word;
    char *note;
    int64_t mtu;
    bool enabled;
    double rate;
    int64_t other;
};

ORB_FIELDS(fields, "") = {
    ORB_FIELD_TEXT("word", struct want, word, "Hello"),
    ORB_FIELD_TEXT("note", struct want, note, NULL),
    ORB_FIELD_INT("mtu", struct want, mtu, 1500),
    ORB_FIELD_BOOL("enabled", struct want, enabled, true),
    ORB_FIELD_REAL("rate", struct want, rate, 0.5),
    ORB_FIELD_OTHER("other"),
    ORB_FIELDS_END,
};

static int read_text(const char *json, struct want *ret, struct orb_err *err)
{
    cJSON *tree = cJSON_Parse(json);
    int r = orb_read(fields, tree, ret, err);

    cJSON_Delete(tree);
    return r;
}

TEST(single_values_have_a_fallback)
{
    cJSON *tree = cJSON_Parse("{\"t\":\"x\",\"n\":7,\"b\":true,\"big\":1e300,\"half\":0.5}");

    ck_assert_str_eq(orb_text(tree, "t", "no"), "x");
    ck_assert_str_eq(orb_text(tree, "n", "no"), "no");
    ck_assert_str_eq(orb_text(NULL, "t", "no"), "no");
    ck_assert_int_eq(orb_number(tree, "n", 1), 7);
    ck_assert_int_eq(orb_number(tree, "big", 1), 1);
    ck_assert_int_eq(orb_number(tree, "half", 1), 1);
    ck_assert_int_eq(orb_number(NULL, "n", 1), 1);
    ck_assert(orb_bool(tree, "b", false));
    ck_assert(orb_bool(tree, "n", true));
    ck_assert(!orb_bool(NULL, "b", false));
    cJSON_Delete(tree);
}

TEST(a_pointer_is_escaped_and_cut_between_names)
{
    char path[32], small[8];

    ck_assert_str_eq(orb_pointer(path, sizeof(path), "a", "b/c", "~d", "", NULL), "/a/b~1c/~0d/");
    ck_assert_str_eq(orb_pointer(path, sizeof(path), NULL), "");
    ck_assert_str_eq(orb_pointer(small, sizeof(small), "abc", "de", NULL), "/abc/de");
    ck_assert_str_eq(orb_pointer(small, sizeof(small), "abc", "def", "g", NULL), "/abc");
    ck_assert_str_eq(orb_pointer(small, 1, "a", NULL), "");
    orb_pointer(path, sizeof(path), "routing", "static", NULL);
    ck_assert(orb_pointer_add(path, sizeof(path), "10.0.0.0/8~x"));
    ck_assert_str_eq(path, "/routing/static/10.0.0.0~18~0x");
    ck_assert(orb_pointer_add(small, sizeof(small), "a~"));
    ck_assert(!orb_pointer_add(small, sizeof(small), "bcd")); /* whole or not at all */
    ck_assert_str_eq(small, "/a~0");
}

TEST(a_part_of_a_tree_is_found_by_its_pointer)
{
    cJSON *tree = cJSON_Parse("{\"a\":{\"b/c\":{\"~d\":5}}}");

    ck_assert_ptr_eq(orb_at(tree, ""), tree);
    ck_assert_int_eq(orb_at(tree, "/a/b~1c/~0d")->valueint, 5);
    ck_assert_ptr_null(orb_at(tree, "/a/x"));
    ck_assert_ptr_null(orb_at(tree, "a"));
    ck_assert_ptr_null(orb_at(NULL, "/a"));
    cJSON_Delete(tree);
}

TEST(a_table_reads_what_is_there_and_its_defaults_otherwise)
{
    struct want want = {.other = 9};
    struct orb_err err;

    ck_assert_int_eq(orb_read(fields, NULL, &want, &err), 0);
    ck_assert_str_eq(want.word, "Hello");
    ck_assert_ptr_null(want.note);
    ck_assert_int_eq(want.mtu, 1500);
    ck_assert(want.enabled && want.rate == 0.5);
    orb_read_free(fields, &want);
    ck_assert_ptr_null(want.word);
    ck_assert_int_eq(read_text("{\"word\":\"x\",\"note\":\"n\",\"mtu\":-3,\"enabled\":false,"
                               "\"rate\":2.25,\"other\":1,\"more\":[]}",
                               &want, &err),
                     0);
    ck_assert_str_eq(want.word, "x");
    ck_assert_str_eq(want.note, "n");
    ck_assert_int_eq(want.mtu, -3);
    ck_assert(!want.enabled && want.rate == 2.25);
    ck_assert_int_eq(want.other, 9);
    orb_read_free(fields, &want);
}

TEST(a_member_of_another_type_is_refused_and_nothing_is_left)
{
    static const char *const wrong[] = {
        "{\"word\":\"kept\",\"note\":1}", "{\"word\":\"kept\",\"mtu\":\"1\"}",
        "{\"word\":\"kept\",\"mtu\":1.5}", "{\"word\":\"kept\",\"enabled\":1}",
        "{\"word\":\"kept\",\"rate\":null}"};
    struct orb_err err;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct want want = {0};

        ck_assert_int_eq(read_text(wrong[i], &want, &err), ORB_E_SCHEMA);
        ck_assert_ptr_nonnull(strstr(err.text, "expected"));
        ck_assert_ptr_null(want.word);
        ck_assert_ptr_null(want.note);
    }
}

/* As a package of an older header has it: the last member of struct orb_field is not there yet. */
TEST(a_table_of_smaller_fields_is_read_by_their_size)
{
    static const struct {
        const char *key;
        enum orb_field_type type;
        size_t offset;
        int64_t number;
    } small[] = {{"mtu", ORB_INT, offsetof(struct want, mtu), 68}, {"word", ORB_TEXT, 0, 0}, {0}};
    struct want want = {0};

    ck_assert_int_eq(orb_read_sized((const void *)small, sizeof(small[0]), NULL, &want, NULL), 0);
    ck_assert_int_eq(want.mtu, 68);
    ck_assert_ptr_null(want.word);
}
