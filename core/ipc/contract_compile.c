/* Compiles a package's schema.json into methods and events with their schemas. A method without
 * "input" takes exactly {}: what a contract does not name does not pass. */
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/suggest.h"
#include "core/base/xalloc.h"
#include "core/ipc/contract_internal.h"
#include "core/ipc/within.h"

static int refuse_unknown(json_t *object, const char *path, const char *const *known, size_t count,
                          struct orb_err *err)
{
    const char *key;
    json_t *value;

    json_object_foreach (object, key, value) {
        AUTO(buf) struct buf at = {0};
        const char *near;
        size_t i = 0;

        while (i < count && strcmp(key, known[i]))
            i++;
        if (i < count)
            continue;
        buf_adds(&at, path);
        buf_add_pointer(&at, key);
        near = suggest_nearest(key, known, count);
        return orb_fail_at(err, ORB_E_SCHEMA, buf_str(&at), "unknown member \"%.60s\"%s%s%s", key,
                           SUGGEST_ARGS(near));
    }
    return 0;
}

/* Index of the object's word in names; fallback when absent; -1 with err. */
static int one_of(json_t *object, const char *member, const char *path, const char *const *names,
                  size_t count, int fallback, struct orb_err *err)
{
    json_t *value = json_object_get(object, member);
    AUTO_FREE char *at = buf_format("%s/%s", path, member);
    AUTO(buf) struct buf all = {0};
    const char *near;

    if (!value && fallback >= 0)
        return fallback;
    for (size_t i = 0; json_is_string(value) && i < count; i++)
        if (!strcmp(json_string_value(value), names[i]))
            return (int)i;
    for (size_t i = 0; i < count; i++)
        buf_addf(&all, "%s%s", i ? ", " : "", names[i]);
    if (!value)
        orb_fail_at(err, ORB_E_SCHEMA, at, "missing; expected one of %s", buf_str(&all));
    else if (!json_is_string(value))
        orb_fail_at(err, ORB_E_SCHEMA, at, "expected one of %s", buf_str(&all));
    else {
        near = suggest_nearest(json_string_value(value), names, count);
        orb_fail_at(err, ORB_E_SCHEMA, at, "expected one of %s; got \"%.40s\"%s%s%s", buf_str(&all),
                    json_string_value(value), SUGGEST_ARGS(near));
    }
    return -1;
}

static int check_name(const char *name, const char *path, struct orb_err *err)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    if (name[n] || n == 0 || n > 48 || name[0] < 'a' || name[0] > 'z')
        return orb_fail_at(err, ORB_E_SCHEMA, path,
                           "\"%.60s\" is not a name; expected a letter, then letters, digits and "
                           "\"-\" (a-z, at most 48)",
                           name);
    return 0;
}

static int get_string(json_t *object, const char *member, const char *path, char **ret_text,
                      struct orb_err *err)
{
    json_t *value = json_object_get(object, member);
    AUTO_FREE char *at = buf_format("%s/%s", path, member);

    if (value && !json_is_string(value))
        return orb_fail_at(err, ORB_E_SCHEMA, at, "expected a string");
    *ret_text = xstrdup(value ? json_string_value(value) : "");
    return 0;
}

/* A schema that only {} fits. */
static int compile_empty(struct schema **ret_schema, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    struct json_write w = json_write_to(&text);

    json_write_object(&w, NULL);
    json_write_string(&w, "type", "object");
    json_write_boolean(&w, "additionalProperties", false);
    json_write_end(&w);
    return schema_compile(text.data, text.len, true, ret_schema, err);
}

/* Compiles the schema at object/member; absent: only {} fits. */
static int get_schema(struct contract *c, json_t *object, const char *member, const char *path,
                      char **ret_text, struct schema **ret_schema, struct orb_err *err)
{
    json_t *value = json_object_get(object, member);
    AUTO(buf) struct buf text = {0};
    AUTO_FREE char *at = buf_format("%s/%s", path, member);

    if (!value)
        return compile_empty(ret_schema, err);
    tree_dump(value, &text);
    *ret_text = buf_take(&text);
    return schema_compile_unit(c->unit, at, ret_schema, err);
}

static int get_timeout(json_t *object, const char *path, uint32_t *ret_ms, struct orb_err *err)
{
    json_t *value = json_object_get(object, "timeout-ms");
    AUTO_FREE char *at = buf_format("%s/timeout-ms", path);

    *ret_ms = CONTRACT_TIMEOUT_MS;
    if (!value)
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < 1 ||
        json_integer_value(value) > CONTRACT_TIMEOUT_MAX_MS)
        return orb_fail_at(err, ORB_E_SCHEMA, at, "expected milliseconds, 1 to %u",
                           CONTRACT_TIMEOUT_MAX_MS);
    *ret_ms = (uint32_t)json_integer_value(value);
    return 0;
}

