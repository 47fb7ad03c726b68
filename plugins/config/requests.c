/* Requests that wait, in turns of their identities: see requests.h. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/reply.h"
#include "plugins/config/requests.h"

/* An identity whose requests wait, or did in this busy time. */
struct asker {
    struct asker *next;
    char who[80];
    struct request *first, **end;
    unsigned count;
    size_t bytes;
    uint64_t cost_us;
};

static uint64_t now_of(const struct engine *engine)
{
    return engine->host.now_us(engine->host.arg);
}

/* What is charged: a request takes no time while other processes have the processor. */
static uint64_t used_of(const struct engine *engine)
{
    return engine->host.used_us ? engine->host.used_us(engine->host.arg) : now_of(engine);
}

bool requests_time_up(const struct engine *engine)
{
    return engine->host.soon && now_of(engine) >= engine->requests.until_us;
}

void requests_pause(struct engine *engine)
{
    struct requests *q = &engine->requests;

    if (q->running && !q->settling && requests_time_up(engine))
        fiber_pause(q->running->fiber);
}

/* The loop turns before anything else is answered. */
static void rest(struct engine *engine)
{
    if (engine->requests.resting || !engine->host.soon)
        return;
    engine->requests.resting = true;
    engine->host.soon(engine->host.arg);
}

static void request_free(const struct requests *q, struct request *r)
{
    for (const char *const *grant = r->caller.grants; grant && *grant; grant++)
        free((char *)(uintptr_t)*grant);
    free((void *)(uintptr_t)r->caller.grants);
    free((char *)(uintptr_t)r->caller.name);
    free(r->method);
    free(r->text);
    if (r->read)
        q->forget(r->read);
    free(r);
}

static struct request *request_copy(const struct request *from)
{
    struct request *r = xcalloc(1, sizeof(*r));
    const char **grants = NULL;
    size_t n = 0;

    while (from->caller.grants && from->caller.grants[n])
        n++;
    if (from->caller.grants)
        grants = xcalloc(n + 1, sizeof(*grants));
    for (size_t i = 0; i < n; i++)
        grants[i] = xstrdup(from->caller.grants[i]);
    *r = *from;
    r->next = NULL;
    r->caller.name = xstrdup(from->caller.name);
    r->caller.grants = grants;
    r->method = xstrdup(from->method);
    r->text = xstrndup(from->text, from->len);
    return r;
}

/* ---- identities ---- */

static struct asker *cheapest(const struct requests *q)
{
    struct asker *best = NULL;

    for (struct asker *a = q->askers; a; a = a->next)
        if (a->count && (!best || a->cost_us < best->cost_us))
            best = a;
    return best;
}

/* An identity's time counts while others wait and it is above that of a new one. */
static void forget_idle(struct requests *q)
{
    bool busy = cheapest(q);
    struct asker **at = &q->askers;

    while (*at) {
        struct asker *a = *at;

        if (a->count || (busy && a->cost_us > q->floor_us)) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        free(a);
    }
}

static struct asker *asker_of(struct requests *q, const char *who)
{
    struct asker *a = q->askers;

    while (a && strcmp(a->who, who))
        a = a->next;
    if (a)
        return a;
    a = xcalloc(1, sizeof(*a));
    snprintf(a->who, sizeof(a->who), "%s", who);
    a->end = &a->first;
    a->cost_us = q->floor_us;
    a->next = q->askers; /* first among those that took as much */
    q->askers = a;
    return a;
}

static int check_room(const struct requests *q, const struct asker *a, size_t len,
                      struct orb_err *err)
{
    size_t most = q->bytes + len > REQUESTS_BYTES ? REQUESTS_BYTES_AT_LEAST : REQUESTS_BYTES_OF_ONE;

