/* The validator: its errors about wrong values and wrong schemas. Which values it accepts is
 * tested by the public suite (suite.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/scan.h"
#include "core/json/schema.h"
#include "test/lib/harness.h"

/* A firewall much like ours. */
static const char firewall[] =
    "{\"$defs\":{\"name\":{\"type\":\"string\",\"pattern\":\"^[a-z][a-z0-9-]*$\",\"maxLength\":15}}"
    ","
    "\"type\":\"object\",\"properties\":{"
    "\"zones\":{\"type\":\"object\",\"propertyNames\":{\"$ref\":\"#/$defs/name\"},"
    "  "
    "\"additionalProperties\":{\"type\":\"object\",\"properties\":{\"interfaces\":{\"type\":"
    "\"array\","
    "  "
    "\"items\":{\"type\":\"string\",\"format\":\"ifname\"},\"uniqueItems\":true,\"maxItems\":4}}}},"
    "\"rules\":{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^[0-9]+$\"},\"maxProperties\":"
    "3,"
    "  \"additionalProperties\":{\"$ref\":\"#/$defs/rule\"}},"
    "\"secret\":{\"type\":\"string\",\"minLength\":8,\"x-orb-secret\":true},"
    "\"limits\":{\"type\":\"object\",\"dependentRequired\":{\"burst\":[\"rate\"]},\"properties\":{"
    "  \"rate\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000},"
    "  \"burst\":{\"type\":\"number\",\"exclusiveMinimum\":0,\"multipleOf\":0.5},"
    "  \"when\":{\"anyOf\":[{\"const\":\"never\"},{\"type\":\"string\",\"format\":\"duration\"}]},"
    "  "
    "\"peer\":{\"oneOf\":[{\"type\":\"string\",\"format\":\"ip\"},{\"type\":\"integer\","
    "\"maximum\":9}]},"
    "  \"mode\":{\"type\":[\"string\",\"null\"],\"not\":{\"const\":\"old\"}}}}},"
    "\"$comment\":\"x\"}";

static const char rule[] =
    "{\"type\":\"object\",\"required\":[\"action\"],\"properties\":{"
    "\"action\":{\"enum\":[\"accept\",\"drop\",\"reject\"]},"
    "\"protocol\":{\"enum\":[\"tcp\",\"udp\",\"icmp\",\"any\"]},"
    "\"source\":{\"type\":\"string\",\"format\":\"cidr\"},"
    "\"port\":{\"type\":[\"integer\",\"string\"],\"format\":\"port-range\"},"
    "\"log\":{\"type\":\"boolean\"},\"description\":{\"type\":\"string\",\"maxLength\":10}}}";

static struct schema *compile(const char *text)
{
    struct schema *schema = NULL;
    struct orb_err err;

    ck_assert_msg(schema_compile(text, strlen(text), true, &schema, &err) == 0, "%s %s", err.path,
                  err.text);
    return schema;
}

static struct schema *compile_firewall(void)
{
    static const char defs[] = "{\"$defs\":{";
    AUTO_FREE char *text = buf_format("%s\"rule\":%s,%s", defs, rule, firewall + sizeof(defs) - 1);

    return compile(text);
}

static int check(const struct schema *schema, const char *text, struct orb_err *err)
{
    ck_assert_int_eq(scan_json(text, strlen(text), NULL, NULL), 0);
    *err = (struct orb_err){0};
    return schema_check(schema, text, strlen(text), "/firewall", err);
}

