/* Engine: start from the state directory, dispatch of requests, timers. */
#include <inttypes.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/advance.h"
#include "plugins/config/attach.h"
#include "plugins/config/call.h"
#include "plugins/config/cancel.h"
#include "plugins/config/candidate.h"
#include "plugins/config/candidate_file.h"
#include "plugins/config/commit.h"
#include "plugins/config/confirm.h"
#include "plugins/config/dumps.h"
#include "plugins/config/edit.h"
#include "plugins/config/engine.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/follow.h"
#include "plugins/config/giveup.h"
#include "plugins/config/grants.h"
#include "plugins/config/job.h"
#include "plugins/config/load.h"
#include "plugins/config/lock.h"
#include "plugins/config/methods_diff.h"
#include "plugins/config/methods_edit.h"
#include "plugins/config/methods_history.h"
#include "plugins/config/methods_read.h"
#include "plugins/config/methods_salvage.h"
#include "plugins/config/methods_schema.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/participant.h"
#include "plugins/config/parts.h"
#include "plugins/config/read.h"
#include "plugins/config/refs.h"
#include "plugins/config/reply.h"
#include "plugins/config/report.h"
#include "plugins/config/requests.h"
#include "plugins/config/safe.h"
#include "plugins/config/schedule.h"
#include "plugins/config/seen.h"
#include "plugins/config/store.h"
#include "plugins/config/subscriber.h"
#include "plugins/config/transaction.h"
#include "plugins/config/tx.h"
#include "plugins/config/turn.h"
#include "plugins/config/undone.h"
#include "plugins/config/validate.h"

