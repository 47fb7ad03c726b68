/* What is allowed at a path, for completion and help: the keywords of its schema as written, plus
 * the members' names, types and titles. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/candidate.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/member.h"
#include "plugins/config/methods_schema.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_names.h"
#include "plugins/config/parts.h"
#include "plugins/config/reply.h"

#define MAX_MEMBERS 500
#define MAX_NAMES 500

static void add_member(json_t *members, const char *name, const json_t *node, bool required)
{
    json_t *entry = json_object();
    static const char *const words[] = {"type", "title", "description"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (json_object_get(node, words[i]))
            json_object_set(entry, words[i], json_object_get(node, words[i]));
    if (required)
        json_object_set_new(entry, "required", json_true());
    json_object_set_new(members, name, entry);
}

/* The names a schema requires, to be looked up. */
static json_t *required_of(const json_t *node)
{
    json_t *names = json_object(), *item;
    size_t i;

    json_array_foreach (json_object_get(node, "required"), i, item)
        if (json_is_string(item))
            json_object_set_new(names, json_string_value(item), json_true());
    return names;
}

static json_t *members_of(const struct ask *ask, const char *path, const json_t *node)
{
    const struct engine *e = ask->engine;
    const struct part *part = parts_of(&e->parts, path, NULL);
    AUTO(json_t) json_t *required = required_of(node);
    json_t *members = json_object(), *value;
    const char *name;
    bool clear;

    if (!part) {
        for (size_t i = 0; i < e->parts.count; i++)
            add_member(members, e->parts.list[i].name, parts_shape_root(&e->parts.list[i]), false);
        return members;
    }
    json_object_foreach (json_object_get(node, "properties"), name, value) {
        if (json_object_size(members) < MAX_MEMBERS)
            add_member(members, name, parts_shape_member(part, node, name, &clear),
                       json_object_get(required, name));
    }
    return members;
}

/* Names that begin with prefix and exist now in the map this value refers to, or that this path
 * holds: at most so many. */
static json_t *names_at(const struct ask *ask, const char *path, const char *prefix, size_t most)
{
    struct engine *e = ask->engine;
    const struct candidate *c = candidate_find(e, ask->who);
    struct overlay none = {0};
    bool shown = grants_reads(ask->caller, path) && (!*path || !parts_hide(&e->parts, path));

    return shown ? overlay_names(c ? &c->changes : &none, e->store.running, path, prefix, most)
                 : json_array();
}

/* ---- what x-orb-offer lists ---- */

/* What is offered, and where it is sent. */
struct offers {
    const struct ask *ask;
    const struct part *part;
    const char *prefix; /* of what is told */
    json_t *names;
};

/* One more than are listed shows that there are more. */
static bool is_full(const struct offers *o)
{
    return json_array_size(o->names) > MAX_NAMES;
}

/* mark: the text before the name, "@". */
static void offer(const struct offers *o, const char *mark, const char *name)
{
    AUTO(buf) struct buf whole = {0};

    buf_addf(&whole, "%s%s", mark, name);
    if (!strncmp(buf_str(&whole), o->prefix, strlen(o->prefix)))
        json_array_append_new(o->names, json_string(buf_str(&whole)));
}

/* Is member, "/ports", in the entry? NULL: any will do. */
static bool has_member(const struct offers *o, const char *map, const char *name,
                       const char *member)
{
    AUTO(buf) struct buf path = {0};
    AUTO(json_t) json_t *found = NULL;

    if (!member)
        return true;
    buf_adds(&path, map);
    buf_add_pointer(&path, name);
    found = names_at(o->ask, buf_str(&path), member + 1, 1);
    return json_array_size(found) > 0;
}

