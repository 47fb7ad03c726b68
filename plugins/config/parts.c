/* Which schema governs which part of the tree. */
#include "plugins/config/parts.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/own.h"
#include "core/base/suggest.h"
#include "core/base/xalloc.h"

#define REF_DEPTH 16
#define TEXT_AT_ONCE (256u * 1024)

static void part_fini(struct part *part)
{
    free(part->name);
    free(part->package);
    schema_compile_free(part->schema);
    json_decref(part->doc);
    *part = (struct part){0};
}

void parts_fini(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        part_fini(&parts->list[i]);
    parts->count = 0;
    json_decref(parts->third_party);
    parts->third_party = NULL;
}

static bool marks_secrets(const json_t *doc)
{
    AUTO(buf) struct buf text = {0};

    tree_dump(doc, &text);
    return strstr(buf_str(&text), "\"x-orb-secret\"") != NULL;
}

/* One schema.json. 1: it describes no configuration. */
static int load_one(struct part *ret_part, const char *package, const char *text, size_t len,
                    struct orb_err *err)
{
    static const struct json_limits limits = {.depth = 64, .keys = 65536};
    struct part part = {0};
    json_t *doc = NULL;
    const char *name;
    int r = tree_parse(text, len, &limits, &doc, err);

    if (r < 0)
        return r;
    part.doc = doc;
    name = json_string_value(json_object_get(doc, "interface"));
    if (!json_object_get(doc, "config") || !name) {
        part_fini(&part);
        return 1;
    }
    part.name = xstrdup(name);
    part.package = xstrdup(package);
    part.has_secrets = marks_secrets(doc);
    r = schema_compile_in(text, len, "/config", true, &part.schema, err);
    if (r < 0) {
        part_fini(&part);
        return r;
    }
    *ret_part = part;
    return 0;
}

int parts_load(struct parts *parts, const char *text, size_t len, struct log_sink *log,
               struct orb_err *err)
{
    static const struct json_limits limits = {.depth = 32, .keys = 1024};
    AUTO(json_t) json_t *reply = NULL;
    json_t *entry;
    size_t i;
    int r = tree_parse(text, len, &limits, &reply, err);

    if (r < 0)
        return r;
    parts->third_party = json_object();
    json_array_foreach (json_object_get(reply, "third-party"), i, entry) {
        if (json_is_string(entry))
            json_object_set_new(parts->third_party, json_string_value(entry), json_true());
    }
    json_array_foreach (json_object_get(reply, "schemas"), i, entry) {
        const char *package = json_string_value(json_object_get(entry, "package"));
        json_t *schema = json_object_get(entry, "text");
        struct orb_err why;

        if (!package || !json_is_string(schema) || parts->count == PARTS_MAX)
            continue;
        r = load_one(&parts->list[parts->count], package, json_string_value(schema),
                     json_string_length(schema), &why);
        if (r == 0)
            parts->count++;
        else if (r < 0)
            log_error(log, "config.schema.refused", KV("package", package), KV("path", why.path),
                      KV("why", why.text));
    }
    return 0;
}

bool parts_third_party(const struct parts *parts, const char *package)
{
    return json_object_get(parts->third_party, package);
}

void parts_pause(const struct parts *parts)
{
    if (parts && parts->pause && parts->now.in_slices)
        parts->pause(parts->pause_arg);
}

void parts_drop(const struct parts *parts, json_t *value)
{
    bool own = parts && parts->now.in_slices && value && value->refcount == 1;
    const char *key;
    json_t *one;
    void *next;

    if (own && json_is_object(value))
        json_object_foreach_safe(value, next, key, one)
        {
            json_incref(one);
            json_object_del(value, key);
            parts_drop(parts, one);
        }
    for (size_t n = own ? json_array_size(value) : 0; n; n--) {
        one = json_incref(json_array_get(value, n - 1));
        json_array_remove(value, n - 1);
        parts_drop(parts, one);
    }
    json_decref(value);
    parts_pause(parts);
}

json_t *parts_copy_members(const struct parts *parts, const json_t *object)
{
    json_t *copy = json_object(), *one;
    const char *key;

    json_object_foreach ((json_t *)object, key, one) {
        json_object_set_new_nocheck(copy, key, json_incref(one));
        parts_pause(parts);
    }
    return copy;
}

bool parts_equal(const struct parts *parts, const json_t *a, const json_t *b)
{
    const char *key;
    json_t *one;
    size_t i;

    parts_pause(parts);
    if (a == b || !a || !b || json_typeof(a) != json_typeof(b))
        return a && a == b;
    if (json_object_size(a) != json_object_size(b) || json_array_size(a) != json_array_size(b))
        return false;
    if (!json_is_object(a) && !json_is_array(a))
        return json_equal(a, b);
    json_object_foreach ((json_t *)a, key, one)
        if (!parts_equal(parts, one, json_object_get(b, key)))
            return false;
    json_array_foreach (a, i, one)
        if (!parts_equal(parts, one, json_array_get(b, i)))
            return false;
    return true;
}

