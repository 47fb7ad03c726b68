/* Edits and their refusals, as a user meets them. */
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "core/json/scan.h"
#include "test/lib/harness.h"
#include "test/unit/config/fake.h"

static void base(struct fake *f)
{
    fake_new(f);
    fake_set(f, "/interfaces/lan0", "{\"mtu\":1500}");
    fake_set(f, "/firewall",
             "{\"zones\":{\"lan\":{\"interfaces\":[\"lan0\"]},\"wan\":{}},"
             "\"rules\":{\"10\":{\"from\":\"lan\",\"action\":\"accept\"}}}");
    fake_set(f, "/system/password", "\"hunter22\"");
    fake_commit(f);
}

/* A refused edit or commit: where, and words the sentence must hold. */
struct refusal {
    const char *op, *path, *value;
    bool at_commit; /* the edit is fine, the commit is not */
    int code;
    const char *at;
    const char *words[3];
};

static const struct refusal refusals[] = {
    {"set",
     "/firewal/rules",
     "{}",
     false,
     ORB_E_SCHEMA,
     "/firewal",
     {"firewal", "did you mean firewall?"}},
    {"set",
     "/firewall/rulez/10/action",
     "\"drop\"",
     false,
     ORB_E_SCHEMA,
     "/firewall/rulez",
     {"did you mean rules?"}},
    {"set",
     "/firewall/rules/10/actoin",
     "\"drop\"",
     false,
     ORB_E_SCHEMA,
     "/firewall/rules/10/actoin",
     {"did you mean action?"}},
    {"set",
     "/firewall/rules/10/protocol",
     "\"tpc\"",
     false,
     ORB_E_SCHEMA,
     "/firewall/rules/10/protocol",
     {"tcp, udp", "tpc", "did you mean tcp?"}},
    {"set",
     "/firewall/rules/10/port",
     "\"80\"",
     false,
     ORB_E_SCHEMA,
     "/firewall/rules/10/port",
     {"integer"}},
    {"set",
     "/firewall/rules/10/port",
     "70000",
     false,
     ORB_E_SCHEMA,
     "/firewall/rules/10/port",
     {"65535", "70000"}},
    {"set",
     "/firewall/rules/ten",
     "{\"action\":\"drop\"}",
     false,
     ORB_E_SCHEMA,
     "/firewall/rules/ten",
     {"ten"}},
    {"set",
     "/firewall/rules/20",
     "{\"action\":\"drop\",\"prot\":1}",
     false,
     ORB_E_SCHEMA,
     "/firewall/rules/20/prot",
     {"prot"}},
    {"set", "/firewall/rules", "7", false, ORB_E_SCHEMA, "/firewall/rules", {"object", "7"}},
    {"set",
     "/firewall/rules/10/port",
     "null",
     false,
     ORB_E_SCHEMA,
     "/firewall/rules/10/port",
     {"delete"}},
    {"set",
     "/firewall/rules/10/port",
     NULL,
     false,
     ORB_E_INVALID,
     "/firewall/rules/10/port",
     {"needs a value"}},
    {"set", "firewall", "{}", false, ORB_E_INVALID, "firewall", {"/firewall/rules/10"}},
    {"set",
     "/firewall/zones/lan/interfaces/0",
     "\"lan0\"",
     false,
     ORB_E_INVALID,
     "/firewall/zones/lan/interfaces/0",
     {"/firewall/zones/lan/interfaces is a list"}},
    {"delete",
     "/firewall/zones/lan/interfaces/0",
     NULL,
     false,
     ORB_E_INVALID,
     "/firewall/zones/lan/interfaces/0",
     {"is a list"}},
    {"merge", "", "[]", false, ORB_E_SCHEMA, "", {"object"}},
    {"merge",
     "",
     "{\"firewall\":{\"rules\":{\"10\":{\"protocol\":\"tpc\"}}}}",
     false,
     ORB_E_SCHEMA,
     "/firewall/rules/10/protocol",
     {"did you mean tcp?"}},
    {"delete",
     "/firewall/rules/99",
     NULL,
     false,
     ORB_E_NOT_FOUND,
     "/firewall/rules/99",
     {"nothing to delete"}},
    {"set", "/system/password", "\"short\"", false, ORB_E_SCHEMA, "/system/password", {"secret"}},
    {"set",
     "/firewall/rules/20/from",
     "\"lan\"",
     true,
     ORB_E_SCHEMA,
     "/firewall/rules/20",
     {"expected a member action", "missing"}},
    {"delete",
     "/firewall/rules/10/action",
     NULL,
     true,
     ORB_E_SCHEMA,
     "/firewall/rules/10",
     {"expected a member action", "missing"}},
    {"set",
     "/firewall/rules/10/from",
     "\"lna\"",
     true,
     ORB_E_SCHEMA,
     "/firewall/rules/10/from",
     {"/firewall/zones", "lna", "did you mean lan?"}},
    {"set",
     "/firewall/zones/wan/interfaces",
     "[\"wan0\"]",
     true,
     ORB_E_SCHEMA,
     "/firewall/zones/wan/interfaces/0",
     {"/interfaces", "wan0"}},
    {"delete",
     "/firewall/zones/lan",
     NULL,
     true,
     ORB_E_SCHEMA,
     "/firewall/zones/lan",
     {"/firewall/rules/10/from"}},
    {"delete",
     "/interfaces",
     NULL,
     true,
     ORB_E_SCHEMA,
     "/interfaces/lan0",
     {"/firewall/zones/lan/interfaces/0"}},
    {"set",
     "/firewall/limits",
     "{\"a\":1,\"b\":2,\"c\":3}",
     true,
     ORB_E_SCHEMA,
     "/firewall/limits",
     {"2", "3"}},
};

