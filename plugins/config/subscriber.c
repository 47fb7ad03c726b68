/* Who takes part in transactions. A service attaches when it starts, and again when this service
 * comes back; the list is kept on disk only for its order (dependencies attach first) and to know
 * for whom the first commit after a restart has to wait a moment. */
#include <inttypes.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"

#define MAX_SUBSCRIBERS 256
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

static void waiting_free(struct waiting_attach *w)
{
    json_decref(w->paths);
    grants_paths_free(w->secrets);
    free(w->name);
    free(w);
}

void subscriber_free_all(struct engine *engine)
{
    while (engine->subscribers) {
        struct subscriber *s = engine->subscribers;

        engine->subscribers = s->next;
        subscriber_free(s);
    }
    while (engine->waiting) {
        struct waiting_attach *w = engine->waiting;

        engine->waiting = w->next;
        waiting_free(w);
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
        differ = strcmp(s->paths[i], json_string_value(json_array_get(paths, i))) != 0;
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

static bool are_strings(const json_t *paths)
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
        const char *name = engine_text_in(entry, "name", NULL);
        json_t *paths = json_object_get(entry, "paths");

        if (name && is_installed(engine, name) && are_strings(paths) &&
            !subscriber_find(engine, name))
            set_paths(subscriber_new(engine, name), paths);
    }
    return 0;
}

/* ---- attach ---- */

/* {part: subtree}: the running tree cut down to the paths, as the subscriber may see it. */
static json_t *slice_of_tree(const struct engine *engine, const struct subscriber *s)
{
    const json_t *running = engine->store.running;
    json_t *parts = json_object();

    for (size_t i = 0; i < s->path_count; i++) {
        const char *path = !strcmp(s->paths[i], "/") ? "" : s->paths[i];
        AUTO_FREE char *seen = grants_path(engine, s->secrets, path);
        AUTO(json_t)
        json_t *value = grants_show(engine, s->secrets, path, json_incref(tree_get(running, seen)));

        if (!value)
            continue;
        if (!*path)
            json_object_update(parts, value);
        else if (!tree_get(parts, path))
            tree_set(parts, path, json_incref(value), NULL);
    }
    return parts;
}

static void answer_slice(struct engine *engine, void *req, const struct buf *text, size_t offset,
                         bool with_revision, uint64_t revision)
{
    AUTO(buf) struct buf reply = {0};
    struct json_write w = json_write_to(&reply);
    size_t len;

    json_write_object(&w, NULL);
    json_write_integer(&w, "bytes", (int64_t)text->len);
    engine_slice_add(json_write_place(&w, "data"), text, offset, &len);
    if (with_revision)
        json_write_integer(&w, "revision", (int64_t)revision);
    else
        json_write_integer(&w, "offset", (int64_t)offset);
    json_write_end(&w);
    engine_reply(engine, req, &reply);
}

static void attach(struct engine *engine, struct waiting_attach *w)
{
    struct subscriber *s = subscriber_find(engine, w->name);
    bool is_new = !s;
    json_t *parts;

    if (!s)
        s = subscriber_new(engine, w->name);
    grants_paths_free(s->secrets);
    s->secrets = take_ptr(w->secrets);
    if (set_paths(s, w->paths) || is_new)
        save(engine);
    s->presence = SUB_ATTACHED;
    s->tried |= store_unconfirmed(&engine->store);
    s->peer = w->peer;
    s->revision = s->due = engine->store.revision;
    buf_fini(&s->text);
    parts = slice_of_tree(engine, s);
    tree_dump(parts, &s->text);
    json_decref(parts);
    answer_slice(engine, w->req, &s->text, 0, true, s->revision);
    if (s->text.len < SLICE_BYTES / 2)
        buf_fini(&s->text); /* it went out whole */
    follow_engine(engine);
}

/* Each path lies in what the broker says was granted, and in what is configured: a process whose
 * grants were taken away gets nothing more before it was started anew. */