TEST(a_wrong_value_is_told_with_path_expectation_find_and_the_nearest)
{
    static const struct {
        const char *text, *path, *words;
    } bad[] = {
        {"5", "", "expected an object; got 5"},
        {"{\"rules\":{\"20\":{\"action\":\"drop\",\"protocol\":\"tpc\"}}}", "/rules/20/protocol",
         "expected one of tcp, udp, icmp, any; got \"tpc\"; did you mean tcp?"},
        {"{\"rules\":{\"20\":{\"action\":7}}}", "/rules/20/action",
         "expected one of accept, drop, reject; got 7"},
        {"{\"rules\":{\"20\":{}}}", "/rules/20", "expected a member action; it is missing"},
        {"{\"rules\":{\"20\":{\"action\":\"drop\",\"prtocol\":\"tcp\"}}}", "/rules/20/prtocol",
         "expected one of action, protocol, source, port, log, description; got \"prtocol\", which "
         "is not known; did you mean protocol?"},
        {"{\"rules\":{\"20\":{\"action\":\"drop\",\"source\":\"10.0.0.0\"}}}", "/rules/20/source",
         "expected an address with prefix length like 192.0.2.0/24 or 2001:db8::/32; got "
         "\"10.0.0.0\""},
        {"{\"rules\":{\"20\":{\"action\":\"drop\",\"port\":0}}}", "/rules/20/port",
         "expected a port or a range like 1024-2047; got 0"},
        {"{\"rules\":{\"20\":{\"action\":\"drop\",\"port\":\"9-3\"}}}", "/rules/20/port",
         "expected a port or a range"},
        {"{\"rules\":{\"20\":{\"action\":\"drop\",\"port\":1.5}}}", "/rules/20/port",
         "expected a string or an integer; got 1.5"},
        {"{\"rules\":{\"20\":{\"action\":\"drop\",\"log\":\"yes\"}}}", "/rules/20/log",
         "expected true or false; got \"yes\""},
        {"{\"rules\":{\"20\":{\"action\":\"drop\",\"description\":\"12345678901\"}}}",
         "/rules/20/description", "expected at most 10 characters; got 11"},
        {"{\"rules\":{\"x\":{\"action\":\"drop\"}}}", "/rules/x",
         "not a name for a member: expected a text that matches ^[0-9]+$; got \"x\""},
        {"{\"rules\":{\"1\":{\"action\":\"drop\"},\"2\":{\"action\":\"drop\"},"
         "\"3\":{\"action\":\"drop\"},\"4\":{\"action\":\"drop\"}}}",
         "/rules", "expected at most 3 members; got 4"},
        {"{\"zones\":{\"lan/\":{}}}", "/zones/lan~1", "not a name for a member"},
        {"{\"zones\":{\"lan\":{\"interfaces\":[\"eth0\",\"e/1\"]}}}", "/zones/lan/interfaces/1",
         "expected an interface name like eth0 (at most 15 characters); got \"e/1\""},
        {"{\"zones\":{\"lan\":{\"interfaces\":[\"a\",\"b\",\"\\u0061\"]}}}",
         "/zones/lan/interfaces/2", "expected each element once; got \"a\" again"},
        {"{\"zones\":{\"lan\":{\"interfaces\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}}}",
         "/zones/lan/interfaces", "expected at most 4 elements; got 5"},
        {"{\"secret\":\"hunter2\"}", "/secret",
         "expected at least 8 characters; got something else (it is secret)"},
        {"{\"secret\":12345}", "/secret", "expected a string; got something else (it is secret)"},
        {"{\"limits\":{\"rate\":0}}", "/limits/rate",
         "expected an integer between 1 and 1000; got 0"},
        {"{\"limits\":{\"rate\":1.5}}", "/limits/rate", "expected an integer; got 1.5"},
        {"{\"limits\":{\"rate\":1,\"burst\":0.7}}", "/limits/burst",
         "expected a number above 0 and that is a multiple of 0.5; got 0.7"},
        {"{\"limits\":{\"burst\":1}}", "/limits", "expected a member rate beside burst; it is"},
        {"{\"limits\":{\"when\":\"5 s\"}}", "/limits/when",
         "expected one of: \"never\", a duration"},
        {"{\"limits\":{\"peer\":\"1.2.3\"}}", "/limits/peer", "expected an IP address like"},
        {"{\"limits\":{\"peer\":10}}", "/limits/peer", "expected an integer of at most 9; got 10"},
        {"{\"limits\":{\"mode\":\"old\"}}", "/limits/mode", "something else (this is excluded)"},
        {"{\"limits\":{\"mode\":{}}}", "/limits/mode", "expected a string or null; got an object"},
    };
    AUTO(schema) struct schema *schema = compile_firewall();
    struct orb_err err;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_FREE char *path = buf_format("/firewall%s", bad[i].path);

        ck_assert_msg(check(schema, bad[i].text, &err) == ORB_E_SCHEMA, "%s", bad[i].text);
        ck_assert_msg(!strcmp(err.path, path), "%s: path %s", bad[i].text, err.path);
        ck_assert_msg(strstr(err.text, bad[i].words), "%s: %s", bad[i].text, err.text);
    }
}