TEST(a_refusal_names_the_place_what_was_found_and_what_was_expected)
{
    struct fake f;

    base(&f);
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        const struct refusal *r = &refusals[i];
        int code =
            fake_ask(&f, "ada", 1, "edit", "{\"ops\":[{\"op\":\"%s\",\"path\":\"%s\"%s%s}]}", r->op,
                     r->path, r->value ? ",\"value\":" : "", r->value ? r->value : "");

        if (r->at_commit) {
            ck_assert_msg(code == 0, "%s: %s", r->path, f.err.text);
            code = fake_ask(&f, "ada", 1, "validate", "{}");
            ck_assert_int_eq(code, fake_ask(&f, "ada", 1, "commit", "{}"));
        }
        ck_assert_msg(code == r->code, "%s: got %d \"%s\"", r->path, code, f.err.text);
        ck_assert_msg(!strcmp(f.err.path, r->at), "%s: at %s (%s)", r->path, f.err.path,
                      f.err.text);
        for (size_t k = 0; k < ARRAY_LEN(r->words) && r->words[k]; k++)
            ck_assert_msg(strstr(f.err.text, r->words[k]), "%s: \"%s\" lacks \"%s\"", r->path,
                          f.err.text, r->words[k]);
        ck_assert_ptr_null(strstr(f.err.text, "short"));
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "discard", "{}"), 0);
    }
    ck_assert_uint_eq(engine_revision(f.engine), 1);
    fake_free(&f);
}

TEST(an_edit_of_several_ops_is_all_or_nothing)
{
    struct fake f;

    base(&f);
    fake_set(&f, "/system/hostname", "\"one\"");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/hostname\",\"value\":"
                              "\"two\"},{\"op\":\"set\",\"path\":\"/nope\",\"value\":1}]}"),
                     ORB_E_SCHEMA);
    fake_ask(&f, "ada", 1, "get", "{\"path\":\"/system/hostname\",\"source\":\"candidate\"}");
    ck_assert_str_eq(json_string_value(json_object_get(f.reply, "value")), "one");
    fake_close(&f);
    fake_open(&f);
    fake_ask(&f, "ada", 1, "get", "{\"path\":\"/system/hostname\",\"source\":\"candidate\"}");
    ck_assert_str_eq(json_string_value(json_object_get(f.reply, "value")), "one");
    fake_free(&f);
}

