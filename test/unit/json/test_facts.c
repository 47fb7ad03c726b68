/* What front ends ask a schema: schema_facts.c and schema_refs.c. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/schema.h"
#include "test/lib/harness.h"

static const char text[] =
    "{\"type\":\"object\",\"$defs\":{\"iface\":{\"type\":\"string\",\"title\":\"an interface\","
    "\"x-orb-ref\":\"/interfaces\"}},\"properties\":{"
    "\"zones\":{\"type\":\"object\",\"description\":\"by name\",\"additionalProperties\":{"
    "  \"type\":\"object\",\"required\":[\"interfaces\"],\"properties\":{\"interfaces\":{"
    "  \"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/iface\"}},\"mtu\":{\"type\":\"integer\","
    "  \"minimum\":68,\"default\":1500},\"mode\":{\"enum\":[\"a\",\"b\"]}}}},"
    "\"groups\":{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^[a-z/]+$\","
    "  \"x-orb-ref\":\"/zones\"},\"additionalProperties\":{\"type\":\"integer\"}},"
    "\"via\":{\"anyOf\":[{\"const\":\"any\"},{\"$ref\":\"#/$defs/iface\"}]},"
    "\"key\":{\"type\":\"string\",\"x-orb-secret\":true,\"x-orb-apply\":\"restart\"},"
    "\"free\":{\"type\":\"object\"},"
    "\"port\":{\"type\":[\"integer\",\"string\"],\"format\":\"port-range\"}}}";

static struct schema *compile(void)
{
    struct schema *schema = NULL;
    struct orb_err err;

    ck_assert_msg(schema_compile(text, sizeof(text) - 1, true, &schema, &err) == 0, "%s %s",
                  err.path, err.text);
    return schema;
}

TEST(the_schema_of_a_path_is_found_through_maps_arrays_and_references)
{
    AUTO(schema) struct schema *schema = compile();
    const struct schema *at = schema_facts_at(schema, "/zones/lan/interfaces/0", NULL);

    ck_assert_ptr_nonnull(at);
    ck_assert_str_eq(schema_facts_title(at), "an interface");
    ck_assert_str_eq(schema_facts_type(at), "string");
    ck_assert_str_eq(schema_facts_ref_target(at), "/interfaces");
    ck_assert_ptr_eq(schema_facts_at(schema, "", NULL), schema);
    at = schema_facts_at(schema, "/zones", NULL);
    ck_assert(!schema_facts_flag(at, "x-orb-secret"));
    at = schema_facts_at(schema, "/key", NULL);
    ck_assert(schema_facts_flag(at, "x-orb-secret"));
    ck_assert_str_eq(schema_facts_text(at, "x-orb-apply"), "restart");
    ck_assert_ptr_nonnull(schema_facts_at(schema, "/free/what/ever", NULL));
    ck_assert_ptr_null(schema_facts_type(schema_facts_at(schema, "/port", NULL)));
}

TEST(where_nothing_may_stand_the_known_names_are_told)
{
    AUTO(schema) struct schema *schema = compile();
    struct orb_err err;

    ck_assert_ptr_null(schema_facts_at(schema, "/zones/lan/mtuu", &err));
    ck_assert_int_eq(err.code, ORB_E_SCHEMA);
    ck_assert_str_eq(err.path, "/zones/lan/mtuu");
    ck_assert_str_eq(err.text, "expected one of interfaces, mtu, mode; got \"mtuu\", which is not "
                               "known; did you mean mtu?");
    ck_assert_ptr_null(schema_facts_at(schema, "/zones/lan/mtu/x", &err));
    ck_assert_msg(strstr(err.text, "a value has no members"), "%s", err.text);
    ck_assert_ptr_null(schema_facts_at(schema, "/groups/LAN", &err));
    ck_assert_msg(strstr(err.text, "not a name for a member"), "%s", err.text);
    ck_assert_str_eq(err.path, "/groups/LAN");
    ck_assert_ptr_null(schema_facts_at(schema, "zones", &err));
    ck_assert_ptr_null(schema_facts_at(schema, "/zones/lan/interfaces/x", &err));
}

static int on_ref(void *arg, const char *path, const char *target, const char *value)
{
    buf_addf(arg, "%s>%s:%s ", path, target, value);
    return !strcmp(value, "stop") ? 7 : 0;
}

TEST(references_are_found_with_path_target_and_value)
{
    static const char value[] =
        "{\"zones\":{\"lan\":{\"interfaces\":[\"eth0\",\"e\\u0074h1\"],\"mtu\":9}},"
        "\"groups\":{\"a/b\":1},\"via\":\"any\"}";
    static const char stop[] = "{\"via\":\"stop\",\"zones\":{\"a\":{\"interfaces\":[\"eth0\"]}}}";
    AUTO(schema) struct schema *schema = compile();
    AUTO(buf) struct buf b = {0};

    ck_assert_int_eq(schema_refs_each(schema, value, strlen(value), "/fw", on_ref, &b), 0);
    ck_assert_str_eq(b.data, "/fw/zones/lan/interfaces/0>/interfaces:eth0 "
                             "/fw/zones/lan/interfaces/1>/interfaces:eth1 "
                             "/fw/groups/a~1b>/zones:a/b ");
    buf_clear(&b);
    ck_assert_int_eq(schema_refs_each(schema, stop, strlen(stop), "", on_ref, &b), 7);
    ck_assert_str_eq(b.data, "/via>/interfaces:stop ");
}
