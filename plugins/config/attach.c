/* How a service attaches and gets its part of the tree, in slices. During a transaction it waits a
 * moment: most end within that, and then there is nothing to follow. */
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/attach.h"
#include "plugins/config/follow.h"
#include "plugins/config/grants.h"
#include "plugins/config/history.h"
#include "plugins/config/member.h"
#include "plugins/config/reply.h"
#include "plugins/config/subscriber.h"
#include "plugins/config/transaction.h"

#define MAX_SUBSCRIBERS 256

static void waiting_free(struct waiting_attach *w)
{
    json_decref(w->paths);
    grants_paths_free(w->secrets);
    free(w->name);
    free(w->who);
    free(w);
}

void attach_free_all(struct engine *engine)
{
    while (engine->waiting) {
        struct waiting_attach *w = engine->waiting;

        engine->waiting = w->next;
        waiting_free(w);
    }
}

/* {part: subtree}: the running tree cut down to the paths, as the subscriber may see it. */
static json_t *slice_of_tree(const struct engine *engine, const struct waiting_attach *w)
{
    const json_t *running = engine->store.running;
    json_t *parts = json_object(), *one;
    size_t i;

    json_array_foreach (w->paths, i, one) {
        const char *given = json_string_value(one), *path = !strcmp(given, "/") ? "" : given;
        AUTO_FREE char *seen = grants_path(engine, w->secrets, path);
        json_t *value = grants_show(engine, w->secrets, path, json_incref(tree_get(running, seen)));

        if (value && !*path)
            json_object_update(parts, value);
        else if (value && !tree_get(parts, path))
            tree_set(parts, path, json_incref(value), NULL);
        parts_drop(&engine->parts, value);
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
    reply_slice(json_write_place(&w, "data"), text, offset, &len);
    if (with_revision)
        json_write_integer(&w, "revision", (int64_t)revision);
    else
        json_write_integer(&w, "offset", (int64_t)offset);
    json_write_end(&w);
    reply_text(engine, req, &reply);
}

/* text: of slice_of_tree(), taken. */
static void attach(struct engine *engine, struct waiting_attach *w, struct buf *text)
{
    struct subscriber *s = subscriber_enter(engine, w->name, w->paths, take_ptr(w->secrets));

    s->presence = SUB_ATTACHED;
    s->tried |= history_unconfirmed(&engine->store);
    s->peer = w->peer;
    s->joined = engine->tx ? engine->tx->id : 0;
    s->revision = s->due = engine->store.revision;
    buf_fini(&s->text);
    s->text = *text;
    *text = (struct buf){0};
    answer_slice(engine, w->req, &s->text, 0, true, s->revision);
    if (s->text.len < SLICE_BYTES / 2)
        buf_fini(&s->text); /* it went out whole */
    follow_engine(engine);
}

static void waiting_end(struct engine *engine, struct waiting_attach *w)
{
    struct waiting_attach **at = &engine->waiting;

    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    waiting_free(w);
}

/* In slices: a commit waits for it before it changes the tree, and the peer may go meanwhile. */
static void make(struct engine *engine, void *arg)
{
    struct waiting_attach *w = arg;
    struct schema_shared shared = {
        .units = PARTS_UNITS, .pause = engine->parts.pause, .arg = engine->parts.pause_arg};
    AUTO(buf) struct buf text = {0};
    struct orb_err err;
    json_t *parts;

    engine->parts.now.shared = &shared;
    parts = slice_of_tree(engine, w);
    parts_dump(&engine->parts, parts, &text);
    if (w->peer) {
        attach(engine, w, &text);
    } else {
        orb_fail(&err, ORB_E_GONE, "%s went away before it was attached", w->name);
        reply_refuse(engine, w->req, &err);
    }
    waiting_end(engine, w);
    transaction_next(engine);
    parts_drop(&engine->parts, parts);
    engine->parts.now.shared = NULL;
}

static void serve(struct engine *engine, struct waiting_attach *w)
{
    w->served = true;
    requests_do(engine, w->who, make, w);
}

/* Each path must be covered by the grants reported by the broker, and by the configured ones: a
 * process whose grants were revoked gets nothing more until it is restarted. */
static int check_attach(const struct ask *ask, const json_t *paths, struct orb_err *err)
{
    const struct engine *e = ask->engine;
    unsigned n = 0;

    for (const struct subscriber *other = e->subscribers; other; other = other->next)
        n++;
    if (!subscriber_are_paths(paths) || n > MAX_SUBSCRIBERS)
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

void attach_method(struct ask *ask)
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
        reply_refuse(e, ask->req, &err);
        return;
    }
    w = xcalloc(1, sizeof(*w));
    w->name = xstrdup(ask->caller->name);
    w->who = xstrdup(ask->who);
    w->peer = *ask->gone ? 0 : ask->caller->peer;
    w->paths = json_deep_copy(paths);
    w->secrets = grants_secrets(ask->caller);
    w->req = ask->req;
    w->until = e->host.now_ms(e->host.arg) + ENGINE_ATTACH_MS;
    while (*at)
        at = &(*at)->next;
    *at = w;
    if (!e->tx)
        serve(e, w);
}

/* The first that waits, until then. NULL: none. */
static struct waiting_attach *first_until(const struct engine *engine, uint64_t until)
{
    for (struct waiting_attach *w = engine->waiting; w; w = w->next)
        if (!w->served && w->until <= until)
            return w;
    return NULL;
}

void attach_serve_all(struct engine *engine)
{
    struct waiting_attach *w;

    while (!engine->tx && (w = first_until(engine, UINT64_MAX)))
        serve(engine, w);
}

void attach_tick(struct engine *engine)
{
    uint64_t now = engine->host.now_ms(engine->host.arg);
    struct waiting_attach *w;

    while ((w = first_until(engine, now)))
        serve(engine, w);
}

void attach_fetch(struct ask *ask)
{
    struct engine *e = ask->engine;
    size_t offset = member_number(ask->in, "offset", 0);
    struct subscriber *s = subscriber_find(e, ask->caller->name);
    const struct buf *text = NULL;
    struct orb_err err;

    if (!strcmp(member_text(ask->in, "what", ""), "attach")) {
        text = s && s->peer == ask->caller->peer ? &s->text : NULL;
    } else {
        for (size_t i = 0; e->tx && i < e->tx->count; i++)
            if (!strcmp(e->tx->parts[i].name, ask->caller->name) &&
                (!e->tx->parts[i].peer || e->tx->parts[i].peer == ask->caller->peer))
                text = &e->tx->parts[i].text;
    }
    if (!text || offset >= text->len) {
        orb_fail(&err, ORB_E_STATE, "nothing is handed out at byte %zu; attach again", offset);
        reply_refuse(e, ask->req, &err);
        return;
    }
    answer_slice(e, ask->req, text, offset, false, 0);
}