TEST(a_candidate_is_private_and_survives_a_restart)
{
    struct fake f;

    base(&f);
    fake_set(&f, "/system/hostname", "\"edge1\"");
    fake_ask(&f, "ada", 1, "edit",
             "{\"ops\":[{\"op\":\"delete\",\"path\":\"/firewall/rules/10\"}]}");
    fake_close(&f);
    fake_open(&f);
    ck_assert_int_eq(fake_ask(&f, "bob", 2, "diff", "{}"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "changes")), 0);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "diff", "{}"), 0);
    ck_assert_str_eq(buf_str(&f.text),
                     "{\"changes\":[{\"old\":{\"action\":\"accept\",\"from\":\"lan\"},\"op\":"
                     "\"delete\",\"path\":\"/firewall/rules/10\"},{\"op\":\"set\",\"path\":"
                     "\"/system/hostname\",\"value\":\"edge1\"}],\"count\":2}");
    fake_free(&f);
}

TEST(secrets_are_never_shown_and_a_shown_mask_given_back_keeps_them)
{
    struct fake f;

    base(&f);
    fake_set(&f, "/system/password", "\"correct-horse\"");
    static const char *const looks[][2] = {
        {"get", "{\"path\":\"\"}"},
        {"get", "{\"path\":\"/system\",\"source\":\"candidate\"}"},
        {"get", "{\"path\":\"/system/password\"}"},
        {"get-part", "{\"path\":\"/system\",\"source\":\"running\",\"offset\":0}"},
        {"diff", "{}"},
        {"diff", "{\"from\":0}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
        ck_assert_int_eq(fake_ask(&f, "ada", 1, looks[i][0], "%s", looks[i][1]), 0);
        ck_assert_ptr_null(strstr(buf_str(&f.text), "hunter22"));
        ck_assert_ptr_null(strstr(buf_str(&f.text), "correct-horse"));
        ck_assert_ptr_nonnull(strstr(buf_str(&f.text), "********"));
    }
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "discard", "{}"), 0);
    fake_set(&f, "/system", "{\"hostname\":\"x\",\"password\":\"********\"}");
    fake_commit(&f);
    ck_assert_ptr_nonnull(strstr(fake_running(&f), "hunter22"));
    ck_assert_ptr_null(strstr(buf_str(&f.logged), "hunter22"));
    fake_free(&f);
}

TEST(masks_in_a_list_keep_the_secrets_of_the_elements_they_stand_for)
{
    static const char users[] = "[{\"name\":\"a\",\"key\":\"key-of-a\"},"
                                "{\"name\":\"b\",\"key\":\"key-of-b\"}]";
    struct fake f;

    base(&f);
    fake_set(&f, "/system/users", users);
    fake_commit(&f);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "get", "{\"path\":\"/system\"}"), 0);
    ck_assert_ptr_null(strstr(buf_str(&f.text), "key-of"));
    fake_set(&f, "/system/users",
             "[{\"name\":\"b\",\"key\":\"********\"},"
             "{\"name\":\"a\",\"key\":\"********\"}]");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "diff", "{}"), 0);
    ck_assert_ptr_null(strstr(buf_str(&f.text), "key-of"));
    fake_commit(&f);
    ck_assert_ptr_nonnull(strstr(fake_running(&f), "[{\"key\":\"key-of-b\",\"name\":\"b\"},"
                                                   "{\"key\":\"key-of-a\",\"name\":\"a\"}]"));
    /* No element looks like this one: its secret is not known, and none is made up. */
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/users\",\"value\":[{"
                              "\"name\":\"c\",\"key\":\"********\"}]}]}"),
                     ORB_E_SCHEMA);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/users\",\"value\":[{"
                              "\"name\":\"c\",\"key\":\"far-too-long\"}]}]}"),
                     ORB_E_SCHEMA);
    ck_assert_ptr_null(strstr(buf_str(&f.text), "far-too-long"));
    fake_set(&f, "/system/users", "[{\"name\":\"********\"}]"); /* a name like any other */
    fake_free(&f);
}

/* What a user is answered who guesses a secret: of the edit, the diff, the check, the commit and
 * what the commit changed. */
