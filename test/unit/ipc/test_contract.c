/* core/ipc/contract.c: what a schema.json may contain. */
#include <string.h>

#include "core/base/own.h"
#include "core/ipc/contract.h"
#include "core/ipc/contract_internal.h"
#include "core/ipc/contract_service.h"
#include "core/json/scan.h"
#include "test/unit/ipc/wire.h"

static struct contract *compile(const char *text)
{
    struct contract *contract = NULL;
    struct orb_err err;

    ck_assert_msg(contract_compile(text, strlen(text), &contract, &err) == 0, "%s: %s", err.path,
                  err.text);
    return contract;
}

TEST(methods_are_sorted_and_found_by_name)
{
    struct contract *c = compile(echo_schema);

    ck_assert_str_eq(contract_interface(c), "echo");
    ck_assert_str_eq(contract_version(c), "1.2");
    ck_assert_uint_eq(c->method_count, 5);
    for (size_t i = 0; i < c->method_count; i++)
        ck_assert_ptr_eq(contract_method(c, c->methods[i].name), &c->methods[i]);
    ck_assert_str_eq(c->methods[0].name, "act");
    ck_assert_uint_eq(c->methods[0].timeout_ms, CONTRACT_TIMEOUT_MS);
    ck_assert_ptr_null(contract_method(c, "sa"));
    ck_assert_ptr_null(contract_method(c, "zzz"));
    ck_assert_int_eq(contract_event(c, "changed")->class, CLASS_STATE);
    ck_assert_int_eq(contract_event(c, "tick")->class, CLASS_STREAM);
    ck_assert(!contract_has_config(c));
    contract_free(c);
}

TEST(defs_serve_every_schema_of_the_file)
{
    static const char text[] =
        "{\"interface\":\"a\",\"version\":\"1.0\",\"$defs\":{\"port\":{\"type\":\"integer\","
        "\"maximum\":65535}},\"config\":{\"type\":\"object\",\"properties\":{\"p\":{\"$ref\":"
        "\"#/$defs/port\"}}},\"methods\":{\"m\":{\"requires\":\"observe\",\"input\":{\"type\":"
        "\"object\",\"properties\":{\"p\":{\"$ref\":\"#/$defs/port\"}}}}}}";
    struct contract *c = compile(text);
    struct orb_err err;

    ck_assert(contract_has_config(c));
    ck_assert_int_eq(schema_check(c->methods[0].input, "{\"p\":80}", 8, "", &err), 0);
    ck_assert_int_eq(schema_check(c->methods[0].input, "{\"p\":65536}", 11, "", &err),
                     ORB_E_SCHEMA);
    ck_assert_str_eq(err.path, "/p");
    contract_free(c);
}

