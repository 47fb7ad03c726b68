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

bool requests_time_up(const struct engine *engine)
{
    return engine->host.soon && now_of(engine) >= engine->requests.until_us;
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

/* What one took counts as long as others wait, and it took more than who comes anew. */
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
    *a->end = r;
    a->end = &r->next;
    a->count++;
    a->bytes += r->len;
    q->bytes += r->len;
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

/* Answers, or does a slice of it; what it took is its asker's. */
static bool answer_one(struct engine *engine, const struct request *request, struct read **read,
                       requests_fn *answer, uint64_t *ret_us)
{
    struct requests *q = &engine->requests;
    uint64_t begin = now_of(engine);
    bool more;

    q->until_us = begin + REQUESTS_SLICE_US;
    more = answer(engine, request, read);
    *ret_us = now_of(engine) - begin;
    q->spent_us += *ret_us;
    if (!more && *read) {
        q->forget(*read);
        *read = NULL;
    }
    return more;
}

void requests_take(struct engine *engine, const struct request *request, requests_fn *answer)
{
    struct requests *q = &engine->requests;
    struct read *read = NULL;
    struct asker *a;
    char who[80];
    struct orb_err err;
    uint64_t took;

    if (!q->resting) {
        bool more = answer_one(engine, request, &read, answer, &took);

        if (more || q->spent_us >= REQUESTS_SLICE_US / 2)
            rest(engine);
        if (!more && took < REQUESTS_SLICE_US / 2)
            return;
        grants_identity(&request->caller, who, sizeof(who));
        a = asker_of(q, who);
        a->cost_us += took;
        if (more) {
            append(q, a, request_copy(request));
            a->first->read = read;
        }
        return;
    }
    grants_identity(&request->caller, who, sizeof(who));
    a = asker_of(q, who);
    if (check_room(q, a, request->len, &err) < 0) {
        reply_refuse(engine, request->req, &err);
        return;
    }
    append(q, a, request_copy(request));
}

static void answer_first(struct engine *engine, struct asker *a, requests_fn *answer)
{
    struct requests *q = &engine->requests;
    struct request *r = take_first(q, a);
    bool more = false;
    uint64_t took = 0;
    struct orb_err err;

    q->floor_us = a->cost_us;
    if (engine->host.given_up && engine->host.given_up(engine->host.arg, r->req)) {
        orb_fail(&err, ORB_E_DEADLINE, "the caller does not wait for the answer any more");
        reply_refuse(engine, r->req, &err);
    } else {
        more = answer_one(engine, r, &r->read, answer, &took);
    }
    a->cost_us += took;
    if (more)
        put_back(q, a, r);
    else
        request_free(q, r);
}

void requests_go_on(struct engine *engine, requests_fn *answer)
{
    struct requests *q = &engine->requests;
    struct asker *a;

    q->resting = false;
    q->spent_us = 0;
    while (q->spent_us < REQUESTS_SLICE_US && (a = cheapest(q)))
        answer_first(engine, a, answer);
    forget_idle(q);
    if (cheapest(q))
        rest(engine);
}

void requests_peer_gone(struct engine *engine, uint32_t peer)
{
    struct requests *q = &engine->requests;
    struct orb_err err;

    orb_fail(&err, ORB_E_GONE, "the caller went away");
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
            if (r->caller.peer != peer) {
                append(q, a, r);
                continue;
            }
            reply_refuse(engine, r->req, &err);
            request_free(q, r);
        }
    }
}

void requests_free_all(struct engine *engine)
{
    struct requests *q = &engine->requests;

    while (q->askers) {
        struct asker *a = q->askers;

        q->askers = a->next;
        while (a->first)
            request_free(q, take_first(q, a));
        free(a);
    }
    *q = (struct requests){.forget = q->forget};
}
