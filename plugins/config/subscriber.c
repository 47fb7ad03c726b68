/* Participants of transactions. A service attaches when it starts, and again after a restart of
 * this service; the list is kept on disk only for its order (dependencies attach first) and for the
 * services the first commit after a restart has to wait for. */
#include <inttypes.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/member.h"
#include "plugins/config/reply.h"
#include "plugins/config/subscriber.h"

#define MAX_FILE (1024u * 1024)

static void subscriber_free(struct subscriber *s)
{
    for (size_t i = 0; i < s->path_count; i++)
        free(s->paths[i]);
    free(s->paths);
    grants_paths_free(s->secrets);
    free(s->name);
    buf_fini(&s->text);
    free(s);
}

void subscriber_free_all(struct engine *engine)
{
    while (engine->subscribers) {
        struct subscriber *s = engine->subscribers;

        engine->subscribers = s->next;
        subscriber_free(s);
    }
}

void subscriber_peer_gone(struct engine *engine, uint32_t peer)
{
    for (struct subscriber *s = engine->subscribers; s; s = s->next) {
        if (s->peer != peer || s->presence != SUB_ATTACHED)
            continue;
        s->presence = SUB_OFFLINE;
        s->peer = 0;
        buf_fini(&s->text);
    }
}

struct subscriber *subscriber_find(struct engine *engine, const char *name)
{
    for (struct subscriber *s = engine->subscribers; s; s = s->next)
        if (!strcmp(s->name, name))
            return s;
    return NULL;
}

static struct subscriber *subscriber_new(struct engine *engine, const char *name)
{
    struct subscriber *s = xcalloc(1, sizeof(*s)), **at = &engine->subscribers;

    s->name = xstrdup(name);
    while (*at)
        at = &(*at)->next;
    *at = s;
    return s;
}

/* true: they were others before. */
static bool set_paths(struct subscriber *s, const json_t *paths)
{
    size_t n = json_array_size(paths);
    bool differ = n != s->path_count;

    for (size_t i = 0; !differ && i < n; i++)
        differ = strcmp(s->paths[i], json_string_value(json_array_get(paths, i)));
    if (!differ)
        return false;
    for (size_t i = 0; i < s->path_count; i++)
        free(s->paths[i]);
    free(s->paths);
    s->paths = xcalloc(n, sizeof(*s->paths));
    s->path_count = n;
    for (size_t i = 0; i < n; i++)
        s->paths[i] = xstrdup(json_string_value(json_array_get(paths, i)));
    return true;
}

static json_t *paths_json(const struct subscriber *s)
{
    json_t *paths = json_array();

    for (size_t i = 0; i < s->path_count; i++)
        json_array_append_new(paths, json_string(s->paths[i]));
    return paths;
}

static void save(struct engine *engine)
{
    AUTO_FREE char *file = buf_format("%s/subscribers.json", engine->store.dir);
    AUTO(json_t) json_t *list = json_array();
    AUTO(buf) struct buf text = {0};
    struct orb_err err;

    for (struct subscriber *s = engine->subscribers; s; s = s->next) {
        json_t *entry = json_object();

        json_object_set_new(entry, "name", json_string(s->name));
        json_object_set_new(entry, "paths", paths_json(s));
        json_array_append_new(list, entry);
    }
    tree_dump(list, &text);
    if (file_replace(file, text.data, text.len, 0600, &err) < 0)
        log_warn(engine->host.log, "config.subscribers.not-saved", KV("why", err.text));
}

void subscriber_copy(const struct subscriber *from, struct subscriber *to)
{
    size_t n = 0;

    to->paths = xcalloc(from->path_count + 1, sizeof(*to->paths));
    for (size_t i = 0; i < from->path_count; i++)
        to->paths[i] = xstrdup(from->paths[i]);
    to->path_count = from->path_count;
    while (from->secrets && from->secrets[n])
        n++;
    to->secrets = from->secrets ? xcalloc(n + 1, sizeof(*to->secrets)) : NULL;
    for (size_t i = 0; i < n; i++)
        to->secrets[i] = xstrdup(from->secrets[i]);
}

void subscriber_copy_free(struct subscriber *copy)
{
    for (size_t i = 0; i < copy->path_count; i++)
        free(copy->paths[i]);
    free(copy->paths);
    grants_paths_free(copy->secrets);
}

struct subscriber *subscriber_enter(struct engine *engine, const char *name, const json_t *paths,
                                    char **secrets)
{
    struct subscriber *s = subscriber_find(engine, name);
    bool is_new = !s;

    if (!s)
        s = subscriber_new(engine, name);
    grants_paths_free(s->secrets);
    s->secrets = secrets;
    s->entered = ++engine->entered;
    if (set_paths(s, paths) || is_new)
        save(engine);
    return s;
}

bool subscriber_are_paths(const json_t *paths)
{
    if (!json_is_array(paths))
        return false;
    for (size_t i = 0; i < json_array_size(paths); i++)
        if (!json_is_string(json_array_get(paths, i)))
            return false;
    return true;
}

/* Only services of installed packages are waited for. */
static bool is_installed(const struct engine *engine, const char *name)
{
    for (size_t i = 0; i < engine->parts.count; i++)
        if (!strcmp(engine->parts.list[i].package, name))
            return true;
    return false;
}

int subscriber_load_all(struct engine *engine, struct orb_err *err)
{
    AUTO_FREE char *file = buf_format("%s/subscribers.json", engine->store.dir);
    AUTO(buf) struct buf text = {0};
    AUTO(json_t) json_t *list = NULL;
    json_t *entry;
    struct orb_err why;
    size_t i;

    if (access(file, F_OK) < 0)
        return 0;
    if (file_read_regular(file, MAX_FILE, &text, &why) < 0 ||
        tree_parse(buf_str(&text), text.len, NULL, &list, &why) < 0) {
        log_warn(engine->host.log, "config.subscribers.unreadable", KV("why", why.text));
        return 0; /* only an order and a courtesy: they attach again by themselves */
    }
    json_array_foreach (list, i, entry) {
        const char *name = member_text(entry, "name", NULL);
        json_t *paths = json_object_get(entry, "paths");

        if (name && is_installed(engine, name) && subscriber_are_paths(paths) &&
            !subscriber_find(engine, name))
            set_paths(subscriber_new(engine, name), paths);
    }
    return 0;
}

json_t *subscriber_patch(const struct engine *engine, const struct subscriber *sub,
                         const json_t *patch)
{
    AUTO(json_t)
    json_t *within = grants_patch_within(&engine->parts, patch, sub->paths, sub->path_count);
    json_t *mine = grants_patch_shown(engine, sub->secrets, within);

    if (json_array_size(mine))
        return mine;
    json_decref(mine);
    return NULL;
}

void subscriber_list(struct ask *ask)
{
    static const char *const words[] = {"unknown", "attached", "offline"};
    json_t *list = json_array(), *reply = json_object();

    for (struct subscriber *s = ask->engine->subscribers; s; s = s->next) {
        json_t *entry;

        if (ask->caller->kind == CALLER_SERVICE && strcmp(s->name, ask->caller->name))
            continue;
        entry = json_object();
        json_object_set_new(entry, "service", json_string(s->name));
        json_object_set_new(entry, "paths", paths_json(s));
        json_object_set_new(entry, "state", json_string(words[s->presence]));
        json_array_append_new(list, entry);
    }
    json_object_set_new(reply, "subscribers", list);
    reply_tree(ask->engine, ask->req, reply);
}