TEST(a_right_value_passes_also_with_space_and_escapes)
{
    static const char *const good[] = {
        "{}",
        " { \"rules\" : { \"20\" : { \"\\u0061ction\" : \"dr\\u006fp\" , \"port\" : \"1-65535\" } "
        "} } ",
        "{\"limits\":{\"rate\":1.0e2,\"burst\":2.5,\"when\":\"1h30m\",\"peer\":\"::1\",\"mode\":"
        "null}}",
        "{\"rules\":{\"1\":{\"action\":\"drop\",\"description\":\"\\ud83d\\ude00234567890\"}}}",
        "{\"secret\":\"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\"}",
    };
    AUTO(schema) struct schema *schema = compile_firewall();
    struct orb_err err;

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        ck_assert_msg(check(schema, good[i], &err) == 0, "%s: %s %s", good[i], err.path, err.text);
}

TEST(a_wrong_schema_is_refused_at_its_place)
{
    static const struct {
        const char *text, *path, *words;
    } bad[] = {
        {"7", "", "expected a schema (an object, true or false); got 7"},
        {"{\"propertys\":{}}", "/propertys",
         "keyword \"propertys\" is not supported; did you mean properties?"},
        {"{\"properties\":{\"a\":{\"if\":true}}}", "/properties/a/if", "is not supported"},
        {"{\"$defs\":{\"x\":{\"items\":[]}}}", "/$defs/x/items", "expected a schema"},
        {"{\"type\":\"strnig\"}", "/type", "expected one of object, array"},
        {"{\"type\":[]}", "/type", "expected a type"},
        {"{\"pattern\":\"[\"}", "/pattern", "expected a regular expression; got \"[\": "},
        {"{\"pattern\":\"\\\\C\"}", "/pattern", "expected a regular expression"},
        {"{\"format\":\"ipv5\"}", "/format", "unknown format \"ipv5\"; did you mean ipv4?"},
        {"{\"x-orb-instead\":[\"a\"]}", "/x-orb-instead", "expected texts by word"},
        {"{\"x-orb-instead\":{\"a\":7}}", "/x-orb-instead", "expected a text; got 7"},
        {"{\"$ref\":\"#/$defs/a\"}", "/$ref", "there is no \"#/$defs/a\""},
        {"{\"$ref\":\"http://x/\"}", "/$ref", "expected a reference within the file"},
        {"{\"$ref\":\"#/title\",\"title\":\"x\"}", "/title", "expected a schema"},
        {"{\"minimum\":\"1\"}", "/minimum", "expected a number; got \"1\""},
        {"{\"minLength\":-1}", "/minLength", "expected a whole number"},
        {"{\"multipleOf\":0}", "/multipleOf", "expected a number above 0"},
        {"{\"enum\":[]}", "/enum", "expected an array of values"},
        {"{\"required\":[1]}", "/required", "expected an array of names"},
        {"{\"oneOf\":[true,3]}", "/oneOf/1", "expected a schema"},
        {"{\"x-orb-ref\":\"interfaces\"}", "/x-orb-ref", "expected a JSON pointer"},
        {"{\"x-orb-apply\":\"now\"}", "/x-orb-apply", "expected one of live, reload, restart"},
        {"{\"a\":1,\"a\":1}", "", "expected each key once"},
    };
    struct schema *schema = NULL;
    struct orb_err err;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int r = schema_compile(bad[i].text, strlen(bad[i].text), true, &schema, &err);

        ck_assert_msg(r < 0, "%s", bad[i].text);
        ck_assert_msg(!strcmp(err.path, bad[i].path), "%s: path %s", bad[i].text, err.path);
        ck_assert_msg(strstr(err.text, bad[i].words), "%s: %s", bad[i].text, err.text);
    }
}