    if (a->count >= REQUESTS_OF_ONE)
        return orb_fail(err, ORB_E_BUSY,
                        "%u requests of %s wait to be answered; at most %u of one: ask again when "
                        "some were",
                        a->count, a->who, REQUESTS_OF_ONE);
    if (a->count && a->bytes + len > most)
        return orb_fail(err, ORB_E_BUSY,
                        "%zu bytes of requests of %s wait to be answered; at most %zu of one: ask "
                        "again when some were",
                        a->bytes, a->who, most);
    return 0;
}

/* Takes r. */
static void append(struct requests *q, struct asker *a, struct request *r)
{
    if (!a->count && a->cost_us < q->floor_us)
        a->cost_us = q->floor_us;
    r->owner = a;
    *a->end = r;
    a->end = &r->next;
    a->count++;
    a->bytes += r->len;
    q->bytes += r->len;
}

/* Takes r, as the next of a that is begun. */
static void put_next(const struct requests *q, struct asker *a, struct request *r)
{
    struct request **at = a->first && a->first->fiber ? &a->first->next : &a->first;

    if (!a->count && a->cost_us < q->floor_us)
        a->cost_us = q->floor_us;
    r->owner = a;
    r->next = *at;
    *at = r;
    if (!r->next)
        a->end = &r->next;
    a->count++;
}

static struct request *take_first(struct requests *q, struct asker *a)
{
    struct request *r = a->first;

    a->first = r->next;
    if (!a->first)
        a->end = &a->first;
    r->next = NULL;
    a->count--;
    a->bytes -= r->len;
    q->bytes -= r->len;
    return r;
}

static void put_back(struct requests *q, struct asker *a, struct request *r)
{
    r->next = a->first;
    if (!a->first)
        a->end = &r->next;
    a->first = r;
    a->count++;
    a->bytes += r->len;
    q->bytes += r->len;
}

/* ---- answering ---- */

static void in_fiber(void *arg)
{
    struct request *r = arg;

    if (r->work)
        r->work(r->engine, r->arg);
    else
        r->more = r->answer(r->engine, r, &r->read);
}

/* Begins or continues r. true: it has more to do. Those that call this through requests_settle()
 * keep their own slice. */
static bool run(struct engine *engine, struct request *r)
{
    struct requests *q = &engine->requests;
    struct request *before = q->running;
    struct parts_request parts = engine->parts.now;

    if (!r->fiber && engine->host.soon)
        r->fiber = fiber_new(&q->fibers, in_fiber, r);
    engine->parts.now = r->parts;
    if (!r->fiber) {
        in_fiber(r);
    } else {
        q->running = r;
        if (fiber_run(r->fiber)) {
            r->parts = engine->parts.now;
            q->running = before;
            engine->parts.now = parts;
            return true;
        }
        q->running = before;
        fiber_free(&q->fibers, r->fiber);
        r->fiber = NULL;
    }
    r->parts = (struct parts_request){0};
    engine->parts.now = parts;
    if (!r->more && r->read) {
        q->forget(r->read);
        r->read = NULL;
    }
    return r->more;
}

static void refuse_gone(struct engine *engine, const struct request *r)
{
    struct orb_err err;

    orb_fail(&err, ORB_E_GONE, "the caller went away");
    reply_refuse(engine, r->req, &err);
}

/* Answers it, or does a slice of it; what it took is its asker's. */
static void answer_one(struct engine *engine, struct asker *a, struct request *r)
{
    struct requests *q = &engine->requests;
    uint64_t begin = now_of(engine), used = used_of(engine);
    bool more = run(engine, r);

    q->spent_us += now_of(engine) - begin;
    a->cost_us += used_of(engine) - used;
    if (more && (!r->gone || r->fiber)) {
        put_back(q, a, r);
        return;
    }
    if (more)
        refuse_gone(engine, r);
    if (r->gone && q->left)
        q->left(engine, r->caller.peer);
    request_free(q, r);
}

