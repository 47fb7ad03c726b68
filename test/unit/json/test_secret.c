/* core/json/schema_secret: whatever place a secret has in a schema, it is not shown. */
#include <string.h>

#include "core/base/own.h"
#include "core/json/schema.h"
#include "core/json/tree.h"
#include "test/lib/harness.h"

#define S "{\"type\":\"string\",\"x-orb-secret\":true}"
#define DEFS "\"$defs\":{\"s\":" S ",\"o\":{\"properties\":{\"k\":{\"$ref\":\"#/$defs/s\"}}}}"
#define OBJECT(members) "{\"type\":\"object\"," DEFS "," members "}"
#define PROPERTIES(members) OBJECT("\"properties\":{" members "}")

static struct schema *compiled(const char *text)
{
    struct schema *schema = NULL;
    struct orb_err err;

    ck_assert_msg(schema_compile(text, strlen(text), true, &schema, &err) == 0, "%s: %s %s", text,
                  err.path, err.text);
    return schema;
}

/* The value as it is shown; freed by the caller. */
static char *shown(const struct schema *schema, const char *pointer, const char *value)
{
    AUTO(buf) struct buf text = {0};
    json_t *tree = NULL;

    ck_assert_int_eq(tree_parse(value, strlen(value), NULL, &tree, NULL), 0);
    tree = schema_secret_mask(schema, pointer, tree, "***");
    tree_dump(tree, &text);
    json_decref(tree);
    return buf_take(&text);
}

TEST(a_secret_is_masked_wherever_the_schema_specifies_so)
{
    static const struct {
        const char *schema, *value, *shown;
    } table[] = {
        {PROPERTIES("\"a\":" S ",\"b\":{}"), "{\"a\":\"X\",\"b\":1}", "{\"a\":\"***\",\"b\":1}"},
        {PROPERTIES("\"a\":{\"$ref\":\"#/$defs/s\"}"), "{\"a\":\"X\"}", "{\"a\":\"***\"}"},
        {PROPERTIES("\"a\":{\"items\":" S "}"), "{\"a\":[\"X\",\"X\"]}",
         "{\"a\":[\"***\",\"***\"]}"},
        {PROPERTIES("\"a\":{\"items\":{\"$ref\":\"#/$defs/o\"}}"), "{\"a\":[{\"k\":\"X\"}]}",
         "{\"a\":[{\"k\":\"***\"}]}"},
        {PROPERTIES("\"a\":{\"items\":{\"items\":" S "}}"), "{\"a\":[[\"X\"]]}",
         "{\"a\":[[\"***\"]]}"},
        {PROPERTIES("\"a\":{\"type\":\"array\",\"x-orb-secret\":true}"), "{\"a\":[\"X\"]}",
         "{\"a\":\"***\"}"},
        {PROPERTIES("\"a\":{\"allOf\":[{\"minLength\":1}," S "]}"), "{\"a\":\"X\"}",
         "{\"a\":\"***\"}"},
        {PROPERTIES("\"a\":{\"not\":" S "}"), "{\"a\":\"X\"}", "{\"a\":\"***\"}"},
        {PROPERTIES("\"a\":{\"not\":{\"not\":" S "}}"), "{\"a\":\"X\"}", "{\"a\":\"***\"}"},
        {PROPERTIES("\"a\":{\"not\":{\"$ref\":\"#/$defs/o\"}}"), "{\"a\":{\"k\":\"X\"}}",
         "{\"a\":{\"k\":\"***\"}}"},
        {PROPERTIES("\"a\":{\"anyOf\":[{\"const\":\"none\"}," S "]}"), "{\"a\":\"X\"}",
         "{\"a\":\"***\"}"},
        {PROPERTIES("\"a\":{\"oneOf\":[{\"type\":\"integer\"},{\"$ref\":\"#/$defs/s\"}]}"),
         "{\"a\":\"X\"}", "{\"a\":\"***\"}"},
        {PROPERTIES("\"a\":{\"anyOf\":[{\"allOf\":[{\"oneOf\":[{\"$ref\":\"#/$defs/o\"}]}]}]}"),
         "{\"a\":{\"k\":\"X\"}}", "{\"a\":{\"k\":\"***\"}}"},
        {PROPERTIES(
             "\"a\":{\"anyOf\":[{\"properties\":{\"k\":{},\"n\":{}}},{\"$ref\":\"#/$defs/o\"}]}"),
         "{\"a\":{\"k\":\"X\",\"n\":1}}",
         "{\"a\":{\"k\":\"***\",\"n\":1}}"}, /* the other one fits */
        {PROPERTIES("\"a\":{\"anyOf\":[{\"type\":\"array\",\"items\":" S
                    "},{\"type\":\"string\"}]}"),
         "{\"a\":[\"X\"]}", "{\"a\":[\"***\"]}"},
        {OBJECT("\"additionalProperties\":" S), "{\"x\":\"X\"}", "{\"x\":\"***\"}"},
        {OBJECT("\"patternProperties\":{\"^k\":" S "},\"additionalProperties\":true"),
         "{\"k1\":\"X\",\"x\":1}", "{\"k1\":\"***\",\"x\":1}"},
        {OBJECT("\"properties\":{\"k1\":{}},\"patternProperties\":{\"^k\":" S "}"),
         "{\"k1\":\"X\"}", "{\"k1\":\"***\"}"},
        {OBJECT("\"allOf\":[{\"properties\":{\"a\":{}}},{\"properties\":{\"a\":" S "}}]"),
         "{\"a\":\"X\"}", "{\"a\":\"***\"}"},
        {OBJECT("\"properties\":{\"m\":{\"additionalProperties\":{\"$ref\":\"#/$defs/o\"}}}"),
         "{\"m\":{\"n\":{\"k\":\"X\"}}}", "{\"m\":{\"n\":{\"k\":\"***\"}}}"},
        {OBJECT("\"propertyNames\":" S), "{\"X\":1}", "\"***\""},
        {PROPERTIES("\"a\":{\"type\":\"object\",\"x-orb-secret\":true}"), "{\"a\":{\"b\":\"X\"}}",
         "{\"a\":\"***\"}"},
        /* what no schema describes */
        {PROPERTIES("\"a\":{}"), "{\"old\":\"X\",\"a\":1}", "{\"a\":1,\"old\":\"***\"}"},
        {PROPERTIES("\"a\":{\"$ref\":\"#/$defs/o\"}"), "{\"a\":{\"old\":\"X\"}}",
         "{\"a\":{\"old\":\"***\"}}"},
        {PROPERTIES("\"a\":{\"type\":\"string\"}"), "{\"a\":{\"old\":\"X\"}}",
         "{\"a\":{\"old\":\"***\"}}"},
        /* what is open */
        {"{\"type\":\"object\"}", "{\"a\":[1,{\"b\":2}]}", "{\"a\":[1,{\"b\":2}]}"},
        {PROPERTIES("\"a\":true"), "{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[1]}}"},
        {"{\"$defs\":{\"t\":{\"properties\":{\"k\":" S ",\"t\":{\"$ref\":\"#/$defs/t\"}}}},"
         "\"$ref\":\"#/$defs/t\"}",
         "{\"t\":{\"t\":{\"k\":\"X\"}}}", "{\"t\":{\"t\":{\"k\":\"***\"}}}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(schema) struct schema *schema = compiled(table[i].schema);
        AUTO_FREE char *text = shown(schema, "", table[i].value);

        ck_assert_msg(!strcmp(text, table[i].shown), "%s of %s: %s", table[i].value,
                      table[i].schema, text);
    }
}

TEST(a_part_of_a_value_is_masked_as_in_the_whole)
{
    AUTO(schema)
    struct schema *schema = compiled(PROPERTIES(
        "\"a\":{\"items\":{\"$ref\":\"#/$defs/o\"}},\"b\":{\"x-orb-secret\":true},\"c\":{}"));
    static const char *const table[][3] = {{"/a", "[{\"k\":\"X\"}]", "[{\"k\":\"***\"}]"},
                                           {"/a/0", "{\"k\":\"X\"}", "{\"k\":\"***\"}"},
                                           {"/a/0/k", "\"X\"", "\"***\""},
                                           {"/b", "1", "\"***\""},
                                           {"/b/below", "1", "\"***\""},
                                           {"/c/below", "1", "1"},
                                           {"/gone", "1", "\"***\""}};

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO_FREE char *text = shown(schema, table[i][0], table[i][1]);

        ck_assert_str_eq(text, table[i][2]);
    }
    ck_assert(schema_secret_hides(schema, "/a/7/k"));
    ck_assert(schema_secret_hides(schema, "/b/below"));
    ck_assert(!schema_secret_hides(schema, "/c"));
    ck_assert(!schema_secret_hides(schema, "/gone")); /* an error may name an unknown key */
}