/* pointer: "/firewall/zones"; with a * for any name, and a member behind it: those that have it. */
static void offer_entries(const struct offers *o, const char *mark, const char *pointer)
{
    const char *star = strstr(pointer, "/*/");
    AUTO_FREE char *map = star ? xstrndup(pointer, (size_t)(star - pointer)) : xstrdup(pointer);
    size_t len = strlen(mark);
    AUTO(json_t) json_t *names = NULL;
    json_t *name;
    size_t i;

    if (strncmp(mark, o->prefix, len < strlen(o->prefix) ? len : strlen(o->prefix)))
        return;
    /* All, as many may be without the member. */
    names = names_at(o->ask, map, strlen(o->prefix) > len ? o->prefix + len : "", SIZE_MAX);
    json_array_foreach (names, i, name)
        if (!is_full(o) && has_member(o, map, json_string_value(name), star ? star + 2 : NULL))
            offer(o, mark, json_string_value(name));
}

static void offer_definition(const struct offers *o, const char *mark, const char *ref)
{
    json_t *one;
    size_t i;

    json_array_foreach (json_object_get(parts_shape_ref(o->part, ref), "enum"), i, one)
        if (json_is_string(one))
            offer(o, mark, json_string_value(one));
}

/* Each is a word, or a mark before a pointer into the configuration or to a definition. */
static void offer_all(const struct offers *o, const json_t *list)
{
    json_t *one;
    size_t i;

    json_array_foreach (list, i, one) {
        const char *text = json_string_value(one);
        size_t len = strcspn(text, "/#");
        AUTO_FREE char *mark = xstrndup(text, len);

        if (!text[len])
            offer(o, "", text);
        else if (text[len] == '#')
            offer_definition(o, mark, text + len);
        else
            offer_entries(o, mark, text + len);
    }
}

/* ---- the method ---- */

static json_t *names_for(const struct ask *ask, const char *path, const json_t *node)
{
    const char *prefix = member_text(ask->in, "prefix", "");
    const json_t *items = json_object_get(node, "items"); /* of a list: of its elements */
    const char *of = member_text(node, "x-orb-ref", member_text(items, "x-orb-ref", path));
    struct offers o = {.ask = ask,
                       .part = parts_of(&ask->engine->parts, path, NULL),
                       .prefix = prefix,
                       .names = names_at(ask, of, prefix, MAX_NAMES + 1)};

    offer_all(&o, json_object_get(node, "x-orb-offer"));
    return o.names;
}

void methods_schema(struct ask *ask)
{
    static const char *const words[] = {
        "type",      "title",         "description", "enum",       "const",
        "format",    "pattern",       "minimum",     "maximum",    "default",
        "minLength", "maxLength",     "minItems",    "maxItems",   "items",
        "x-orb-ref", "x-orb-secret",  "x-orb-apply", "x-orb-risk", "propertyNames",
        "examples",  "x-orb-expected"};
    struct engine *e = ask->engine;
    const char *path = member_text(ask->in, "path", "");
    const json_t *node = NULL;
    json_t *reply, *names;
    struct orb_err err = {0};

    if (!strcmp(path, "/"))
        path = "";
    if (*path && !parts_schema(&e->parts, path, &err)) {
        reply_refuse(e, ask->req, &err);
        return;
    }
    node = parts_shape_at(&e->parts, path);
    reply = json_object();
    json_object_set_new(reply, "path", json_string(path));
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (json_object_get(node, words[i]))
            json_object_set(reply, words[i], json_object_get(node, words[i]));
    if (parts_shape_keys(&e->parts, path))
        json_object_set_new(reply, "propertyNames",
                            json_deep_copy(parts_shape_keys(&e->parts, path)));
    if (!*path)
        json_object_set_new(reply, "type", json_string("object"));
    json_object_set_new(reply, "members", members_of(ask, path, node));
    names = names_for(ask, path, node);
    while (json_array_size(names) > MAX_NAMES) {
        json_array_remove(names, json_array_size(names) - 1);
        json_object_set_new(reply, "more", json_true());
    }
    json_object_set_new(reply, "names", names);
    if (json_is_object(json_object_get(node, "additionalProperties")) ||
        json_is_true(json_object_get(node, "additionalProperties")) ||
        json_object_get(node, "patternProperties"))
        json_object_set_new(reply, "map", json_true());
    reply_tree_in_slices(e, ask->req, reply);
}