static void guess(const char *ops, char *shown, size_t size)
{
    static const char *const asks[][2] = {
        {"edit", NULL},   {"diff", "{}"},           {"validate", "{}"},
        {"commit", "{}"}, {"diff", "{\"from\":1}"}, {"rollback", "{\"n\":1}"},
        {"diff", "{}"}};
    struct fake f;

    base(&f);
    fake_set(&f, "/system",
             "{\"password\":\"guessed-1\",\"vault\":{\"k\":\"guessed-1\"},"
             "\"users\":[{\"name\":\"a\",\"key\":\"guessed-1\"}]}");
    fake_commit(&f);
    *shown = '\0';
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        int r = fake_ask(&f, "eve", 1, asks[i][0], "%s", asks[i][1] ? asks[i][1] : ops);

        fake_pump(&f);
        snprintf(shown + strlen(shown), size - strlen(shown), "%d %s\n", r, buf_str(&f.text));
    }
    fake_free(&f);
}

TEST(whether_a_guess_of_a_secret_is_right_is_not_told)
{
    static const char *const ways[] = {
        "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/password\",\"value\":\"guessed-1\"}]}",
        "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/vault/k\",\"value\":\"guessed-1\"}]}",
        "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/vault\",\"value\":{\"k\":\"guessed-1\"}}]}",
        "{\"ops\":[{\"op\":\"merge\",\"path\":\"/"
        "system\",\"value\":{\"password\":\"guessed-1\"}}]}",
        "{\"ops\":[{\"op\":\"set\",\"path\":\"/system\",\"value\":{\"password\":\"guessed-1\","
        "\"vault\":\"********\",\"users\":[{\"name\":\"a\",\"key\":\"********\"}]}}]}",
        "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/users\",\"value\":"
        "[{\"name\":\"a\",\"key\":\"guessed-1\"}]}]}",
        "{\"replace\":true,\"ops\":[{\"op\":\"set\",\"path\":\"/system\",\"value\":"
        "{\"password\":\"guessed-1\"}}]}",
    };

    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        char right[8000], wrong[8000], ops[400];

        snprintf(ops, sizeof(ops), "%s", ways[i]);
        guess(ops, right, sizeof(right));
        *strpbrk(strstr(ops, "guessed-"), "1") = '2';
        guess(ops, wrong, sizeof(wrong));
        ck_assert_msg(strstr(right, "********"), "control, way %zu: %s", i, right);
        ck_assert_msg(!strcmp(right, wrong), "way %zu: %s--- and\n%s", i, right, wrong);
    }
}

TEST(a_mask_given_back_is_no_change)
{
    static const char *const ways[][2] = {
        {"/system/password", "\"********\""},
        {"/system", "{\"hostname\":\"h\",\"password\":\"********\","
                    "\"users\":[{\"name\":\"a\",\"key\":\"********\"},{\"name\":\"b\"}]}"},
        {"/system/users", "[{\"name\":\"a\",\"key\":\"********\"},{\"name\":\"b\"}]"}};
    struct fake f;

    base(&f);
    fake_set(&f, "/system",
             "{\"hostname\":\"h\",\"password\":\"guessed-1\",\"users\":"
             "[{\"name\":\"a\",\"key\":\"guessed-1\"},{\"name\":\"b\"}]}");
    fake_commit(&f);
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        fake_set(&f, ways[i][0], ways[i][1]);
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "diff", "{}"), 0);
        ck_assert_str_eq(buf_str(&f.text), "{\"changes\":[],\"count\":0}");
    }
    fake_free(&f);
}

TEST(a_part_whose_package_is_not_there_is_not_shown)
{
    struct fake f;

    base(&f);
    fake_close(&f);
    f.without = "system";
    fake_open(&f);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "get", "{\"path\":\"\"}"), 0);
    ck_assert_ptr_null(strstr(buf_str(&f.text), "hunter22"));
    ck_assert_ptr_nonnull(strstr(buf_str(&f.text), "\"system\":\"********\""));
    fake_free(&f);
}

