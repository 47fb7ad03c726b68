/* A compiled contract: its names, its members, its description. */
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/ipc/contract_internal.h"

const char *contract_rank_name(enum contract_rank rank)
{
    static const char *const names[] = {"metrics", "observe", "operate", "configure", "internal"};

    return rank >= RANK_METRICS && rank - 1 < ARRAY_LEN(names) ? names[rank - 1] : NULL;
}

const char *contract_class_name(enum contract_class class)
{
    static const char *const names[] = {"stream", "state", "strict"};

    return class < ARRAY_LEN(names) ? names[class] : NULL;
}

static int digits(const char **p, unsigned *ret_number)
{
    size_t n = strspn(*p, "0123456789");

    if (n == 0 || n > 4)
        return -1;
    *ret_number = (unsigned)strtoul(*p, NULL, 10);
    *p += n;
    return 0;
}

int contract_version_parse(const char *text, unsigned *ret_major, unsigned *ret_minor,
                           bool *ret_has_minor)
{
    const char *p = text;
    bool has_minor = false;
    unsigned major, minor = 0;

    if (digits(&p, &major) < 0)
        return -1;
    if (*p == '.') {
        p++;
        has_minor = true;
        if (digits(&p, &minor) < 0)
            return -1;
    }
    if (*p || (!ret_has_minor && !has_minor))
        return -1;
    *ret_major = major;
    *ret_minor = minor;
    if (ret_has_minor)
        *ret_has_minor = has_minor;
    return 0;
}

const struct contract *contract_ref(const struct contract *contract)
{
    if (contract)
        ((struct contract *)(uintptr_t)contract)->refs++;
    return contract;
}

/* A schema named in the contract belongs to the unit. */
static void schema_drop(char *text, struct schema *schema)
{
    if (!text)
        schema_compile_free(schema);
    free(text);
}

void contract_free(struct contract *c)
{
    if (!c || --c->refs)
        return;
    for (size_t i = 0; i < c->method_count; i++) {
        free(c->methods[i].name);
        free(c->methods[i].description);
        schema_drop(c->methods[i].input_text, c->methods[i].input);
        schema_drop(c->methods[i].output_text, c->methods[i].output);
    }
    for (size_t i = 0; i < c->event_count; i++) {
        free(c->events[i].name);
        free(c->events[i].description);
        free(c->events[i].within);
        schema_drop(c->events[i].payload_text, c->events[i].payload);
    }
    schema_compile_unit_free(c->unit);
    free(c->methods);
    free(c->events);
    free(c->interface);
    free(c->description);
    free(c->defs_text);
    free(c->text);
    free(c);
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