void engine_tick(struct engine *engine)
{
    struct job *undo;
    struct orb_err err;

    undo = confirm_due(engine);
    if (undo)
        transaction_enqueue(engine, undo, true, &err); /* the first one has room */
    undone_tick(engine);
    attach_tick(engine);
    giveup_tick(engine);
    if (engine->tx)
        turn_tick(engine->tx);
    schedule_between(engine);
    transaction_next(engine);
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

/* Services that wait to attach come before the next transaction. */
static void on_tx_ended(struct engine *engine)
{
    attach_serve_all(engine);
    transaction_next(engine);
}

static void on_pause(void *arg)
{
    requests_pause(arg);
}

int engine_open(const struct engine_host *host, const char *state_dir, const char *schemas,
                size_t schemas_len, struct engine **ret_engine, bool *ret_fresh,
                struct orb_err *err)
{
    struct engine *e = xcalloc(1, sizeof(*e));
    int r;

    e->host = *host;
    e->unfit = json_object();
    e->tx_ended = on_tx_ended;
    e->requests.forget = read_free;
    e->requests.left = dumps_free;
    e->parts.pause = on_pause;
    e->parts.pause_arg = e;
    r = parts_load(&e->parts, schemas, schemas_len, host->log, err);
    if (r == 0)
        r = load_store(&e->store,
                       &(struct store_setup){state_dir, host->log, host->step, host->arg,
                                             host->progress, host->was_enforced,
                                             host->was_enforced_id, host->was_void_tx,
                                             host->was_good},
                       err);
    e->store.parts = &e->parts;
    if (r == 0) {
        find_unfit(e);
        refs_build(&e->refs, &e->parts, e->store.running);
        r = confirm_at_boot(e, err);
    }
    if (r == 0)
        safe_at_boot(e);
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
    report_store(e);
    candidate_file_report_all(e);
    report_enforced(e);
    follow_engine(e);
    follow_unserved(e);
    schedule_arm(e);
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
    overlay_patch_diff(NULL, patch, "", engine->store.running, tree);
    if (json_array_size(patch) == 0)
        return 0;
    overlay_patch_exact(&exact, patch);
    r = validate_patch(&engine->parts, &engine->refs, &exact, engine->store.running, patch, NULL,
                       err);
    return r < 0 ? r : commit_alone(engine, &meta, patch, err);
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    requests_free_all(engine);
    seen_free_all(engine);
    job_free_all(engine);
    tx_free(engine->tx);
    tx_free(engine->aside);
    call_free_all(engine);
    dumps_free(engine, 0);
    subscriber_free_all(engine);
    attach_free_all(engine);
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

/* FOR_ALL: services within their grants. FOR_USERS: for users only: what concerns the whole tree,
 * blocks others, or proves that a user can still reach the appliance. */
enum for_kind { FOR_ALL, FOR_SERVICES, FOR_USERS };

static int check_kind(const struct ask *ask, const char *method, enum for_kind kind,
                      struct orb_err *err)
{
    if (kind == FOR_SERVICES && ask->caller->kind != CALLER_SERVICE)
        return orb_fail(err, ORB_E_DENIED, "config/%s is for services; %s is none", method,
                        ask->who);
    if (kind == FOR_USERS && !grants_is_user(ask->caller))
        return orb_fail(err, ORB_E_DENIED, "config/%s is for users; %s is a service", method,
                        ask->who);
    return 0;
}

static const struct method {
    const char *name;
    method_fn *call;
    enum for_kind kind;
    bool in_slices;
} methods[] = {
    {"attach", attach_method, FOR_SERVICES, true},
    {"fetch", attach_fetch, FOR_SERVICES},
    {"get", methods_read_get, FOR_ALL, true},
    {"get-part", dumps_get_part, FOR_ALL, true},
    {"edit", methods_edit_edit, FOR_ALL, true},
    {"load-part", methods_edit_load_part, FOR_USERS, true},
    {"diff", methods_diff, FOR_ALL, true},
    {"validate", methods_edit_validate, FOR_ALL, true},
    {"commit", methods_edit_commit, FOR_ALL, true},
    {"cancel", cancel_method, FOR_USERS},
    {"confirm", confirm_method, FOR_USERS},
    {"discard", methods_edit_discard, FOR_ALL, true},
    {"rollback", methods_edit_rollback, FOR_USERS, true},
    {"history", methods_history, FOR_ALL, true},
    {"lock", lock_take, FOR_USERS},
    {"unlock", lock_release, FOR_USERS},
    {"schema", methods_schema, FOR_ALL, true},
    {"subscribers", subscriber_list, FOR_ALL},
    {"salvage", methods_salvage, FOR_USERS},
    {"salvage-accept", methods_salvage_accept, FOR_USERS},
};

static const struct method *find_method(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (!strcmp(methods[i].name, name))
            return &methods[i];
    return NULL;
}

static void call_method(struct ask *ask, const struct method *method, const char *name)
{
    struct orb_err err = {0};

    if (!method)
        orb_fail(&err, ORB_E_NOT_FOUND, "config@1 has no method \"%s\"", name);
    else
        check_kind(ask, name, method->kind, &err);
    if (err.code)
        reply_refuse(ask->engine, ask->req, &err);
    else
        method->call(ask);
}

static bool answer(struct engine *engine, const struct request *request, struct read **read)
{
    const struct method *method = find_method(request->method);
    bool in_slices = method && method->in_slices;
    struct schema_shared shared = {
        .units = PARTS_UNITS, .pause = in_slices ? on_pause : NULL, .arg = engine};
    const struct parts_request now = {&shared, in_slices};
    struct parts *parts = &engine->parts;
    struct ask ask = {.engine = engine,
                      .caller = &request->caller,
                      .req = request->req,
                      .gone = &request->gone,
                      .read = read};
    struct json_limits limits;
    json_t *in = NULL;
    struct orb_err err;

    parts->now = now;
    limits = parts_limits(parts);
    limits.keys = JSON_MAX_KEYS;
    if (tree_parse(request->text, request->len, &limits, &in, &err) < 0) {
        reply_refuse(engine, request->req, &err);
    } else {
        ask.in = in;
        grants_identity(&request->caller, ask.who, sizeof(ask.who));
        edit_disown(&ask);
        call_method(&ask, method, request->method);
        parts->now = now; /* a commit has a budget of its own */
        parts_drop(parts, in);
        schedule_arm(engine);
    }
    parts->now = (struct parts_request){0};
    return ask.more;
}

void engine_request(struct engine *engine, const struct engine_caller *caller, const char *method,
                    const char *text, size_t len, void *req)
{
    const struct request request = {.caller = *caller,
                                    .method = (char *)(uintptr_t)method,
                                    .text = (char *)(uintptr_t)text,
                                    .len = len,
                                    .req = req};

    requests_take(engine, &request, answer);
}

void engine_go_on(struct engine *engine)
{
    requests_go_on(engine);
}

void engine_progress(struct engine *engine, const void *done_arg, const char *phase, int percent)
{
    struct participant *p = call_participant(engine, done_arg);

    if (p)
        advance_reported(p, phase, percent);
}

void engine_peer_gone(struct engine *engine, uint32_t peer)
{
    requests_peer_gone(engine, peer);
    subscriber_peer_gone(engine, peer);
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