TEST(merge_follows_rfc_7396_and_replace_starts_from_nothing)
{
    struct fake f;

    base(&f);
    ck_assert_int_eq(
        fake_ask(&f, "ada", 1, "edit",
                 "{\"ops\":[{\"op\":\"merge\",\"path\":\"\",\"value\":{\"firewall\":{\"rules\":{"
                 "\"10\":null,\"20\":{\"action\":\"drop\"}}},\"system\":{\"hostname\":\"h\"}}}]}"),
        0);
    fake_commit(&f);
    ck_assert_str_eq(fake_running(&f),
                     "{\"firewall\":{\"rules\":{\"20\":{\"action\":\"drop\"}},\"zones\":{\"lan\":{"
                     "\"interfaces\":[\"lan0\"]},\"wan\":{}}},\"interfaces\":{\"lan0\":{\"mtu\":"
                     "1500}},\"system\":{\"hostname\":\"h\",\"password\":\"hunter22\"}}");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "load-part",
                              "{\"offset\":0,\"data\":\"{\\\"system\\\":\",\"last\":false,"
                              "\"mode\":\"replace\"}"),
                     0);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "load-part",
                              "{\"offset\":10,\"data\":\"{\\\"hostname\\\":\\\"z\\\"}}\",\"last\":"
                              "true,\"mode\":\"replace\"}"),
                     0);
    fake_commit(&f);
    ck_assert_str_eq(fake_running(&f), "{\"system\":{\"hostname\":\"z\"}}");
    fake_free(&f);
}

TEST(one_element_of_a_list_is_added_and_removed)
{
#define ELEMENT(op, path, value)                                                                   \
    "{\"ops\":[{\"op\":\"" op "\",\"path\":\"" path "\",\"value\":" value "}]}"
#define LIST "/firewall/zones/wan/interfaces"
    static const struct {
        const char *edit;
        int code;
        const char *want; /* the list then; or words of the error */
    } steps[] = {
        {ELEMENT("remove", LIST, "\"a\""), ORB_E_NOT_FOUND, "does not have"},
        {ELEMENT("add", LIST, "\"a\""), 0, "[\"a\"]"},
        {ELEMENT("add", LIST, "\"b\""), 0, "[\"a\",\"b\"]"},
        {ELEMENT("add", LIST, "\"a\""), 0, "[\"a\",\"b\"]"},
        {ELEMENT("add", LIST, "7"), ORB_E_SCHEMA, "a string"},
        {ELEMENT("remove", LIST, "\"c\""), ORB_E_NOT_FOUND, "does not have"},
        {ELEMENT("remove", LIST, "\"a\""), 0, "[\"b\"]"},
        {ELEMENT("remove", LIST, "\"b\""), 0, "null"},
        {ELEMENT("add", "/firewall/zones/wan", "\"a\""), ORB_E_SCHEMA, "this is an object"},
        {ELEMENT("add", "/firewall/zones/wan/nothing", "\"a\""), ORB_E_SCHEMA, "nothing"},
        {ELEMENT("add", "/system/users", "{\"name\":\"b\"}"), ORB_E_INVALID, "secrets"},
        {ELEMENT("remove", "/system/users", "{\"name\":\"a\",\"key\":\"key-of-a\"}"), ORB_E_INVALID,
         "secrets"},
        {"{\"ops\":[{\"op\":\"add\",\"path\":\"" LIST "\"}]}", ORB_E_INVALID, "needs a value"},
        {"{\"replace\":true,\"ops\":[{\"op\":\"add\",\"path\":\"" LIST "\",\"value\":\"a\"}]}",
         ORB_E_INVALID, "replace"},
    };
    struct fake f;

    base(&f);
    fake_set(&f, "/system/users", "[{\"name\":\"a\",\"key\":\"key-of-a\"}]");
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        AUTO_FREE char *list = NULL;

        ck_assert_msg(fake_ask(&f, "ada", 1, "edit", "%s", steps[i].edit) == steps[i].code,
                      "step %zu: %s", i, f.err.text);
        if (steps[i].code) {
            ck_assert_msg(strstr(f.err.text, steps[i].want) != NULL, "step %zu: %s", i, f.err.text);
            continue;
        }
        fake_ask(&f, "ada", 1, "get", "{\"path\":\"" LIST "\",\"source\":\"candidate\"}");
        list = json_dumps(json_object_get(f.reply, "value"), JSON_COMPACT | JSON_ENCODE_ANY);
        ck_assert_str_eq(list ? list : "null", steps[i].want);
    }
    fake_free(&f);
}

