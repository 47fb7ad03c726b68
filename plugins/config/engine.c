/* Life of the engine: start from the state directory, requests to their methods, timers. */
#include "plugins/config/engine.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/validate.h"

void engine_refuse(struct engine *engine, void *req, const struct orb_err *err)
{
    if (req)
        engine->host.refuse(engine->host.arg, req, err);
}

void engine_reply(struct engine *engine, void *req, const struct buf *text)
{
    if (req)
        engine->host.reply(engine->host.arg, req, buf_str(text), text->len);
}

void engine_answer(struct engine *engine, void *req, json_t *reply)
{
    AUTO(buf) struct buf text = {0};

    tree_dump(reply, &text);
    json_decref(reply);
    engine_reply(engine, req, &text);
}

void engine_step(const struct engine *engine, const char *name)
{
    if (engine->host.step)
        engine->host.step(engine->host.arg, name);
}

uint64_t engine_number_in(const json_t *in, const char *key, uint64_t fallback)
{
    const json_t *v = json_object_get(in, key);

    return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v)
                                                            : fallback;
}

const char *engine_text_in(const json_t *in, const char *key, const char *fallback)
{
    const char *v = json_string_value(json_object_get(in, key));

    return v ? v : fallback;
}

void engine_slice_add(struct buf *to, const struct buf *text, size_t offset, size_t *ret_len)
{
    size_t left = text->len > offset ? text->len - offset : 0, n = 0, quoted = 0;
    const char *p = buf_str(text) + (left ? offset : 0);

    while (n < left && n < SLICE_BYTES && quoted < SLICE_QUOTED) {
        unsigned char c = (unsigned char)p[n++];

        quoted += c == '"' || c == '\\' ? 2 : c < 0x20 ? 6 : 1;
    }
    while (n < left && n && ((unsigned char)p[n] & 0xc0) == 0x80)
        n--; /* never cut inside a character */
    buf_add_json(to, p, n);
    *ret_len = n;
}

/* ---- timers ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return !a || (b && b < a) ? b : a;
}

void engine_arm(struct engine *engine)
{
    uint64_t now = engine->host.now_ms(engine->host.arg);
    uint64_t at = engine->confirm_at;

    if (engine->undone || (engine->jobs && !engine->tx))
        at = earlier(at, engine->grace_until);
    if (engine->tx) {
        at = earlier(at, engine->tx->turn_at);
        if (at)
            engine->host.wake(engine->host.arg, at > now ? at - now : 0);
        return; /* the rest has time until it ends */
    }
    if (engine->store.unwritable && !engine->heal_at)
        engine->heal_at = now + ENGINE_HEAL_MS;
    at = earlier(at, engine->heal_at);
    if (renew_snapshot_due(&engine->store) && !engine->snapshot_at)
        engine->snapshot_at = now + ENGINE_SNAPSHOT_MS;
    at = earlier(at, engine->snapshot_at);
    if (at)
        engine->host.wake(engine->host.arg, at > now ? at - now : 0);
}

static void snapshot_tick(struct engine *engine, uint64_t now)
{
    struct orb_err err;

    if (!engine->snapshot_at || now < engine->snapshot_at || engine->tx)
        return; /* a transaction on its way comes back here when it ends */
    engine->snapshot_at = 0;
    if (!renew_snapshot_due(&engine->store) || renew_snapshot(&engine->store, &err) == 0)
        return;
    log_error(engine->host.log, "config.snapshot.failed", KV("why", err.text));
    engine_report(engine);
}

/* A disk that took nothing may have healed: then the problem goes without anybody's commit. */
static void heal_tick(struct engine *engine, uint64_t now)
{
    if (!engine->heal_at || now < engine->heal_at || engine->tx)
        return;
    engine->heal_at = 0;
    if (!engine->store.unwritable)
        return;
    if (renew_writable(&engine->store, NULL) == 0)
        engine_enforced(engine);
    engine_report(engine);
}

void engine_between(struct engine *engine)
{
    uint64_t now = engine->host.now_ms(engine->host.arg);

    /* Noted here as well: commits that queue up leave no time in which engine_arm() would. */
    if (!engine->snapshot_at && renew_snapshot_due(&engine->store))
        engine->snapshot_at = now + ENGINE_SNAPSHOT_MS;
    snapshot_tick(engine, now);
    heal_tick(engine, now);
}

void engine_tick(struct engine *engine)
{
    confirm_tick(engine);
    confirm_undone_tick(engine);
    if (engine->tx)
        participant_tick(engine->tx);
    engine_between(engine);
    transaction_next(engine);
}

/* ---- what is told to the host ---- */