static void answer_first(struct engine *engine, struct asker *a)
{
    struct requests *q = &engine->requests;
    struct request *r = take_first(q, a);
    struct orb_err err;

    q->floor_us = a->cost_us;
    if (!r->fiber && !r->work && engine->host.given_up &&
        engine->host.given_up(engine->host.arg, r->req)) {
        orb_fail(&err, ORB_E_DEADLINE, "the caller does not wait for the answer any more");
        reply_refuse(engine, r->req, &err);
        request_free(q, r);
        return;
    }
    answer_one(engine, a, r);
}

void requests_take(struct engine *engine, const struct request *request, requests_fn *answer)
{
    struct requests *q = &engine->requests;
    struct request *r;
    struct asker *a;
    char who[80];
    struct orb_err err;

    grants_identity(&request->caller, who, sizeof(who));
    a = asker_of(q, grants_payer(who));
    if (q->resting && check_room(q, a, request->len, &err) < 0) {
        reply_refuse(engine, request->req, &err);
        return;
    }
    r = request_copy(request);
    r->engine = engine;
    r->answer = answer;
    append(q, a, r);
    if (q->resting)
        return;
    q->until_us = now_of(engine) + REQUESTS_SLICE_US - q->spent_us; /* less than half of it */
    answer_first(engine, a);
    if (cheapest(q) || q->spent_us >= REQUESTS_SLICE_US / 2)
        rest(engine);
    if (!q->resting)
        forget_idle(q);
}

void requests_do(struct engine *engine, const char *who, requests_work *work, void *arg)
{
    struct requests *q = &engine->requests;
    struct parts_request parts = engine->parts.now;
    struct request *r;

    who = grants_payer(who);
    if (!engine->host.soon || (q->running && !strcmp(q->running->owner->who, who))) {
        engine->parts.now = (struct parts_request){.in_slices = true};
        work(engine, arg);
        engine->parts.now = parts;
        return;
    }
    r = xcalloc(1, sizeof(*r));
    *r = (struct request){.engine = engine, .work = work, .arg = arg, .parts = {.in_slices = true}};
    put_next(q, asker_of(q, who), r);
    rest(engine);
}

void requests_go_on(struct engine *engine)
{
    struct requests *q = &engine->requests;
    struct asker *a;

    q->resting = false;
    q->spent_us = 0;
    q->until_us = now_of(engine) + REQUESTS_SLICE_US;
    while (q->spent_us < REQUESTS_SLICE_US && (a = cheapest(q)))
        answer_first(engine, a);
    forget_idle(q);
    if (cheapest(q))
        rest(engine);
}

static struct asker *with_stopped(const struct requests *q)
{
    for (struct asker *a = q->askers; a; a = a->next)
        if (a->first && a->first->fiber)
            return a;
    return NULL;
}

void requests_settle(struct engine *engine)
{
    struct requests *q = &engine->requests;
    struct asker *a;

    q->settling++;
    while ((a = with_stopped(q)))
        answer_one(engine, a, take_first(q, a));
    q->settling--;
}

void requests_peer_gone(struct engine *engine, uint32_t peer)
{
    struct requests *q = &engine->requests;

    for (struct asker *a = q->askers; a; a = a->next) {
        struct request *all = a->first;

        a->first = NULL;
        a->end = &a->first;
        q->bytes -= a->bytes;
        a->count = 0;
        a->bytes = 0;
        while (all) {
            struct request *r = all;

            all = r->next;
            r->next = NULL;
            r->gone |= r->caller.peer == peer;
            if (!r->gone || r->fiber) {
                append(q, a, r);
                continue;
            }
            refuse_gone(engine, r);
            request_free(q, r);
        }
    }
}

void requests_free_all(struct engine *engine)
{
    struct requests *q = &engine->requests;

    requests_settle(engine);
    while (q->askers) {
        struct asker *a = q->askers;

        q->askers = a->next;
        while (a->first)
            request_free(q, take_first(q, a));
        free(a);
    }
    fiber_free_idle(&q->fibers);
    *q = (struct requests){.forget = q->forget, .left = q->left};
}