static int get_bool(json_t *object, const char *member, const char *path, bool *ret_value,
                    struct orb_err *err)
{
    json_t *value = json_object_get(object, member);
    AUTO_FREE char *at = buf_format("%s/%s", path, member);

    if (value && !json_is_boolean(value))
        return orb_fail_at(err, ORB_E_SCHEMA, at, "expected true or false");
    *ret_value = json_is_true(value);
    return 0;
}

static int get_rank(json_t *object, const char *path, enum contract_rank *ret_rank,
                    struct orb_err *err)
{
    const char *names[RANK_INTERNAL];
    int r;

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        names[i] = contract_rank_name(i + 1);
    r = one_of(object, "requires", path, names, ARRAY_LEN(names), -1, err);
    if (r < 0)
        return ORB_E_SCHEMA;
    *ret_rank = (enum contract_rank)(r + 1);
    return 0;
}

static int get_class(json_t *object, const char *path, enum contract_class *ret_class,
                     struct orb_err *err)
{
    const char *names[CLASS_STRICT + 1];
    int r;

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        names[i] = contract_class_name(i);
    r = one_of(object, "class", path, names, ARRAY_LEN(names), CLASS_STREAM, err);
    if (r < 0)
        return ORB_E_SCHEMA;
    *ret_class = (enum contract_class)r;
    return 0;
}

/* What a method and an event begin with: a good name, an object, no member but the known ones.
 * ret_path: the pointer to it. */
static int open_entry(const char *table, const char *name, json_t *object, const char *const *known,
                      size_t count, struct buf *ret_path, struct orb_err *err)
{
    int r;

    buf_adds(ret_path, table);
    buf_add_pointer(ret_path, name);
    r = check_name(name, buf_str(ret_path), err);
    if (r == 0 && !json_is_object(object))
        r = orb_fail_at(err, ORB_E_SCHEMA, buf_str(ret_path), "expected an object");
    if (r == 0)
        r = refuse_unknown(object, buf_str(ret_path), known, count, err);
    return r;
}

static int add_method(struct contract *c, const char *name, json_t *object, struct orb_err *err)
{
    static const char *const known[] = {"description", "input",      "output",  "requires",
                                        "idempotent",  "timeout-ms", "progress"};
    struct contract_method *m = &c->methods[c->method_count++];
    AUTO(buf) struct buf path = {0};
    int r = open_entry("/methods", name, object, known, ARRAY_LEN(known), &path, err);
    const char *at = buf_str(&path);

    m->name = xstrdup(name);
    if (r == 0)
        r = get_string(object, "description", at, &m->description, err);
    if (r == 0)
        r = get_timeout(object, at, &m->timeout_ms, err);
    if (r == 0)
        r = get_rank(object, at, &m->rank, err);
    if (r == 0)
        r = get_bool(object, "idempotent", at, &m->idempotent, err);
    if (r == 0)
        r = get_bool(object, "progress", at, &m->progress, err);
    if (r == 0)
        r = get_schema(c, object, "input", at, &m->input_text, &m->input, err);
    if (r == 0)
        r = get_schema(c, object, "output", at, &m->output_text, &m->output, err);
    return r;
}

static int add_event(struct contract *c, const char *name, json_t *object, struct orb_err *err)
{
    static const char *const known[] = {"description", "payload", "requires", "class", "within"};
    struct contract_event *e = &c->events[c->event_count++];
    AUTO(buf) struct buf path = {0};
    int r = open_entry("/events", name, object, known, ARRAY_LEN(known), &path, err);
    const char *at = buf_str(&path);

    e->name = xstrdup(name);
    if (r == 0)
        r = get_string(object, "description", at, &e->description, err);
    if (r == 0)
        r = get_rank(object, at, &e->rank, err);
    if (r == 0)
        r = get_class(object, at, &e->class, err);
    if (r == 0)
        r = within_read(object, at, e, err);
    return r < 0 ? r : get_schema(c, object, "payload", at, &e->payload_text, &e->payload, err);
}