static void report(struct engine *engine, const char *key, bool failed, bool is, const char *what,
                   const char *todo)
{
    if (engine->host.problem)
        engine->host.problem(engine->host.arg, key, failed, is ? what : NULL, todo);
}

void engine_report(struct engine *engine)
{
    const struct store *s = &engine->store;
    AUTO_FREE char *cannot =
        buf_format("commits are refused, as the configuration cannot be written: %s",
                   s->renew ? s->renew : "");
    AUTO_FREE char *behind = buf_format("the second copy of the journal cannot be written: %s",
                                        strerror(-s->journal.copy_error));
    bool lost = s->damage.lost || s->held;

    report(engine, "datastore", true, s->damage.text[0], s->damage.text,
           lost ? "look with `orbctl config salvage`; put the files back and restart the service, "
                  "or take what is left with `orbctl config salvage --accept`"
                : "look with `orbctl config salvage`; `--accept`, or the next commit, makes the "
                  "datastore whole again");
    report(engine, "datastore:write", false, s->unwritable && !lost, cannot,
           "make room, or the file system writable (/state is services/config in the daemon's "
           "state directory); it is tried again by itself");
    report(engine, "datastore:copy", false, s->journal.path && s->journal.copy_error, behind,
           "make room, or the file system writable; it is tried again by itself");
}

void engine_enforced(struct engine *engine)
{
    const struct store *s = &engine->store;

    if (engine->host.enforced && !s->held && (s->written || s->void_tx))
        engine->host.enforced(engine->host.arg, s->written, store_id(s, s->written), s->void_tx);
}

/* ---- start ---- */

static void find_unfit(struct engine *engine)
{
    const char *name;
    json_t *value;

    json_object_foreach (engine->store.running, name, value) {
        struct orb_err err = {0};

        if (validate_part(&engine->parts, name, value, &err) == 0)
            continue;
        log_error(engine->host.log, "config.stored.unfit", KV("part", name), KV("path", err.path),
                  KV("why", err.text));
        json_object_set_new(engine->unfit, name, json_string(err.text));
    }
}

int engine_open(const struct engine_host *host, const char *state_dir, const char *schemas,
                size_t schemas_len, struct engine **ret_engine, bool *ret_fresh,
                struct orb_err *err)
{
    struct engine *e = xcalloc(1, sizeof(*e));
    int r;

    e->host = *host;
    e->unfit = json_object();
    r = parts_load(&e->parts, schemas, schemas_len, host->log, err);
    if (r == 0)
        r = load_store(&e->store,
                       &(struct store_setup){state_dir, host->log, host->step, host->arg,
                                             host->progress, host->was_enforced,
                                             host->was_enforced_id, host->was_void_tx,
                                             host->was_good},
                       err);
    if (r == 0) {
        find_unfit(e);
        refs_build(&e->refs, &e->parts, e->store.running);
        r = confirm_at_boot(e, err);
    }
    if (r == 0)
        confirm_safe_at_boot(e);
    if (r == 0)
        r = subscriber_load_all(e, err);
    if (r == 0)
        r = candidate_file_load_all(e, err);
    if (r < 0) {
        engine_free(e);
        return r;
    }
    e->grace_until = host->now_ms(host->arg) + ENGINE_GRACE_MS;
    *ret_fresh = e->store.fresh;
    *ret_engine = e;
    engine_report(e);
    candidate_file_report_all(e);
    engine_enforced(e);
    follow_engine(e);
    follow_unserved(e);
    engine_arm(e);
    return 0;
}

int engine_first(struct engine *engine, const char *text, size_t len, struct orb_err *err)
{
    static const struct json_limits limits = {.depth = JSON_MAX_DEPTH, .keys = JSON_MAX_TREE_KEYS};
    struct revision meta = {.user = (char *)"system", .comment = (char *)"first configuration"};
    AUTO(overlay) struct overlay exact = {0};
    AUTO(json_t) json_t *tree = NULL;
    AUTO(json_t) json_t *patch = NULL;
    int r = tree_parse(text, len, &limits, &tree, err);

    if (r < 0)
        return r;
    tree = tree_integers(tree);
    if (!json_is_object(tree))
        return orb_fail(err, ORB_E_SCHEMA, "expected an object of parts, {\"system\": {…}, …}");
    patch = json_array();
    overlay_diff(patch, "", engine->store.running, tree);
    if (json_array_size(patch) == 0)
        return 0;
    overlay_exact(&exact, patch);
    r = validate_patch(&engine->parts, &engine->refs, &exact, engine->store.running, patch, err);
    return r < 0 ? r : confirm_commit_alone(engine, &meta, patch, err);
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    while (engine->jobs) {
        struct job *job = engine->jobs;

        engine->jobs = job->next;
        transaction_job_free(job);
    }
    transaction_free(engine->tx);
    dumps_free(engine, 0);
    subscriber_free_all(engine);
    candidate_free_all(engine);
    refs_fini(&engine->refs);
    json_decref(engine->unfit);
    json_decref(engine->undone);
    store_close(&engine->store);
    parts_fini(&engine->parts);
    free(engine->lock_user);
    free(engine);
}