TEST(more_schemas_than_are_looked_at_hide_the_value)
{
    AUTO(buf) struct buf text = {0};

    buf_adds(&text, "{\"allOf\":[{}");
    for (int i = 0; i < 100; i++)
        buf_addf(&text, ",{\"minLength\":%d}", i);
    buf_adds(&text, "]}");
    {
        AUTO(schema) struct schema *schema = compiled(buf_str(&text));
        AUTO_FREE char *value = shown(schema, "", "\"X\"");

        ck_assert_str_eq(value, "\"***\"");
    }
}

TEST(an_error_does_not_tell_the_secret)
{
    static const char *const table[][2] = {
        {PROPERTIES("\"a\":{\"allOf\":[" S ",{\"pattern\":\"^[a-z]+$\"}]}"), "{\"a\":\"HUSH\"}"},
        {PROPERTIES("\"a\":{\"x-orb-secret\":true,\"items\":{\"type\":\"integer\"}}"),
         "{\"a\":[\"HUSH\"]}"},
        {PROPERTIES("\"a\":{\"uniqueItems\":true,\"items\":{\"$ref\":\"#/$defs/o\"}}"),
         "{\"a\":[{\"k\":\"HUSH\"},{\"k\":\"HUSH\"}]}"},
        {PROPERTIES("\"a\":{\"anyOf\":[{\"const\":\"x\"},{\"allOf\":[" S ",{\"maxLength\":2}]}]}"),
         "{\"a\":\"HUSH\"}"},
        {PROPERTIES("\"a\":{\"enum\":[\"b\"],\"anyOf\":[" S "]}"), "{\"a\":\"HUSH\"}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(schema) struct schema *schema = compiled(table[i][0]);
        struct orb_err err;

        ck_assert_int_eq(schema_check(schema, table[i][1], strlen(table[i][1]), "/p", &err),
                         ORB_E_SCHEMA);
        ck_assert_msg(!strstr(err.text, "HUSH"), "%s: %s", table[i][0], err.text);
    }
}