/* The object at member, checked for kind and size; NULL when absent, or with *r < 0. */
static json_t *table(json_t *root, const char *member, size_t limit, int *r, struct orb_err *err)
{
    json_t *value = json_object_get(root, member);
    AUTO_FREE char *at = buf_format("/%s", member);

    *r = 0;
    if (!value)
        return NULL;
    if (!json_is_object(value))
        *r = orb_fail_at(err, ORB_E_SCHEMA, at, "expected an object");
    else if (json_object_size(value) > limit)
        *r = orb_fail_at(err, ORB_E_LIMIT, at, "%zu members; at most %zu", json_object_size(value),
                         limit);
    return *r < 0 ? NULL : value;
}

static int compare_methods(const void *a, const void *b)
{
    return strcmp(((const struct contract_method *)a)->name,
                  ((const struct contract_method *)b)->name);
}

static int compare_events(const void *a, const void *b)
{
    return strcmp(((const struct contract_event *)a)->name,
                  ((const struct contract_event *)b)->name);
}

static int add_members(struct contract *c, json_t *root, struct orb_err *err)
{
    json_t *methods, *events, *value;
    const char *key;
    int r;

    methods = table(root, "methods", CONTRACT_MAX_METHODS, &r, err);
    if (r < 0)
        return r;
    c->methods = xcalloc(json_object_size(methods), sizeof(*c->methods));
    json_object_foreach (methods, key, value) {
        r = add_method(c, key, value, err);
        if (r < 0)
            return r;
    }
    events = table(root, "events", CONTRACT_MAX_EVENTS, &r, err);
    if (r < 0)
        return r;
    c->events = xcalloc(json_object_size(events), sizeof(*c->events));
    json_object_foreach (events, key, value) {
        r = add_event(c, key, value, err);
        if (r < 0)
            return r;
    }
    qsort(c->methods, c->method_count, sizeof(*c->methods), compare_methods);
    qsort(c->events, c->event_count, sizeof(*c->events), compare_events);
    return 0;
}

static int read_head(struct contract *c, json_t *root, struct orb_err *err)
{
    static const char *const known[] = {"interface", "version", "description", "config",
                                        "methods",   "events",  "$defs",       "$schema"};
    json_t *interface, *version, *defs;
    int r;

    if (!json_is_object(root))
        return orb_fail(err, ORB_E_SCHEMA, "a schema.json is an object");
    r = refuse_unknown(root, "", known, ARRAY_LEN(known), err);
    if (r < 0)
        return r;
    interface = json_object_get(root, "interface");
    if (!json_is_string(interface))
        return orb_fail_at(err, ORB_E_SCHEMA, "/interface", "expected the interface's name");
    r = check_name(json_string_value(interface), "/interface", err);
    if (r < 0)
        return r;
    c->interface = xstrdup(json_string_value(interface));
    version = json_object_get(root, "version");
    if (!json_is_string(version) ||
        contract_version_parse(json_string_value(version), &c->major, &c->minor, NULL) < 0)
        return orb_fail_at(err, ORB_E_SCHEMA, "/version",
                           "expected \"MAJOR.MINOR\", for example \"1.0\"%s%.40s%s",
                           json_is_string(version) ? "; got \"" : "",
                           json_is_string(version) ? json_string_value(version) : "",
                           json_is_string(version) ? "\"" : "");
    snprintf(c->version, sizeof(c->version), "%u.%u", c->major, c->minor);
    defs = json_object_get(root, "$defs");
    if (defs) {
        AUTO(buf) struct buf text = {0};

        tree_dump(defs, &text);
        c->defs_text = buf_take(&text);
    }
    return get_string(root, "description", "", &c->description, err);
}

int contract_compile(const char *text, size_t len, struct contract **ret_contract,
                     struct orb_err *err)
{
    static const struct json_limits limits = {.depth = 64, .keys = 4096};
    AUTO(json_t) json_t *root = NULL;
    struct contract *c;
    struct orb_err local;
    int r;

    if (!err)
        err = &local;
    r = tree_parse(text, len, &limits, &root, err);
    if (r < 0)
        return r;
    c = xcalloc(1, sizeof(*c));
    c->refs = 1;
    c->text = xstrndup(text, len);
    c->len = len;
    r = read_head(c, root, err);
    if (r == 0)
        r = schema_compile_unit_new(c->text, c->len, true, &c->unit, err);
    if (r == 0)
        r = add_members(c, root, err);
    if (r == 0 && json_object_get(root, "config")) {
        struct schema *schema = NULL;

        r = schema_compile_unit(c->unit, "/config", &schema, err);
        c->config = true;
    }
    if (r == ORB_E_LIMIT && c->interface)
        orb_wrap(err, "the contract of the interface %s", c->interface);
    if (r < 0) {
        contract_free(c);
        return r;
    }
    schema_finish_unit(c->unit);
    *ret_contract = c;
    return 0;
}