/* ---- requests ---- */

/* FOR_ALL: services as far as their grants go. FOR_PEOPLE: what concerns the whole tree, holds
 * others up, or proves that a person can still reach the box. */
enum for_whom { FOR_ALL, FOR_SERVICES, FOR_PEOPLE };

static int check_whom(const struct ask *ask, const char *method, enum for_whom whom,
                      struct orb_err *err)
{
    if (whom == FOR_SERVICES && ask->caller->kind != CALLER_SERVICE)
        return orb_fail(err, ORB_E_DENIED, "config/%s is for services; %s is none", method,
                        ask->who);
    if (whom == FOR_PEOPLE && !grants_is_person(ask->caller))
        return orb_fail(err, ORB_E_DENIED, "config/%s is for people; %s is none", method, ask->who);
    return 0;
}

void engine_request(struct engine *engine, const struct engine_caller *caller, const char *method,
                    const char *text, size_t len, void *req)
{
    static const struct {
        const char *name;
        method_fn *call;
        enum for_whom whom;
    } methods[] = {
        {"attach", subscriber_attach, FOR_SERVICES},
        {"fetch", subscriber_fetch, FOR_SERVICES},
        {"get", methods_read_get, FOR_ALL},
        {"get-part", dumps_get_part, FOR_ALL},
        {"edit", methods_edit_edit, FOR_ALL},
        {"load-part", methods_edit_load_part, FOR_PEOPLE},
        {"diff", methods_read_diff, FOR_ALL},
        {"validate", methods_edit_validate, FOR_ALL},
        {"commit", transaction_commit, FOR_ALL},
        {"confirm", confirm_method, FOR_PEOPLE},
        {"discard", methods_edit_discard, FOR_ALL},
        {"rollback", methods_edit_rollback, FOR_PEOPLE},
        {"history", methods_read_history, FOR_ALL},
        {"lock", methods_edit_lock, FOR_PEOPLE},
        {"unlock", methods_edit_unlock, FOR_PEOPLE},
        {"schema", methods_schema, FOR_ALL},
        {"subscribers", subscriber_list, FOR_ALL},
        {"salvage", methods_salvage, FOR_PEOPLE},
        {"salvage-accept", methods_salvage_accept, FOR_PEOPLE},
    };
    AUTO(json_t) json_t *in = NULL;
    struct ask ask = {.engine = engine, .caller = caller, .req = req};
    struct orb_err err;

    if (tree_parse(text, len, NULL, &in, &err) < 0) {
        engine_refuse(engine, req, &err);
        return;
    }
    ask.in = in;
    grants_identity(caller, ask.who, sizeof(ask.who));
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (strcmp(methods[i].name, method))
            continue;
        if (check_whom(&ask, method, methods[i].whom, &err) < 0) {
            engine_refuse(engine, req, &err);
            return;
        }
        methods[i].call(&ask);
        engine_arm(engine);
        return;
    }
    orb_fail(&err, ORB_E_NOT_FOUND, "config@1 has no method %s", method);
    engine_refuse(engine, req, &err);
}

void engine_peer_gone(struct engine *engine, uint32_t peer)
{
    for (struct subscriber *s = engine->subscribers; s; s = s->next) {
        if (s->peer != peer || s->presence != SUB_ATTACHED)
            continue;
        s->presence = SUB_OFFLINE;
        s->peer = 0;
        buf_fini(&s->text);
    }
    for (struct waiting_attach *w = engine->waiting; w; w = w->next)
        if (w->peer == peer)
            w->peer = 0;
    dumps_free(engine, peer);
}

int engine_health(const struct engine *engine, struct orb_err *err)
{
    const char *name;
    json_t *why;

    json_object_foreach (engine->unfit, name, why)
        if (follow_is_served(engine, name)) /* else it is a problem of its own */
            return orb_fail(err, ORB_E_SCHEMA, "/%s is kept but does not fit: %s", name,
                            json_string_value(why));
    return 0;
}

uint64_t engine_revision(const struct engine *engine)
{
    return engine->store.revision;
}

void engine_running(const struct engine *engine, struct buf *ret_text)
{
    tree_dump(engine->store.running, ret_text);
}