TEST(a_value_too_big_for_a_frame_is_read_in_parts)
{
    struct fake f;
    AUTO(buf) struct buf rules = {0}, got = {0};
    size_t bytes = 1;

    base(&f);
    buf_adds(&rules, "{");
    for (int i = 100; i < 9000; i++)
        buf_addf(&rules, "%s\\\"%d\\\":{\\\"action\\\":\\\"drop\\\",\\\"port\\\":%d}",
                 i > 100 ? "," : "", i, i);
    buf_adds(&rules, "}");
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "load-part",
                              "{\"offset\":0,\"data\":\"{\\\"firewall\\\":{\\\"rules\\\":%s}}\","
                              "\"last\":true,\"mode\":\"merge\"}",
                              rules.data),
                     0);
    fake_commit(&f);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "get", "{\"path\":\"/firewall\"}"), ORB_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(f.err.text, "get-part"));
    while (got.len < bytes) {
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "get-part",
                                  "{\"path\":\"\",\"source\":\"running\",\"offset\":%zu}", got.len),
                         0);
        bytes = (size_t)json_integer_value(json_object_get(f.reply, "bytes"));
        ck_assert_uint_lt(f.text.len, 262144);
        buf_adds(&got, json_string_value(json_object_get(f.reply, "data")));
    }
    ck_assert_uint_gt(got.len, 300000);
    ck_assert_ptr_nonnull(strstr(got.data, "\"8999\":{"));
    fake_free(&f);
}

TEST(schema_has_members_names_and_words)
{
    struct fake f;

    base(&f);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "schema", "{\"path\":\"/firewall/rules/10/from\"}"), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "names")), 2);
    ck_assert_int_eq(
        fake_ask(&f, "ada", 1, "schema", "{\"path\":\"/firewall/rules/10/from\",\"prefix\":\"w\"}"),
        0);
    ck_assert_uint_eq(json_array_size(json_object_get(f.reply, "names")), 1);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "schema", "{\"path\":\"/firewall/rules/10\"}"), 0);
    ck_assert(json_is_true(json_object_get(tree_get(f.reply, "/members/action"), "required")));
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "schema", "{\"path\":\"/\"}"), 0);
    ck_assert_uint_eq(json_object_size(json_object_get(f.reply, "members")), 4);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "schema", "{\"path\":\"/system/hostnam\"}"),
                     ORB_E_SCHEMA);
    fake_free(&f);
}

TEST(a_large_object_that_is_added_or_removed_is_shown_member_by_member)
{
    struct fake f;
    AUTO(buf) struct buf rules = {0};
    json_t *changes, *change;
    size_t i;

    base(&f);
    for (int n = 1; n <= 900; n++)
        buf_addf(&rules, "%s\"%d\":{\"action\":\"drop\"}", n > 1 ? "," : "{", n + 100);
    buf_addc(&rules, '}');
    fake_set(&f, "/firewall/rules", buf_str(&rules));
    fake_commit(&f);
    for (int back = 0; back < 2; back++) {
        unsigned rule_lines = 0;

        ck_assert_int_eq(fake_ask(&f, "ada", 1, "diff",
                                  back ? "{\"from\":2,\"to\":0}" : "{\"from\":0,\"to\":2}"),
                         0);
        changes = json_object_get(f.reply, "changes");
        ck_assert_uint_eq(json_array_size(changes),
                          json_integer_value(json_object_get(f.reply, "count")));
        json_array_foreach (changes, i, change) {
            const char *path = json_string_value(json_object_get(change, "path"));

            ck_assert_ptr_nonnull(json_object_get(change, back ? "old" : "value"));
            rule_lines += !strncmp(path, "/firewall/rules/", 16);
        }
        ck_assert_uint_eq(rule_lines, 900);
    }
    fake_free(&f);
}

/* Each byte of a saved candidate: an edit may be missing, which is reported, but none is changed.
 */
