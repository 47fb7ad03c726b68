/* The config service's part of the test kit: the whole tree at start, then changes step by step. A
 * change alters the kit's own tree before it is checked by the schema. */
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/ipc/contract_check.h"
#include "core/worker/sdk_tree.h"
#include "core/worker/testing_ask.h"
#include "core/worker/testing_config.h"
#include "core/worker/testing_host.h"
#include "core/worker/testing_internal.h"

#define STEP_MS 20000u
#define INLINE_BYTES 65536u /* of a patch; the package fetches a longer one */

/* The part of this package, as the config service checks it. */
static int check(struct orb_test *test, struct orb_err *err)
{
    const char *interface = contract_interface(test->contract);
    const cJSON *part = cJSON_GetObjectItemCaseSensitive(test->tree, interface);
    AUTO_FREE char *base = buf_format("/%s", interface);
    char *text = part ? cJSON_PrintUnformatted(part) : NULL;
    int r = 0;

    if (part && !contract_has_config(test->contract))
        r = orb_fail_at(err, ORB_E_SCHEMA, base, "the schema has no configuration");
    else if (text)
        r = contract_check_config(test->contract, text, strlen(text), base, err);
    cJSON_free(text);
    return r;
}

int testing_config_start(struct orb_test *test, const char *config, struct orb_err *err)
{
    const char *text = config ? config : "{}";

    test->tree = sdk_parse(text, strlen(text));
    if (!cJSON_IsObject(test->tree))
        return orb_fail(err, ORB_E_SYNTAX, "the configuration of the test is no JSON object");
    test->revision = 1;
    return check(test, err);
}

uint32_t testing_config_method(const struct orb_test *test, const char *name)
{
    uint32_t number = 1;

    while (contract_check_method(test->contract, number - 1))
        number++;
    return number + (!strcmp(name, "prepare") ? 0 : !strcmp(name, "apply") ? 1 : 2);
}

static int add_step(struct orb_test *test, const char *op, const char *pointer, const char *value,
                    struct orb_err *err)
{
    cJSON *old = sdk_tree_at(test->tree, pointer), *step;
    cJSON *item = value ? sdk_parse(value, strlen(value)) : NULL;

    if (value && !item)
        return orb_fail_at(err, ORB_E_SYNTAX, pointer, "%s is no JSON value", value);
    if (!test->patch)
        test->patch = cJSON_CreateArray();
    step = cJSON_CreateObject();
    cJSON_AddStringToObject(step, "op", op);
    cJSON_AddStringToObject(step, "path", pointer);
    if (item)
        cJSON_AddItemToObject(step, "value", item);
    if (old)
        cJSON_AddItemToObject(step, "old", cJSON_Duplicate(old, true));
    cJSON_AddItemToArray(test->patch, step);
    return 0;
}

int orb_test_set(struct orb_test *test, const char *pointer, const char *value, struct orb_err *err)
{
    return add_step(test, "set", pointer, value, err);
}

int orb_test_delete(struct orb_test *test, const char *pointer, struct orb_err *err)
{
    return add_step(test, "delete", pointer, NULL, err);
}

static void undo(struct orb_test *test)
{
    sdk_tree_undo(test->tree, test->undo, test->undo_count, NULL);
    test->undo = NULL;
    test->undo_count = 0;
}

/* How a step ended: the kit's tree follows. */
static int finish(struct orb_test *test, struct testing_ask *ask, struct orb_err *err)
{
    const char *text;
    char step = test->stepping;
    int r = testing_ask_answer(test, ask, &text, err);

    test->step = 0;
    if ((step == 'p' && r < 0) || step == 'u')
        undo(test);
    if (step == 'a' && r == 0)
        test->revision++;
    return r < 0 ? r : 0;
}

int orb_test_step(struct orb_test *test, struct orb_err *err)
{
    testing_host_turn(test);
    for (struct testing_ask *ask = test->asks; ask; ask = ask->next)
        if (ask->corr == test->step)
            return ask->done ? finish(test, ask, err) : ORB_LATER;
    return orb_fail(err, ORB_E_STATE, "no step of a change waits for its answer");
}

static int do_step(struct orb_test *test, char step, const char *method, const char *text,
                   struct orb_err *err)
{
    struct testing_ask *ask;

    if (test->step)
        return orb_fail(err, ORB_E_STATE, "the previous step has not ended; see orb_test_step");
    ask = testing_ask_send(test, TESTING_CONFIG_PEER, testing_config_method(test, method), NULL,
                           text, STEP_MS, err);
    if (!ask)
        return err->code;
    test->step = ask->corr;
    test->stepping = step;
    return ask->done ? finish(test, ask, err) : ORB_LATER;
}

int orb_test_prepare(struct orb_test *test, struct orb_err *err)
{
    cJSON *patch = test->patch ? test->patch : cJSON_CreateArray();
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);
    char *text = cJSON_PrintUnformatted(patch);
    int r;

    sdk_tree_undo_free(test->undo, test->undo_count);
    test->undo = NULL;
    test->undo_count = 0;
    r = sdk_tree_apply(test->tree, patch, &test->undo, &test->undo_count, err);
    test->patch = NULL;
    cJSON_Delete(patch);
    if (r == 0 && (r = check(test, err)) < 0)
        undo(test);
    json_write_object(&w, NULL);
    json_write_integer(&w, "tx", (int64_t)++test->tx);
    json_write_integer(&w, "revision", (int64_t)test->revision + 1);
    buf_clear(&test->patch_text);
    buf_adds(&test->patch_text, text);
    cJSON_free(text);
    if (test->patch_text.len <= INLINE_BYTES)
        json_write_raw(&w, "patch", test->patch_text.data, test->patch_text.len);
    else
        json_write_integer(&w, "bytes", (int64_t)test->patch_text.len); /* fetched in slices */
    json_write_end(&w);
    return r < 0 ? r : do_step(test, 'p', "prepare", buf_str(&b), err);
}

static int next_step(struct orb_test *test, char step, const char *method, struct orb_err *err)
{
    AUTO(buf) struct buf b = {0};
    struct json_write w = json_write_to(&b);

    json_write_object(&w, NULL);
    json_write_integer(&w, "tx", (int64_t)test->tx);
    json_write_end(&w);
    return do_step(test, step, method, buf_str(&b), err);
}

int orb_test_apply(struct orb_test *test, struct orb_err *err)
{
    return next_step(test, 'a', "apply", err);
}

int orb_test_abort(struct orb_test *test, struct orb_err *err)
{
    return next_step(test, 'u', "abort", err);
}

int orb_test_commit(struct orb_test *test, struct orb_err *err)
{
    int r = orb_test_prepare(test, err);

    if (r)
        return r;
    r = orb_test_apply(test, err);
    if (r < 0)
        orb_test_abort(test, &(struct orb_err){0});
    return r;
}

void testing_config_fini(struct orb_test *test)
{
    sdk_tree_undo_free(test->undo, test->undo_count);
    cJSON_Delete(test->patch);
    cJSON_Delete(test->tree);
    buf_fini(&test->patch_text);
}
