/* Checks by a contract, one at a time: see contract_check.h. */
#include "core/ipc/contract_check.h"

#include "core/ipc/contract_internal.h"
#include "core/json/scan.h"

const char *contract_check_method(const struct contract *contract, size_t i)
{
    return i < contract->method_count ? contract->methods[i].name : NULL;
}

static int check(const struct schema *schema, const char *text, size_t len, const char *base,
                 struct orb_err *err)
{
    int r = scan_json(text, len, NULL, err);

    return r < 0 ? r : schema_check(schema, text, len, base, err);
}

static int find(const struct contract *contract, const char *name,
                const struct contract_method **ret_method, struct orb_err *err)
{
    *ret_method = contract_method(contract, name);
    if (*ret_method)
        return 0;
    return orb_fail(err, ORB_E_NOT_FOUND, "interface %s has no method \"%s\"", contract->interface,
                    name);
}

int contract_check_input(const struct contract *contract, const char *method, const char *text,
                         size_t len, uint32_t *ret_ms, struct orb_err *err)
{
    const struct contract_method *m;
    int r = find(contract, method, &m, err);

    if (r < 0)
        return r;
    *ret_ms = m->timeout_ms;
    return check(m->input, text, len, "", err);
}

int contract_check_output(const struct contract *contract, const char *method, const char *text,
                          size_t len, struct orb_err *err)
{
    const struct contract_method *m;
    int r = find(contract, method, &m, err);

    return r < 0 ? r : check(m->output, text, len, "", err);
}

int contract_check_event(const struct contract *contract, const char *topic, const char *text,
                         size_t len, struct orb_err *err)
{
    const struct contract_event *event = contract_event(contract, topic);

    if (!event)
        return orb_fail(err, ORB_E_NOT_FOUND, "interface %s has no event \"%s\"",
                        contract->interface, topic);
    return check(event->payload, text, len, "", err);
}

int contract_check_config(const struct contract *contract, const char *text, size_t len,
                          const char *base, struct orb_err *err)
{
    struct json_limits limits = {JSON_MAX_DEPTH, JSON_MAX_TREE_KEYS};
    struct schema *schema;
    int r = scan_json(text, len, &limits, err);

    if (r == 0)
        r = schema_compile_in(contract->text, contract->len, "/config", true, &schema, err);
    if (r < 0)
        return r;
    r = schema_check(schema, text, len, base, err);
    schema_compile_free(schema);
    return r;
}