TEST(a_schema_inside_a_document_uses_the_documents_definitions)
{
    static const char doc[] = "{\"interface\":\"x\",\"$defs\":{\"n\":{\"type\":\"integer\"}},"
                              "\"methods\":{\"go\":{\"input\":{\"$ref\":\"#/$defs/n\"}}}}";
    AUTO(schema) struct schema *schema = NULL;
    struct schema *none;
    struct orb_err err;

    ck_assert_int_eq(
        schema_compile_in(doc, sizeof(doc) - 1, "/methods/go/input", true, &schema, &err), 0);
    ck_assert_int_eq(check(schema, "3", &err), 0);
    ck_assert_int_eq(check(schema, "\"3\"", &err), ORB_E_SCHEMA);
    ck_assert_int_eq(schema_compile_in(doc, sizeof(doc) - 1, "/config", true, &none, &err),
                     ORB_E_SCHEMA);
    ck_assert_str_eq(err.path, "/config");
}

TEST(unknown_members_pass_only_where_objects_are_not_strict)
{
    static const char text[] = "{\"properties\":{\"a\":true}}";
    AUTO(schema) struct schema *strict = compile(text);
    AUTO(schema) struct schema *open = NULL;
    struct orb_err err;

    ck_assert_int_eq(schema_compile(text, strlen(text), false, &open, &err), 0);
    ck_assert_int_eq(check(open, "{\"b\":1}", &err), 0);
    ck_assert_int_eq(check(strict, "{\"b\":1}", &err), ORB_E_SCHEMA);
    ck_assert_str_eq(err.path, "/firewall/b");
}

TEST(values_are_compared_not_spellings)
{
    AUTO(schema)
    struct schema *schema =
        compile("{\"enum\":[1,{\"a\":[1.0,\"\\u0062\"],\"b\":null},9007199254740993,\"x\"]}");
    struct orb_err err;

    ck_assert_int_eq(check(schema, "1.0", &err), 0);
    ck_assert_int_eq(check(schema, "10e-1", &err), 0);
    ck_assert_int_eq(check(schema, "{ \"b\":null, \"a\":[1,\"b\"] }", &err), 0);
    ck_assert_int_eq(check(schema, "9007199254740993", &err), 0);
    ck_assert_int_eq(check(schema, "9007199254740992", &err), ORB_E_SCHEMA);
    ck_assert_int_eq(check(schema, "{\"a\":[1,\"b\"]}", &err), ORB_E_SCHEMA);
    ck_assert_int_eq(check(schema, "true", &err), ORB_E_SCHEMA);
    ck_assert_int_eq(check(schema, "\"1\"", &err), ORB_E_SCHEMA);
    ck_assert_int_eq(check(schema, "\"\\u0078\"", &err), 0);
}

TEST(a_recursive_schema_follows_the_value_and_ends_when_it_does_not)
{
    AUTO(schema)
    struct schema *tree =
        compile("{\"properties\":{\"left\":{\"$ref\":\"#\"},\"right\":{\"$ref\":\"#\"}}}");
    AUTO(schema) struct schema *loop = compile("{\"$ref\":\"#\"}");
    AUTO(schema)
    struct schema *bomb =
        compile("{\"not\":{\"anyOf\":[{\"properties\":{\"a\":{\"$ref\":\"#\"}}},"
                "{\"properties\":{\"a\":{\"$ref\":\"#\"}}},{\"required\":[\"zz\"]}]}}");
    AUTO(buf) struct buf deep = {0};
    struct orb_err err;

    ck_assert_int_eq(check(tree, "{\"left\":{\"right\":{\"left\":{}}}}", &err), 0);
    ck_assert_int_eq(check(tree, "{\"left\":{\"right\":{\"lfet\":{}}}}", &err), ORB_E_SCHEMA);
    ck_assert_str_eq(err.path, "/firewall/left/right/lfet");
    ck_assert_int_eq(check(loop, "1", &err), ORB_E_LIMIT);
    for (int i = 0; i < 30; i++)
        buf_adds(&deep, "{\"a\":");
    buf_adds(&deep, "1");
    for (int i = 0; i < 30; i++)
        buf_adds(&deep, "}");
    check(bomb, deep.data, &err); /* ends at all */
}