json_t *parts_copy(const struct parts *parts, const json_t *value)
{
    const char *key;
    json_t *copy, *one;
    size_t i;

    parts_pause(parts);
    if (!json_is_object(value) && !json_is_array(value))
        return json_deep_copy(value);
    copy = json_is_object(value) ? json_object() : json_array();
    json_object_foreach ((json_t *)value, key, one)
        json_object_set_new_nocheck(copy, key, parts_copy(parts, one));
    json_array_foreach (value, i, one)
        json_array_append_new(copy, parts_copy(parts, one));
    return copy;
}

struct json_limits parts_limits(const struct parts *parts)
{
    return (struct json_limits){.depth = JSON_MAX_DEPTH,
                                .keys = JSON_MAX_TREE_KEYS,
                                .pause = parts->now.in_slices ? parts->pause : NULL,
                                .arg = parts->pause_arg};
}

json_t *parts_integers(const struct parts *parts, json_t *value)
{
    return tree_integers_pausing(value, parts->now.in_slices ? parts->pause : NULL,
                                 parts->pause_arg);
}

void parts_dump(const struct parts *parts, const json_t *value, struct buf *ret_text)
{
    if (parts && parts->now.in_slices)
        tree_dump_pausing(value, ret_text, parts->pause, parts->pause_arg);
    else
        tree_dump(value, ret_text);
}

/* The kernel takes pages back one by one; what free() gives back at once then is empty. */
void parts_free_text(const struct parts *parts, struct buf *text)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)text->data + page - 1) & -page;
    uintptr_t end = ((uintptr_t)text->data + text->cap) & -page;

    while (parts->now.in_slices && end > first + TEXT_AT_ONCE) {
        end -= TEXT_AT_ONCE;
        madvise((void *)end, TEXT_AT_ONCE, MADV_DONTNEED);
        parts_pause(parts);
    }
    buf_fini(text);
}

const struct part *parts_of(const struct parts *parts, const char *path, const char **ret_rest)
{
    size_t n = *path ? 1 + strcspn(path + 1, "/") : 0;

    for (size_t i = 0; n && i < parts->count; i++) {
        const char *name = parts->list[i].name;

        if (strlen(name) == n - 1 && !strncmp(name, path + 1, n - 1)) {
            if (ret_rest)
                *ret_rest = path + n;
            return &parts->list[i];
        }
    }
    return NULL;
}

static const struct schema *unknown_part(const struct parts *parts, const char *path,
                                         struct orb_err *err)
{
    size_t n = 1 + strcspn(path + 1, "/");
    AUTO_FREE char *at = xstrndup(path, n);
    const char *names[PARTS_MAX];
    const char *near;
    AUTO(buf) struct buf known = {0};

    for (size_t i = 0; i < parts->count; i++) {
        names[i] = parts->list[i].name;
        buf_addf(&known, "%s%s", i ? ", " : "", names[i]);
    }
    near = suggest_nearest(at + 1, names, parts->count);
    orb_fail_at(err, ORB_E_SCHEMA, at,
                "no package has configuration named \"%s\"; there are %s%s%s%s", at + 1,
                parts->count ? buf_str(&known) : "none", SUGGEST_ARGS(near));
    return NULL;
}

static struct schema_shared *shared_of(const struct parts *parts, struct schema_shared *alone)
{
    *alone = (struct schema_shared){.units = PARTS_UNITS,
                                    .pause = parts->now.in_slices ? parts->pause : NULL,
                                    .arg = parts->pause_arg};
    return parts->now.shared ? parts->now.shared : alone;
}

const struct schema *parts_schema(const struct parts *parts, const char *path, struct orb_err *err)
{
    const char *rest = "";
    const struct part *part = parts_of(parts, path, &rest);
    const struct schema *schema;
    AUTO_FREE char *at = NULL;
    struct orb_err why = {0};
    struct schema_shared alone;

    if (!part)
        return unknown_part(parts, path, err);
    schema = schema_facts_within(part->schema, rest, shared_of(parts, &alone), &why);
    if (schema || !err)
        return schema;
    at = buf_format("/%s%s", part->name, why.path);
    orb_fail_at(err, why.code, at, "%s", why.text);
    return NULL;
}

int parts_check(const struct parts *parts, const struct schema *schema, const char *text,
                size_t len, const char *path, struct orb_err *err)
{
    struct schema_shared alone;

    return schema_check_within(schema, text, len, path, shared_of(parts, &alone), err);
}

int parts_refs(const struct parts *parts, const struct schema *schema, const char *text, size_t len,
               const char *path, schema_ref_fn *cb, void *arg)
{
    struct schema_shared alone;

    return schema_refs_each_within(schema, text, len, path, shared_of(parts, &alone), cb, arg);
}