TEST(a_rotten_candidate_loses_edits_and_never_changes_one)
{
    struct fake f;
    AUTO_FREE char *path = NULL;
    AUTO(buf) struct buf whole = {0};
    unsigned lost = 0;

    fake_new(&f);
    fake_set(&f, "/system/hostname", "\"gateway\"");
    fake_set(&f, "/interfaces/lan0/mtu", "1400");
    path = buf_format("%s/candidate-ada.ops", f.dir);
    ck_assert_int_eq(file_read(path, 1 << 16, &whole, NULL), 0);
    fake_close(&f);
    for (size_t i = 0; i < whole.len; i++) {
        AUTO_FREE char *text = NULL;
        const char *problem;

        whole.data[i] ^= 1;
        ck_assert_int_eq(file_replace(path, whole.data, whole.len, 0600, NULL), 0);
        whole.data[i] ^= 1;
        fake_open(&f);
        problem = fake_problem(&f, "candidate:ada");
        if (!problem)
            problem = fake_problem(&f, "file:candidate-ada.ops");
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "diff", "{}"), 0);
        text = xstrdup(buf_str(&f.text));
        ck_assert_msg(!strstr(text, "hostname") || strstr(text, "\"gateway\""), "%zu: %s", i, text);
        ck_assert_msg(!strstr(text, "mtu") || strstr(text, "1400"), "%zu: %s", i, text);
        ck_assert_msg(problem || (strstr(text, "hostname") && strstr(text, "mtu")) ||
                          i + 1 == whole.len,
                      "byte %zu costs an edit and no problem reports it: %s", i, text);
        lost += problem != NULL;
        fake_ask(&f, "ada", 1, "discard", "{}");
        ck_assert_ptr_null(fake_problem(&f, "candidate:ada"));
        ck_assert_ptr_null(fake_problem(&f, "file:candidate-ada.ops"));
        fake_close(&f);
    }
    ck_assert_uint_gt(lost, whole.len / 2);
    fake_open(&f);
    fake_free(&f);
}

TEST(edits_of_edits_do_not_let_the_file_of_a_candidate_grow_for_ever)
{
    struct fake f;
    AUTO_FREE char *path = NULL;
    AUTO(buf) struct buf large = {0};
    struct stat st;

    fake_new(&f);
    path = buf_format("%s/candidate-ada.ops", f.dir);
    buf_adds(&large, "{\"0\":{\"action\":\"drop\"}");
    for (unsigned i = 1; i < 900; i++)
        buf_addf(&large, ",\"%u\":{\"action\":\"drop\"}", i);
    buf_addc(&large, '}');
    for (unsigned i = 0; i < 400; i++)
        fake_set(&f, "/firewall/rules", buf_str(&large));
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_lt(st.st_size, 6 << 20);
    fake_close(&f);
    fake_open(&f);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "commit", "{}"), 0);
    ck_assert_ptr_nonnull(strstr(fake_running(&f), "\"899\""));
    fake_free(&f);
}

TEST(a_whole_number_is_an_integer_whatever_its_spelling)
{
    static const char *const same[] = {"1400.0", "14e2", "1.4E3", "1400"};
    struct fake f;

    fake_new(&f);
    fake_set(&f, "/interfaces/lan0/mtu", "1400");
    fake_commit(&f);
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        fake_set(&f, "/interfaces/lan0/mtu", same[i]);
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "edit",
                                  "{\"ops\":[{\"op\":\"merge\",\"path\":\"/interfaces\",\"value\":"
                                  "{\"lan0\":{\"mtu\":%s}}}]}",
                                  same[i]),
                         0);
        ck_assert_int_eq(fake_ask(&f, "ada", 1, "diff", "{}"), 0);
        ck_assert_int_eq(json_integer_value(tree_get(f.reply, "/count")), 0);
        ck_assert_int_eq(json_array_size(tree_get(f.reply, "/changes")), 0);
    }
    ck_assert_ptr_nonnull(strstr(fake_running(&f), "\"mtu\":1400}"));
    fake_free(&f);
}

#define OPEN_PART "/services/lan/limits"

/* An object in so many others. */
static const char *nested(unsigned depth, struct buf *text)
{
    buf_clear(text);
    for (unsigned i = 1; i < depth; i++)
        buf_adds(text, "{\"k\":");
    buf_adds(text, "{}");
    for (unsigned i = 1; i < depth; i++)
        buf_addc(text, '}');
    return buf_str(text);
}

