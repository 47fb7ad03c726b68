/* Schemas come from packages: whatever they contain, compiling and checking take a bounded time. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/own.h"
#include "core/json/schema.h"
#include "core/json/tree.h"
#include "test/lib/harness.h"

#define MOST_MS 400 /* of processor time; some 40 ms without sanitizers */
#define VALUE_BYTES 200000

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void repeat(struct buf *b, const char *text, int n)
{
    for (int i = 0; i < n; i++)
        buf_addf(b, "%s%s", i ? "," : "", text);
}

/* {"allOf":[{"$ref":"#/$defs/d"} × n],"$defs":{"d":…}} */
static void often(struct buf *b, int n, const char *definition)
{
    buf_adds(b, "{\"allOf\":[");
    repeat(b, "{\"$ref\":\"#/$defs/d\"}", n);
    buf_addf(b, "],\"$defs\":{\"d\":%s}}", definition);
}

static void names(struct buf *b, int n, const char *suffix)
{
    for (int i = 0; i < n; i++)
        buf_addf(b, "%s\"a%05db%05dc\"%s", i ? "," : "", i, i, suffix);
}

/* ---- one function a kind: a schema and a value ---- */

static void needs_of_one_name(struct buf *schema, struct buf *value)
{
    AUTO(buf) struct buf d = {0};

    buf_adds(&d, "{\"additionalProperties\":true,\"dependentRequired\":{\"a\":[");
    repeat(&d, "\"z\"", 30000);
    buf_adds(&d, "]}}");
    often(schema, 60, buf_str(&d));
    buf_adds(value, "{\"a\":1,\"fill\":\"");
    for (int i = 0; i < VALUE_BYTES; i++)
        buf_addc(value, 'x');
    buf_adds(value, "\",\"z\":1}");
}

static void needs_of_many_names(struct buf *schema, struct buf *value)
{
    AUTO(buf) struct buf d = {0};

    buf_adds(&d, "{\"dependentRequired\":{");
    for (int i = 0; i < 10; i++) {
        buf_addf(&d, "%s\"a%05db%05dc\":[", i ? "," : "", i, i);
        names(&d, 900, "");
        buf_addc(&d, ']');
    }
    buf_adds(&d, "}}");
    often(schema, 300, buf_str(&d));
    buf_addc(value, '{');
    names(value, 900, ":1");
    buf_addc(value, '}');
}

static void missing_names(struct buf *schema, struct buf *value)
{
    AUTO(buf) struct buf d = {0};

    buf_adds(&d, "{\"anyOf\":[{\"required\":[");
    names(&d, 4000, "");
    buf_adds(&d, "]},true]}");
    often(schema, 2000, buf_str(&d));
    buf_addc(value, '{');
    names(value, 1000, ":\"and something to read\"");
    buf_addc(value, '}');
}

static void names_alike(struct buf *schema, struct buf *value)
{
    AUTO(buf) struct buf d = {0};

    buf_adds(&d, "{\"properties\":{");
    for (int i = 0; i < 1000; i++)
        buf_addf(&d, "%s\"k%04dmmmm%04dx\":{}", i ? "," : "", i, 9999 - i);
    buf_adds(&d, "}}");
    often(schema, 100, buf_str(&d));
    buf_addc(value, '{');
    for (int i = 0; i < 1000; i++)
        buf_addf(value, "%s\"k%04dmmmm%04dx\":1", i ? "," : "", 999 - i, 9999 - 999 + i);
    buf_addc(value, '}');
}

static void unique_elements(struct buf *schema, struct buf *value)
{
    often(schema, 500, "{\"uniqueItems\":true}");
    buf_addc(value, '[');
    for (int i = 0; i < 25000; i++)
        buf_addf(value, "%s%d", i ? "," : "", i);
    buf_addc(value, ']');
}

static void long_enum(struct buf *schema, struct buf *value)
{
    buf_adds(schema, "{\"items\":{\"enum\":[");
    names(schema, 9000, "");
    for (int i = 0; i < 5000; i++)
        buf_addf(schema, ",%d", i);
    buf_adds(schema, "]}}");
    buf_addc(value, '[');
    for (int i = 0; i < 30000; i++)
        buf_addf(value, "%s4999", i ? "," : "");
    buf_addc(value, ']');
}

static void enum_of_objects(struct buf *schema, struct buf *value)
{
    often(schema, 1000, "{\"not\":{\"const\":{\"a\":[1,2]}}}");
    buf_adds(value, "{\"a\":[");
    repeat(value, "1", VALUE_BYTES / 2);
    buf_adds(value, "]}");
}

static void patterns_that_try_all(struct buf *schema, struct buf *value)
{
    buf_adds(schema, "{\"items\":{\"pattern\":\"^(([a-z])+.)+[A-Z]([a-z])+$\"}}");
    buf_addc(value, '[');
    repeat(value, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaB\"", 5000);
    buf_addc(value, ']');
}