/* ---- shapes ---- */

static const json_t *follow(const struct part *part, const json_t *node)
{
    for (int i = 0; i < REF_DEPTH; i++) {
        const char *ref = json_string_value(json_object_get(node, "$ref"));

        if (!ref)
            return json_is_object(node) ? node : NULL;
        if (*ref != '#' || json_object_size(node) > 1)
            return node;
        node = tree_get(part->doc, ref + 1);
    }
    return NULL;
}

const json_t *parts_shape_root(const struct part *part)
{
    return follow(part, json_object_get(part->doc, "config"));
}

const json_t *parts_shape_ref(const struct part *part, const char *ref)
{
    return follow(part, tree_get(part->doc, ref + 1));
}

bool parts_shape_combines(const json_t *node)
{
    static const char *const words[] = {"oneOf",
                                        "anyOf",
                                        "allOf",
                                        "not",
                                        "if",
                                        "$ref",
                                        "enum",
                                        "const",
                                        "dependentSchemas",
                                        "dependentRequired"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (json_object_get(node, words[i]))
            return true;
    return false;
}

const json_t *parts_shape_member(const struct part *part, const json_t *node, const char *key,
                                 bool *ret_clear)
{
    json_t *patterns = json_object_get(node, "patternProperties");
    json_t *other = json_object_get(node, "additionalProperties");
    json_t *named = json_object_get(json_object_get(node, "properties"), key);

    *ret_clear = true;
    if (json_object_size(patterns) &&
        (named || json_object_size(patterns) > 1 || json_is_object(other) || json_is_true(other)))
        *ret_clear = false;
    if (named)
        return follow(part, named);
    if (json_object_size(patterns))
        return follow(part, json_object_iter_value(json_object_iter(patterns)));
    return follow(part, other);
}

const json_t *parts_shape_at(const struct parts *parts, const char *path)
{
    const char *tokens[64];
    AUTO_FREE char *storage = NULL;
    const char *rest = "";
    const struct part *part = parts_of(parts, path, &rest);
    const json_t *node = part ? parts_shape_root(part) : NULL;
    int n = part ? tree_split_pointer(rest, tokens, (int)ARRAY_LEN(tokens), &storage) : 0;
    bool clear = true;

    for (int i = 0; node && i < n; i++) {
        const json_t *items = json_object_get(node, "items");

        node = json_is_object(items) ? follow(part, items)
                                     : parts_shape_member(part, node, tokens[i], &clear);
    }
    return node;
}

const json_t *parts_shape_keys(const struct parts *parts, const char *path)
{
    const json_t *names = json_object_get(parts_shape_at(parts, path), "propertyNames");

    return names ? follow(parts_of(parts, path, NULL), names) : NULL;
}

/* ---- secrets ---- */

json_t *parts_mask(const struct parts *parts, const char *path, json_t *value)
{
    const struct part *part;
    const char *rest = "";

    if (!value)
        return NULL;
    if (!*path) {
        json_t *copy = json_copy(value), *member;
        const char *key;

        json_object_foreach (value, key, member) {
            AUTO(buf) struct buf at = {0};

            buf_add_pointer(&at, key);
            json_object_set_new(copy, key, parts_mask(parts, buf_str(&at), json_incref(member)));
        }
        json_decref(value);
        return copy;
    }
    part = parts_of(parts, path, &rest);
    if (part) {
        const struct schema_shared slices = {.pause = parts->now.in_slices ? parts->pause : NULL,
                                             .arg = parts->pause_arg};

        return schema_secret_mask_within(part->schema, rest, value, SECRET_MASK, &slices);
    }
    json_decref(value);
    return json_string(SECRET_MASK);
}

bool parts_has_secret(const struct parts *parts, const char *path, json_t *value)
{
    const struct part *part = parts_of(parts, path, NULL);
    AUTO(json_t) json_t *shown = NULL;

    if (!part || !part->has_secrets)
        return false;
    shown = parts_mask(parts, path, json_incref(value));
    return !parts_equal(parts, shown, value);
}

bool parts_hide(const struct parts *parts, const char *path)
{
    const char *rest = "";
    const struct part *part = parts_of(parts, path, &rest);
    struct schema_shared alone;

    return !part || schema_secret_hides_within(part->schema, rest, shared_of(parts, &alone));
}

size_t parts_shows(const struct parts *parts, const char *path)
{
    const char *rest = "";
    const struct part *part = parts_of(parts, path, &rest);
    struct schema_shared alone;

    if (!*path)
        return 0;
    if (!part)
        return 1 + strcspn(path + 1, "/");
    return (size_t)(rest - path) +
           schema_secret_shows_within(part->schema, rest, shared_of(parts, &alone));
}
