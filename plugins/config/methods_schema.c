/* What is allowed at a path, for completion and help: the keywords of its schema as written, plus
 * the members' names, types and titles. */
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/candidate.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/member.h"
#include "plugins/config/methods_schema.h"
#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"
#include "plugins/config/reply.h"

#define MAX_MEMBERS 500

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

/* Names that exist now in the map this value refers to, or that this path holds. */
static json_t *names_at(const struct ask *ask, const char *path)
{
    struct engine *e = ask->engine;
    const struct candidate *c = candidate_find(e, ask->who);
    struct overlay none = {0};
    bool shown = grants_reads(ask->caller, path) && (!*path || !parts_hide(&e->parts, path));

    return shown ? overlay_names(c ? &c->changes : &none, e->store.running, path, MAX_MEMBERS)
                 : json_array();
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
    const char *path = member_text(ask->in, "path", ""), *of;
    const json_t *node = NULL;
    json_t *reply;
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
    if (!*path)
        json_object_set_new(reply, "type", json_string("object"));
    json_object_set_new(reply, "members", members_of(ask, path, node));
    of = member_text(json_object_get(node, "items"), "x-orb-ref",
                     path); /* of a list: of its elements */
    json_object_set_new(reply, "names", names_at(ask, member_text(node, "x-orb-ref", of)));
    if (json_is_object(json_object_get(node, "additionalProperties")) ||
        json_is_true(json_object_get(node, "additionalProperties")) ||
        json_object_get(node, "patternProperties"))
        json_object_set_new(reply, "map", json_true());
    reply_tree(e, ask->req, reply);
}
