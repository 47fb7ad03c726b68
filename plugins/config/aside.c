/* Transactions of the engine's own: see aside.h. */
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/aside.h"
#include "plugins/config/bypass.h"
#include "plugins/config/commit.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/history.h"
#include "plugins/config/job.h"
#include "plugins/config/service.h"
#include "plugins/config/strikes.h"
#include "plugins/config/subscriber.h"
#include "plugins/config/turn.h"
#include "plugins/config/tx.h"

static struct tx *tx_new(struct engine *engine, const struct tx_events *events, json_t *patch)
{
    struct tx *tx = xcalloc(1, sizeof(*tx));

    tx->engine = engine;
    tx->events = events;
    tx->patch = patch;
    tx->job = xcalloc(1, sizeof(*tx->job));
    tx->job->user = xstrdup(ENGINE_ITSELF);
    tx->job->comment = xstrdup("");
    return tx;
}

static struct participant *add(struct tx *tx, const struct subscriber *s, const json_t *patch)
{
    struct participant *p;

    tx->parts = xrealloc(tx->parts, (tx->count + 1) * sizeof(*tx->parts));
    p = &tx->parts[tx->count++];
    *p = (struct participant){.tx = tx, .name = xstrdup(s->name), .peer = s->peer};
    tree_dump(patch, &p->text);
    return p;
}

static void begin(struct engine *engine, struct tx *tx)
{
    tx->id = commit_number(engine);
    engine->store.last_tx = tx->id;
    tx->revision = engine->store.revision;
    engine->tx = tx;
    participant_prepare(tx);
}

static void end(struct tx *tx)
{
    struct engine *engine = tx->engine;

    engine->tx = NULL;
    tx_free(tx);
    engine->tx_ended(engine);
}

/* ---- services that attached during a commit ---- */

/* A service that cannot follow is restarted, and attaches to the stored configuration. */
static void on_followed(struct tx *tx)
{
    for (size_t i = 0; i < tx->count; i++)
        if (tx->parts[i].restart)
            service_restart(tx->engine, tx->parts[i].name,
                            "it did not follow a commit during which it attached");
    end(tx);
}

static const struct tx_events catching_up = {
    .prepared = turn_apply, .applied = on_followed, .aborted = on_followed};

static bool is_anew(const struct tx *tx, const char *name)
{
    for (size_t i = 0; i < tx->count; i++)
        if (!strcmp(tx->parts[i].name, name))
            return tx->parts[i].anew;
    return false;
}

void aside_committed(struct tx *tx)
{
    struct engine *e = tx->engine;
    bool stays;

    for (struct subscriber *s = e->subscribers; s; s = s->next) {
        AUTO(json_t) json_t *mine = NULL;

        if (s->joined != tx->id || s->presence != SUB_ATTACHED || is_anew(tx, s->name))
            continue;
        mine = subscriber_patch(e, s, tx->patch);
        if (!mine)
            continue;
        s->due = e->store.revision;
        s->tried |= history_unconfirmed(&e->store);
        if (bypass_reason(tx, s, &stays)) {
            if (stays)
                service_restart(e, s->name,
                                "it attached during a commit in which it did not take part");
            continue;
        }
        if (!e->aside)
            e->aside = tx_new(e, &catching_up, json_incref(tx->patch));
        e->aside->follows = true;
        add(e->aside, s, mine);
    }
}

/* One that attached once more has what is stored. */
static void catch_up(struct engine *engine)
{
    struct tx *tx = take_ptr(engine->aside);

    for (size_t i = 0; i < tx->count; i++) {
        const struct subscriber *s = subscriber_find(engine, tx->parts[i].name);

        if (!s || s->peer != tx->parts[i].peer)
            tx->parts[i].state = PART_OUT;
    }
    begin(engine, tx);
}

/* ---- what runs, proposed to one that refuses ---- */

static void on_proposed(struct tx *tx)
{
    if (tx->parts[0].state == PART_FAILED)
        strikes_refuses_all(tx->engine, tx->parts[0].name);
    turn_abort(tx);
}

static const struct tx_events proposing = {.prepared = on_proposed, .applied = end, .aborted = end};

/* Each of its paths set to what it is. */
static json_t *running_patch(const struct engine *engine, const struct subscriber *s)
{
    json_t *patch = json_array();

    for (size_t i = 0; i < s->path_count; i++) {
        AUTO(json_t)
        json_t *value = strcmp(s->paths[i], "/")
                            ? grants_show(engine, s->secrets, s->paths[i],
                                          json_incref(tree_get(engine->store.running, s->paths[i])))
                            : NULL;
        json_t *op;

        if (!value)
            continue;
        op = json_object();
        json_object_set_new(op, "op", json_string("set"));
        json_object_set_new(op, "path", json_string(s->paths[i]));
        json_object_set(op, "old", value);
        json_object_set(op, "value", value);
        json_array_append_new(patch, op);
    }
    return patch;
}

static void propose(struct engine *engine, struct subscriber *s)
{
    json_t *patch = running_patch(engine, s);
    struct tx *tx;

    s->propose = false;
    if (json_array_size(patch) == 0 || s->presence != SUB_ATTACHED) {
        json_decref(patch);
        return;
    }
    log_notice(engine->host.log, "config.service.checked", KV("service", s->name),
               KV("refused", (int64_t)s->refused));
    tx = tx_new(engine, &proposing, patch);
    tx->job->dry_run = true;
    add(tx, s, patch);
    begin(engine, tx);
}

void aside_next(struct engine *engine)
{
    if (!engine->tx && engine->aside)
        catch_up(engine);
    for (struct subscriber *s = engine->subscribers; s && !engine->tx; s = s->next)
        if (s->propose)
            propose(engine, s);
}