/* A member at a time, each an edit that is small by itself. */
TEST(no_edit_makes_the_tree_deeper_than_it_can_be_read_back)
{
    struct fake f;
    AUTO(buf) struct buf path = {0}, value = {0}, quoted = {0};
    unsigned depth = 3; /* of the tree, with a member of OPEN_PART */
    int r = 0;

    base(&f);
    buf_adds(&path, OPEN_PART);
    for (; r == 0 && depth < 70; depth++) {
        buf_adds(&path, "/k");
        r = fake_ask(&f, "ada", 1, "edit",
                     "{\"ops\":[{\"op\":\"set\",\"path\":\"%s\",\"value\":{}}]}", buf_str(&path));
    }
    ck_assert_int_eq(r, ORB_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(f.err.text, "28 levels"));
    ck_assert_str_eq(f.err.path, buf_str(&path));
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"" OPEN_PART
                              "/j\",\"value\":%s}]}",
                              nested(25, &value)),
                     ORB_E_LIMIT);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"" OPEN_PART
                              "/j\",\"value\":%s}]}",
                              nested(24, &value)),
                     0);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "edit",
                              "{\"ops\":[{\"op\":\"merge\",\"path\":\"" OPEN_PART
                              "/j\",\"value\":%s}]}",
                              nested(25, &value)),
                     ORB_E_LIMIT);
    buf_addf(&quoted, "{\"services\":{\"lan\":{\"limits\":{\"m\":%s}}}}", nested(25, &value));
    buf_clear(&value);
    buf_add_json(&value, quoted.data, quoted.len);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(fake_ask(&f, "bob", 2, "load-part",
                                  "{\"offset\":0,\"data\":%s,\"last\":true,\"mode\":\"%s\"}",
                                  buf_str(&value), i ? "merge" : "replace"),
                         ORB_E_LIMIT);
    fake_commit(&f);
    fake_close(&f);
    fake_open(&f);
    ck_assert_uint_eq(engine_revision(f.engine), 2);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "get", "{\"path\":\"\"}"), 0);
    ck_assert_int_eq(scan_json(f.text.data, f.text.len, NULL, NULL), 0);
    fake_free(&f);
}

static int64_t changes_of(struct fake *f, const char *user, uint32_t peer)
{
    ck_assert_int_eq(fake_ask(f, user, peer, "diff", "{}"), 0);
    return json_integer_value(tree_get(f->reply, "/count"));
}

/* What the first bob left would else be committed by the second, or read by it. */
TEST(a_token_made_under_the_name_of_an_earlier_one_has_nothing_of_it)
{
    struct fake f;

    base(&f);
    f.made_us = 1000;
    ck_assert_int_eq(fake_ask(&f, "token:bob", 5, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/hostname\",\"value\":"
                              "\"evil\"}]}"),
                     0);
    ck_assert_int_eq(fake_ask(&f, "token:bob", 5, "lock", "{}"), 0);
    ck_assert_int_eq(changes_of(&f, "token:bob", 6), 1);
    fake_close(&f);
    fake_open(&f);
    ck_assert_int_eq(changes_of(&f, "token:bob", 7), 1);
    f.made_us = 2000;
    ck_assert_int_eq(changes_of(&f, "token:bob", 8), 0);
    ck_assert_int_eq(fake_ask(&f, "token:bob", 8, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/hostname\",\"value\":"
                              "\"good\"}]}"),
                     0);
    fake_close(&f);
    fake_open(&f);
    ck_assert_int_eq(fake_ask(&f, "token:bob", 9, "commit", "{}"), 0);
    ck_assert_ptr_nonnull(strstr(fake_running(&f), "\"good\""));
    ck_assert_int_eq(fake_ask(&f, "token:bob", 9, "lock", "{}"), 0);
    ck_assert_int_eq(fake_ask(&f, "ada", 1, "edit",
                              "{\"ops\":[{\"op\":\"set\",\"path\":\"/system/hostname\",\"value\":"
                              "\"x\"}]}"),
                     ORB_E_LOCKED);
    f.made_us = 3000;
    ck_assert_int_eq(changes_of(&f, "token:bob", 10), 0);
    fake_set(&f, "/system/hostname", "\"y\"");
    ck_assert_int_eq(changes_of(&f, "ada", 1), 1);
    f.made_us = 4000;
    ck_assert_int_eq(changes_of(&f, "token:ada", 11), 0);
    ck_assert_int_eq(changes_of(&f, "ada", 1), 1);
    fake_free(&f);
}
