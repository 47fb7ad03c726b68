/* Looking into a compiled contract, and the one contract that is built in: service.NAME@1, through
 * which the config service prepares and applies changes. */
#include <string.h>

#include "core/base/own.h"
#include "core/ipc/contract.h"

/* The shapes stand in docs/config.md, "Transaction". */
static const char service_contract[] =
    "{\"interface\":\"service\",\"version\":\"1.0\",\"methods\":{"
    "\"prepare\":{\"description\":\"check a change and plan it; changes nothing\","
    "\"requires\":\"internal\",\"timeout-ms\":10000,\"progress\":true,"
    "\"input\":{\"type\":\"object\",\"properties\":{\"tx\":{\"type\":\"integer\"},"
    "\"revision\":{\"type\":\"integer\"},\"bytes\":{\"type\":\"integer\"},"
    "\"patch\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"op\":{\"enum\":[\"set\",\"delete\"]},\"path\":{\"type\":\"string\"},\"value\":{},"
    "\"old\":{}},\"required\":[\"op\",\"path\"]}}},\"required\":[\"tx\",\"revision\"]},"
    "\"output\":{\"type\":\"object\",\"properties\":{\"plan\":{\"type\":\"array\",\"items\":{"
    "\"type\":\"object\",\"properties\":{\"kind\":{\"type\":\"string\"},"
    "\"text\":{\"type\":\"string\"}},\"required\":[\"kind\",\"text\"]}}}}},"
    "\"apply\":{\"description\":\"make a prepared change so\",\"requires\":\"internal\","
    "\"timeout-ms\":30000,\"progress\":true,"
    "\"input\":{\"type\":\"object\",\"properties\":{\"tx\":{\"type\":"
    "\"integer\"}},\"required\":[\"tx\"]},\"output\":{\"type\":\"object\"}},"
    "\"abort\":{\"description\":\"undo a prepared or applied change\",\"requires\":\"internal\","
    "\"timeout-ms\":30000,\"idempotent\":true,\"input\":{\"type\":\"object\",\"properties\":{"
    "\"tx\":{\"type\":\"integer\"},\"applied\":{\"type\":\"boolean\"}},\"required\":[\"tx\"]},"
    "\"output\":{\"type\":\"object\"}}}}";

struct contract *contract_of_service(const char *name)
{
    struct contract *c = NULL;
    struct orb_err err;

    if (contract_compile(service_contract, sizeof(service_contract) - 1, &c, &err) < 0) {
        fprintf(stderr, "orbital: built-in contract: %s: %s\n", err.path, err.text);
        abort(); /* our own mistake */
    }
    free(c->interface);
    c->interface = xasprintf("service.%s", name);
    return c;
}

const struct contract_method *contract_method(const struct contract *contract, const char *name)
{
    size_t low = 0, high = contract->method_count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        int order = strcmp(name, contract->methods[mid].name);

        if (order == 0)
            return &contract->methods[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const struct contract_event *contract_event(const struct contract *contract, const char *name)
{
    for (size_t i = 0; i < contract->event_count; i++)
        if (strcmp(contract->events[i].name, name) == 0)
            return &contract->events[i];
    return NULL;
}

const char *contract_interface(const struct contract *contract)
{
    return contract->interface;
}

const char *contract_version(const struct contract *contract)
{
    return contract->version;
}

const char *contract_text(const struct contract *contract, size_t *ret_len)
{
    if (ret_len)
        *ret_len = contract->len;
    return contract->text;
}

bool contract_has_config(const struct contract *contract)
{
    return contract->config;
}

static void add_string(struct buf *to, const char *key, const char *text)
{
    buf_addf(to, "\"%s\":", key);
    buf_add_json(to, text, strlen(text));
}

static void describe_method(const struct contract_method *m, struct buf *to)
{
    buf_addc(to, '{');
    add_string(to, "name", m->name);
    buf_addc(to, ',');
    add_string(to, "description", m->description);
    buf_addf(
        to,
        ",\"requires\":\"%s\",\"idempotent\":%s,\"timeout-ms\":%u,\"progress\":%s,\"input\":%s,"
        "\"output\":%s}",
        contract_rank_name(m->rank), m->idempotent ? "true" : "false", m->timeout_ms,
        m->progress ? "true" : "false", m->input_text ? m->input_text : "{}",
        m->output_text ? m->output_text : "{}");
}

static void describe_event(const struct contract_event *e, struct buf *to)
{
    buf_addc(to, '{');
    add_string(to, "name", e->name);
    buf_addc(to, ',');
    add_string(to, "description", e->description);
    buf_addf(to, ",\"requires\":\"%s\",\"class\":\"%s\",\"payload\":%s}",
             contract_rank_name(e->rank), contract_class_name(e->class),
             e->payload_text ? e->payload_text : "{}");
}

void contract_describe(const struct contract *contract, struct buf *ret_json)
{
    buf_addc(ret_json, '{');
    add_string(ret_json, "interface", contract->interface);
    buf_addc(ret_json, ',');
    add_string(ret_json, "description", contract->description);
    buf_addf(ret_json, ",\"version\":\"%s\",\"methods\":[", contract->version);
    for (size_t i = 0; i < contract->method_count; i++) {
        if (i)
            buf_addc(ret_json, ',');
        describe_method(&contract->methods[i], ret_json);
    }
    buf_adds(ret_json, "],\"events\":[");
    for (size_t i = 0; i < contract->event_count; i++) {
        if (i)
            buf_addc(ret_json, ',');
        describe_event(&contract->events[i], ret_json);
    }
    buf_addc(ret_json, ']');
    if (contract->defs_text)
        buf_addf(ret_json, ",\"$defs\":%s", contract->defs_text);
    buf_addf(ret_json, ",\"config\":%s}", contract->config ? "true" : "false");
}