static void many_patterns_for_names(struct buf *schema, struct buf *value)
{
    buf_adds(schema, "{\"patternProperties\":{");
    for (int i = 0; i < 100; i++)
        buf_addf(schema, "%s\"(x{1,%d}y)+\":true", i ? "," : "", i + 200);
    buf_adds(schema, "}}");
    buf_addc(value, '{');
    for (int i = 0; i < 1000; i++)
        buf_addf(value, "%s\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx%d\":1", i ? "," : "", i);
    buf_addc(value, '}');
}

static void combinations_of_combinations(struct buf *schema, struct buf *value)
{
    static const char *const words[] = {"allOf", "anyOf", "oneOf"};

    buf_adds(schema, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (int i = 0; i < 6; i++) {
        AUTO(buf) struct buf refs = {0};
        AUTO_FREE char *ref = buf_format("{\"$ref\":\"#/$defs/d%d\"}", i + 1);

        repeat(&refs, ref, 60);
        buf_addf(schema, "\"d%d\":{\"%s\":[%s]},", i, words[i % 3], buf_str(&refs));
    }
    buf_adds(schema, "\"d6\":{\"type\":\"integer\"}}}");
    buf_adds(value, "{\"a\":1}");
}

static void read_again_and_again(struct buf *schema, struct buf *value)
{
    buf_adds(schema, "{\"allOf\":[");
    repeat(schema, "true", 10000);
    buf_adds(schema, ",{\"additionalProperties\":true}]}");
    buf_adds(value, "{\"a\":[");
    repeat(value, "1", VALUE_BYTES / 2);
    buf_adds(value, "]}");
}

static void long_texts(struct buf *schema, struct buf *value)
{
    often(schema, 5000, "{\"minLength\":3,\"maxLength\":199999,\"format\":\"hostname\"}");
    buf_addc(value, '"');
    for (int i = 0; i < VALUE_BYTES - 10; i++)
        buf_addc(value, 'x');
    buf_addc(value, '"');
}

/* Names of other parts behind alternatives in alternatives, of which the last fits. */
static void references_behind_alternatives(struct buf *schema, struct buf *value)
{
    buf_adds(schema, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (int i = 0; i < 60; i++)
        buf_addf(
            schema,
            "\"d%d\":{\"anyOf\":[{\"items\":{\"type\":\"integer\"}},{\"$ref\":\"#/$defs/d%d\"}]},",
            i, i + 1);
    buf_adds(schema, "\"d60\":{\"items\":{\"type\":\"string\",\"x-orb-ref\":\"/zones\"}}}}");
    buf_addc(value, '[');
    repeat(value, "1", VALUE_BYTES / 2 - 10);
    buf_adds(value, ",\"a\"]");
}

static void references_all_over(struct buf *schema, struct buf *value)
{
    often(schema, 3000, "{\"items\":{\"type\":\"string\",\"x-orb-ref\":\"/zones\"}}");
    buf_addc(value, '[');
    repeat(value, "\"a\"", VALUE_BYTES / 4);
    buf_addc(value, ']');
}

static void secrets_all_over(struct buf *schema, struct buf *value)
{
    buf_adds(schema, "{\"additionalProperties\":{\"$ref\":\"#/$defs/l\"},\"allOf\":[");
    repeat(schema, "{\"$ref\":\"#/$defs/l\"}", 9000);
    buf_adds(schema, "],\"$defs\":{\"l\":{\"allOf\":[");
    repeat(schema, "{\"$ref\":\"#/$defs/m\"}", 9000);
    buf_adds(schema,
             "]},\"m\":{\"properties\":{\"s\":{\"x-orb-secret\":true}},\"patternProperties\":{"
             "\"(x{1,300}y)+\":{\"type\":\"integer\"}}}}}");
    buf_addc(value, '{');
    for (int i = 0; i < 1000; i++)
        buf_addf(value, "%s\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx%d\":[1,2]", i ? "," : "", i);
    buf_addc(value, '}');
}

static const struct {
    const char *name;
    void (*make)(struct buf *schema, struct buf *value);
} kinds[] = {{"needs of one name", needs_of_one_name},
             {"needs of many names", needs_of_many_names},
             {"missing names", missing_names},
             {"names alike", names_alike},
             {"unique elements", unique_elements},
             {"long enum", long_enum},
             {"enum of objects", enum_of_objects},
             {"patterns that try all", patterns_that_try_all},
             {"many patterns for names", many_patterns_for_names},
             {"combinations of combinations", combinations_of_combinations},
             {"read again and again", read_again_and_again},
             {"long texts", long_texts},
             {"references behind alternatives", references_behind_alternatives},
             {"references all over", references_all_over},
             {"secrets all over", secrets_all_over}};

static int on_ref(void *arg, const char *path, const char *target, const char *value)
{
    return 0;
}

/* The other walks over value and schema. */
static void look(const struct schema *schema, const struct buf *value)
{
    json_t *tree = NULL;

    schema_refs_each(schema, value->data, value->len, "", on_ref, NULL);
    schema_secret_hides(schema, "/a/0/b/1/c/2/d/3/e/4/f/5");
    schema_facts_at(schema, "/a/0/b/1/c/2/d/3/e/4/f/5", NULL);
    tree = json_loadb(value->data, value->len, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(tree);
    json_decref(schema_secret_mask(schema, "", tree, "*"));
}

TEST(whatever_a_schema_specifies_compiling_and_checking_end_in_time)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        AUTO(buf) struct buf text = {0}, value = {0};
        struct schema *schema = NULL;
        struct orb_err err = {0};
        double before, compiled, checked, looked;
        int r;

        kinds[i].make(&text, &value);
        before = cpu_ms();
        r = schema_compile(buf_str(&text), text.len, false, &schema, &err);
        compiled = cpu_ms() - before;
        ck_assert_msg(r == 0 || (r == ORB_E_LIMIT && strstr(err.text, "limit is")), "%s: %s",
                      kinds[i].name, err.text);
        before = cpu_ms();
        if (r == 0)
            r = schema_check(schema, buf_str(&value), value.len, "", &err);
        checked = cpu_ms() - before;
        before = cpu_ms();
        if (schema)
            look(schema, &value);
        looked = cpu_ms() - before;
        schema_compile_free(schema);
        fprintf(stderr, "%-30s %6.1f ms compiled, %6.1f ms checked, %6.1f ms looked at, %d\n",
                kinds[i].name, compiled, checked, looked, r);
        ck_assert_msg(compiled < MOST_MS && checked < MOST_MS && looked < MOST_MS,
                      "%s: %f ms to compile, %f to check, %f to look at", kinds[i].name, compiled,
                      checked, looked);
    }
}

TEST(a_document_over_its_budget_is_refused_with_the_limit)
{
    AUTO(buf) struct buf many = {0}, chain = {0}, patterns = {0};
    const struct buf *const texts[] = {&many, &chain, &patterns};
    struct schema *schema = NULL;

    buf_adds(&many, "{\"required\":[");
    names(&many, 5000, "");
    buf_adds(&many, "]}");
    buf_adds(&chain, "{\"$defs\":{");
    for (int i = 0; i < 900; i++)
        buf_addf(&chain, "\"r%d\":{\"$ref\":\"#/$defs/r%d\"},", i, i + 1);
    buf_adds(&chain, "\"r900\":{}},\"$ref\":\"#/$defs/r0\"}");
    buf_adds(&patterns, "{\"allOf\":[");
    repeat(&patterns, "{\"pattern\":\"a{1000}b{1000}\"}", 200);
    buf_adds(&patterns, "]}");
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct orb_err err = {0};

        ck_assert_int_lt(schema_compile(buf_str(texts[i]), texts[i]->len, true, &schema, &err), 0);
        ck_assert_msg(strstr(err.text, "limit is") || strstr(err.text, "more than"), "%s",
                      err.text);
    }
}