TEST(mistakes_are_refused_with_their_place)
{
#define HEAD "{\"interface\":\"a\",\"version\":\"1.0\","
    static const struct {
        const char *text, *path, *words;
    } rows[] = {
        {"[]", "", "object"},
        {"{\"interface\":\"a\",\"interface\":\"b\"}", "", "interface"},
        {"{\"interface\":\"A\",\"version\":\"1.0\"}", "/interface", "not a name"},
        {"{\"interface\":\"a.b\",\"version\":\"1.0\"}", "/interface", "not a name"},
        {"{\"interface\":7,\"version\":\"1.0\"}", "/interface", "name"},
        {"{\"version\":\"1.0\"}", "/interface", "name"},
        {"{\"interface\":\"a\",\"version\":\"1\"}", "/version", "MAJOR.MINOR"},
        {"{\"interface\":\"a\",\"version\":\"1.0.0\"}", "/version", "got \"1.0.0\""},
        {"{\"interface\":\"a\",\"version\":\"1.x\"}", "/version", "MAJOR.MINOR"},
        {HEAD "\"metods\":{}}", "/metods", "did you mean methods?"},
        {HEAD "\"methods\":[]}", "/methods", "object"},
        {HEAD "\"methods\":{\"m\":1}}", "/methods/m", "object"},
        {HEAD "\"methods\":{\"Get/x\":{\"requires\":\"observe\"}}}", "/methods/Get~1x",
         "not a name"},
        {HEAD "\"methods\":{\"m\":{}}}", "/methods/m/requires", "missing"},
        {HEAD "\"methods\":{\"m\":{\"requires\":\"obsrve\"}}}", "/methods/m/requires",
         "did you mean observe"},
        {HEAD "\"methods\":{\"m\":{\"requires\":\"observe\",\"inptu\":{}}}}", "/methods/m/inptu",
         "did you mean input?"},
        {HEAD "\"methods\":{\"m\":{\"requires\":\"observe\",\"timeout-ms\":0}}}",
         "/methods/m/timeout-ms", "600000"},
        {HEAD "\"methods\":{\"m\":{\"requires\":\"observe\",\"idempotent\":1}}}",
         "/methods/m/idempotent", "true or false"},
        {HEAD "\"methods\":{\"m\":{\"requires\":\"observe\",\"progress\":\"yes\"}}}",
         "/methods/m/progress", "true or false"},
        {HEAD "\"methods\":{\"m\":{\"requires\":\"observe\",\"input\":{\"tpye\":1}}}}",
         "/methods/m/input", ""},
        {HEAD "\"events\":{\"e\":{\"requires\":\"observe\",\"class\":\"stat\"}}}",
         "/events/e/class", "did you mean state"},
        {HEAD "\"events\":{\"e\":{\"requires\":\"observe\",\"output\":{}}}}", "/events/e/output",
         "unknown member"},
        {HEAD "\"config\":{\"type\":\"objekt\"}}", "/config", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct contract *c = NULL;
        struct orb_err err = {0};

        ck_assert_msg(contract_compile(rows[i].text, strlen(rows[i].text), &c, &err) < 0, "%s",
                      rows[i].text);
        ck_assert_msg(!strncmp(err.path, rows[i].path, strlen(rows[i].path)), "%s at %s: %s",
                      rows[i].text, err.path, err.text);
        ck_assert_msg(strstr(err.text, rows[i].words) != NULL, "%s: %s", rows[i].text, err.text);
    }
}

TEST(a_service_contract_has_the_three_steps_of_a_transaction)
{
    struct contract *c = contract_service("dns");
    struct orb_err err;
    static const char prepare[] = "{\"tx\":1,\"revision\":2,\"patch\":[{\"op\":\"set\",\"path\":"
                                  "\"/dns\",\"value\":{\"a\":[1]},\"old\":null}]}";

    ck_assert_str_eq(contract_interface(c), "service.dns");
    ck_assert_uint_eq(c->method_count, 3);
    ck_assert_str_eq(c->methods[0].name, "abort");
    ck_assert_str_eq(c->methods[1].name, "apply");
    ck_assert_str_eq(c->methods[2].name, "prepare");
    ck_assert_int_eq(c->methods[2].rank, RANK_INTERNAL);
    ck_assert(!c->methods[0].progress && c->methods[1].progress && c->methods[2].progress);
    ck_assert_int_eq(schema_check(c->methods[2].input, prepare, sizeof(prepare) - 1, "", &err), 0);
    ck_assert_int_eq(schema_check(c->methods[2].input, "{\"tx\":1}", 8, "", &err), ORB_E_SCHEMA);
    contract_free(c);
}

TEST(a_description_is_json_with_every_method)
{
    struct contract *c = compile(echo_schema);
    AUTO(buf) struct buf text = {0};
    struct orb_err err;

    contract_describe(c, &text);
    ck_assert_msg(scan_json(text.data, text.len, NULL, &err) == 0, "%s", err.text);
    ck_assert_ptr_nonnull(strstr(text.data, "\"interface\":\"echo\""));
    ck_assert_ptr_nonnull(strstr(text.data, "{\"name\":\"say\",\"description\":\"repeats it\","
                                            "\"requires\":\"observe\",\"idempotent\":false,"
                                            "\"timeout-ms\":5000,\"progress\":false,\"input\":{"));
    ck_assert_ptr_nonnull(strstr(text.data, "\"timeout-ms\":5000,\"progress\":true,\"input\":{"));
    ck_assert_ptr_nonnull(strstr(text.data, "\"class\":\"state\""));
    ck_assert_ptr_nonnull(strstr(text.data, "\"config\":false"));
    contract_free(c);
}

TEST(a_contract_lives_as_long_as_it_is_referenced)
{
    struct contract *c = compile(echo_schema);
    const struct contract *held = contract_ref(c);

    contract_free(c);
    ck_assert_str_eq(contract_interface(held), "echo");
    contract_free(c);
}
