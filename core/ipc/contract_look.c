/* Looking into a compiled contract, and the one contract that is built in: service.NAME@1, through
 * which the config service prepares and applies changes. */
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/ipc/contract.h"

/* The shapes stand in docs/config.md, "Transaction". */
extern const char service_schema[];
extern const size_t service_schema_len;

struct contract *contract_of_service(const char *name)
{
    struct contract *c = NULL;
    struct orb_err err;

    if (contract_compile(service_schema, service_schema_len, &c, &err) < 0) {
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
        if (!strcmp(contract->events[i].name, name))
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

/* A schema of the contract; what has none takes anything. */
static void write_schema(struct json_write *w, const char *key, const char *text)
{
    if (!text)
        text = "{}";
    json_write_raw(w, key, text, strlen(text));
}

static void describe_method(const struct contract_method *m, struct json_write *w)
{
    json_write_object(w, NULL);
    json_write_string(w, "name", m->name);
    json_write_string(w, "description", m->description);
    json_write_string(w, "requires", contract_rank_name(m->rank));
    json_write_boolean(w, "idempotent", m->idempotent);
    json_write_integer(w, "timeout-ms", m->timeout_ms);
    json_write_boolean(w, "progress", m->progress);
    write_schema(w, "input", m->input_text);
    write_schema(w, "output", m->output_text);
    json_write_end(w);
}

static void describe_event(const struct contract_event *e, struct json_write *w)
{
    json_write_object(w, NULL);
    json_write_string(w, "name", e->name);
    json_write_string(w, "description", e->description);
    json_write_string(w, "requires", contract_rank_name(e->rank));
    json_write_string(w, "class", contract_class_name(e->class));
    write_schema(w, "payload", e->payload_text);
    json_write_end(w);
}

void contract_describe(const struct contract *contract, struct buf *ret_json)
{
    struct json_write w = json_write_to(ret_json);

    json_write_object(&w, NULL);
    json_write_string(&w, "interface", contract->interface);
    json_write_string(&w, "description", contract->description);
    json_write_string(&w, "version", contract->version);
    json_write_array(&w, "methods");
    for (size_t i = 0; i < contract->method_count; i++)
        describe_method(&contract->methods[i], &w);
    json_write_end(&w);
    json_write_array(&w, "events");
    for (size_t i = 0; i < contract->event_count; i++)
        describe_event(&contract->events[i], &w);
    json_write_end(&w);
    if (contract->defs_text)
        write_schema(&w, "$defs", contract->defs_text);
    json_write_boolean(&w, "config", contract->config);
    json_write_end(&w);
}