static int check_attach(const struct ask *ask, const json_t *paths, struct orb_err *err)
{
    const struct engine *e = ask->engine;
    unsigned n = 0;

    for (const struct subscriber *other = e->subscribers; other; other = other->next)
        n++;
    if (!are_strings(paths) || n > MAX_SUBSCRIBERS)
        return orb_fail(err, ORB_E_DENIED, "attach is for services, with a list of paths");
    for (size_t i = 0; i < json_array_size(paths); i++) {
        const char *path = json_string_value(json_array_get(paths, i));

        if (*path && *path != '/')
            return orb_fail_at(err, ORB_E_INVALID, path,
                               "expected a path such as /firewall; got \"%.120s\"", path);
        path = strcmp(path, "/") ? path : "";
        if (grants_check_read(ask->caller, path, err) < 0)
            return err->code;
        if (!grants_configured(e, ask->caller->name, path))
            return orb_fail_at(err, ORB_E_DENIED, path,
                               "the grants of %s have changed; it attaches when it was restarted",
                               ask->caller->name);
    }
    return 0;
}

void subscriber_attach(struct ask *ask)
{
    struct engine *e = ask->engine;
    const json_t *paths = json_object_get(ask->in, "paths");
    struct waiting_attach *w, **at = &e->waiting;
    struct orb_err err;
    int r = check_attach(ask, paths, &err);

    if (r == 0 && e->store.held)
        r = orb_fail(&err, ORB_E_UNAVAILABLE, "the configuration is held back: %s",
                     e->store.damage.text);
    if (r < 0) {
        engine_refuse(e, ask->req, &err);
        return;
    }
    w = xcalloc(1, sizeof(*w));
    w->name = xstrdup(ask->caller->name);
    w->peer = ask->caller->peer;
    w->paths = json_deep_copy(paths);
    w->secrets = grants_secrets(ask->caller);
    w->req = ask->req;
    if (!e->tx) {
        attach(e, w);
        waiting_free(w);
        transaction_next(e);
        return;
    }
    while (*at)
        at = &(*at)->next;
    *at = w;
}

void subscriber_serve_all(struct engine *engine)
{
    while (engine->waiting && !engine->tx) {
        struct waiting_attach *w = engine->waiting;
        struct orb_err err;

        engine->waiting = w->next;
        if (w->peer) {
            attach(engine, w);
        } else {
            orb_fail(&err, ORB_E_GONE, "%s went away before it was attached", w->name);
            engine_refuse(engine, w->req, &err);
        }
        waiting_free(w);
    }
}

void subscriber_fetch(struct ask *ask)
{
    struct engine *e = ask->engine;
    size_t offset = engine_number_in(ask->in, "offset", 0);
    struct subscriber *s = subscriber_find(e, ask->caller->name);
    const struct buf *text = NULL;
    struct orb_err err;

    if (!strcmp(engine_text_in(ask->in, "what", ""), "attach")) {
        text = s && s->peer == ask->caller->peer ? &s->text : NULL;
    } else {
        for (size_t i = 0; e->tx && i < e->tx->count; i++)
            if (!strcmp(e->tx->parts[i].name, ask->caller->name) &&
                (!e->tx->parts[i].peer || e->tx->parts[i].peer == ask->caller->peer))
                text = &e->tx->parts[i].text;
    }
    if (!text || offset >= text->len) {
        orb_fail(&err, ORB_E_STATE, "nothing is handed out at byte %zu; attach again", offset);
        engine_refuse(e, ask->req, &err);
        return;
    }
    answer_slice(e, ask->req, text, offset, false, 0);
}

/* ---- transactions ---- */

json_t *subscriber_patch(const struct engine *engine, const struct subscriber *sub,
                         const json_t *patch)
{
    AUTO(json_t) json_t *within = grants_patch_within(patch, sub->paths, sub->path_count);
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

        if (ask->caller->kind == CALLER_SERVICE && strcmp(s->name, ask->caller->name) != 0)
            continue;
        entry = json_object();
        json_object_set_new(entry, "service", json_string(s->name));
        json_object_set_new(entry, "paths", paths_json(s));
        json_object_set_new(entry, "state", json_string(words[s->presence]));
        json_array_append_new(list, entry);
    }
    json_object_set_new(reply, "subscribers", list);
    engine_answer(ask->engine, ask->req, reply);
}