TEST(an_expensive_pattern_is_answered_all_the_same_and_a_text_too_long_never_counts)
{
    AUTO(schema)
    struct schema *schema = compile("{\"not\":{\"pattern\":\"^(([a-z])+.)+[A-Z]([a-z])+$\"}}");
    AUTO(buf) struct buf text = {0};
    struct orb_err err;

    buf_addc(&text, '"');
    for (int i = 0; i < 500; i++)
        buf_adds(&text, "aaaaaaaa");
    ck_assert_int_eq(check(schema, (buf_addc(&text, '"'), buf_str(&text)), &err), 0);
    for (int i = 0; i < 9000; i++)
        text.data[text.len - 1] = 'a', buf_adds(&text, "aaaaaaa\"");
    ck_assert_int_eq(check(schema, buf_str(&text), &err), ORB_E_LIMIT);
}

TEST(formats_know_right_from_wrong)
{
    static const struct {
        const char *format, *good[6], *bad[8];
    } all[] = {
        {"ipv4", {"192.0.2.1", "0.0.0.0"}, {"1.2.3", "1.2.3.256", "01.2.3.4", "", "1.2.3.4 "}},
        {"ipv6", {"::", "2001:db8::1", "::ffff:1.2.3.4"}, {"1.2.3.4", ":::", "fe80::1%eth0"}},
        {"cidr4", {"10.0.0.1/8", "0.0.0.0/0"}, {"10.0.0.0/33", "10.0.0.0", "::/0", "1.2.3.4/08"}},
        {"cidr6", {"::/0", "2001:db8::/128"}, {"::/129", "::", "::/-1"}},
        {"mac",
         {"02:00:5e:10:00:01", "AA:bb:CC:dd:EE:ff"},
         {"02:00:5e:10:00", "02-00-5e-10-00-01"}},
        {"hostname", {"a", "gw.example.org", "1-2.x"}, {"", "-a", "a-", "a..b", "a_b", "a."}},
        {"ifname",
         {"eth0", "br-lan.10", "a23456789012345"},
         {"", ".", "..", "a b", "a:1", "a234567890123456"}},
        {"port", {"1", "65535"}, {"0", "65536", "080", "", "1 ", "99999999999999999999"}},
        {"port-range", {"1", "80-80", "1-65535"}, {"0-1", "2-1", "1-", "-1", "1-2-3"}},
        {"port-match",
         {"1", "80-80", "@web", "@_a.b-1", "https", "!@web"},
         {"0", "2-1", "65536", "@", "@-a", "@.a", "@a b", "!"}},
        {"port-name", {"1", "80-80", "ftp-data", "pop3"}, {"0", "2-1", "@web", "!80", "A", "a_b"}},
        {"duration", {"30s", "500ms", "1h30m", "2w"}, {"", "30", "s", "1x", "1 s", "1.5s"}},
    };
    struct orb_err err;

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        AUTO_FREE char *text = buf_format("{\"format\":\"%s\"}", all[i].format);
        AUTO(schema) struct schema *schema = compile(text);

        for (int j = 0; j < 6 && all[i].good[j]; j++) {
            AUTO_FREE char *value = buf_format("\"%s\"", all[i].good[j]);

            ck_assert_msg(check(schema, value, &err) == 0, "%s %s", text, value);
        }
        for (int j = 0; j < 8 && all[i].bad[j]; j++) {
            AUTO_FREE char *value = buf_format("\"%s\"", all[i].bad[j]);

            ck_assert_msg(check(schema, value, &err) == ORB_E_SCHEMA, "%s %s", text, value);
        }
    }
}

TEST(a_port_may_be_a_number_in_any_spelling)
{
    AUTO(schema) struct schema *schema = compile("{\"format\":\"port\"}");
    struct orb_err err;

    ck_assert_int_eq(check(schema, "80", &err), 0);
    ck_assert_int_eq(check(schema, "8.0e1", &err), 0);
    ck_assert_int_eq(check(schema, "80.5", &err), ORB_E_SCHEMA);
    ck_assert_int_eq(check(schema, "65536", &err), ORB_E_SCHEMA);
    ck_assert_int_eq(check(schema, "666.66666666666666666666", &err), ORB_E_SCHEMA);
    ck_assert_int_eq(check(schema, "1e300", &err), ORB_E_SCHEMA);
    ck_assert_int_eq(check(schema, "true", &err), 0);
}