/* Many values of a few bytes, each under several schemas: what the budget must allow. */
TEST(an_honest_value_as_large_as_a_frame_fits_its_schema)
{
    static const char text[] =
        "{\"additionalProperties\":{\"type\":\"object\",\"required\":[\"action\"],\"properties\":{"
        "\"action\":{\"enum\":[\"accept\",\"drop\",\"reject\"]},"
        "\"port\":{\"anyOf\":[{\"type\":\"integer\",\"minimum\":1},{\"type\":\"array\",\"items\":{"
        "\"type\":\"integer\"},\"uniqueItems\":true},{\"type\":\"string\",\"pattern\":\"^[a-z0-9-]{"
        "1,"
        "32}$\"}]},\"from\":{\"$ref\":\"#/$defs/zone\"}}},"
        "\"propertyNames\":{\"pattern\":\"^[1-9][0-9]{0,8}$\"},"
        "\"$defs\":{\"zone\":{\"type\":\"string\",\"pattern\":\"^!?[A-Za-z0-9][A-Za-z0-9_.-]{0,30}$"
        "\"}}}";
    AUTO(buf) struct buf value = {0};
    AUTO(schema) struct schema *schema = NULL;
    struct orb_err err = {0};

    ck_assert_int_eq(schema_compile(text, sizeof(text) - 1, true, &schema, &err), 0);
    buf_addc(&value, '{');
    for (int i = 1; value.len < 250000; i++)
        buf_addf(&value, "%s\"%d\":{\"action\":\"drop\",\"from\":\"lan\",\"port\":%s}",
                 i > 1 ? "," : "", i, i % 3 ? i % 3 == 1 ? "80" : "\"https\"" : "[1,2,3]");
    buf_addc(&value, '}');
    ck_assert_msg(schema_check(schema, buf_str(&value), value.len, "", &err) == 0, "%s %s",
                  err.path, err.text);
}
