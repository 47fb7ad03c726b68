/* Principals with work to do are in a queue; in its turn each starts a waiting request, or serves
 * one connection: about one request. So whatever number of connections and requests a client has,
 * another one waits for one unit of its work. Between rounds the loop polls, and what arrived takes
 * part in the next round. */
#include "api/turn.h"

#include "api/connection.h"
#include "api/request.h"
#include "api/session.h"
#include "core/base/now.h"

#define ROUND_US 500 /* after that the loop looks at its descriptors */

enum { FRESH, ANSWERED }; /* queues of connections */

static bool may_begin(const struct principal *p)
{
    return p->working - p->slow < API_USER_AT_ONCE;
}

static bool has_work(const struct principal *p)
{
    return p->ready[FRESH] || p->ready[ANSWERED] || (p->waiting && may_begin(p));
}

static void append(struct api *api, struct principal *p)
{
    p->queued = true;
    p->queue_next = NULL;
    if (api->turns)
        api->turns_last->queue_next = p;
    else
        api->turns = p;
    api->turns_last = p;
    api->turn_count++;
}

/* The principal may have something to do. */
static void wanted(struct principal *p)
{
    struct api *api = p->api;

    if (p->queued || !has_work(p))
        return;
    p->uses++; /* of the queue */
    append(api, p);
    orb_timer_start(api->turn, 0, 0);
}

/* ---- requests that are with the host ---- */

static void begin(struct principal *p, struct request *q, turn_begin_fn *fn)
{
    p->working++;
    q->working = true;
    q->begun_ms = orb_now_ms();
    fn(q);
}

int turn_begin(struct principal *p, struct request *q, turn_begin_fn *fn, struct orb_err *err)
{
    if (p->working + p->waiting_count >= API_USER_WORK)
        return orb_fail(err, ORB_E_BUSY, "%d requests of %.40s are being answered, the limit",
                        API_USER_WORK, q->session ? q->session->user : "this address");
    p->uses++;
    q->principal = p;
    if (may_begin(p) && !p->waiting) {
        begin(p, q, fn);
        return 0;
    }
    q->begin = fn;
    q->next_waiting = NULL;
    if (p->waiting)
        p->waiting_last->next_waiting = q;
    else
        p->waiting = q;
    p->waiting_last = q;
    p->waiting_count++;
    if (!p->api->slow_runs)
        orb_timer_start(p->api->slow, API_SLOW_MS, API_SLOW_MS);
    p->api->slow_runs = true;
    return 0;
}

static void take_out(struct principal *p, struct request *q)
{
    struct request **at = &p->waiting, *before = NULL;

    while (*at != q) {
        before = *at;
        at = &before->next_waiting;
    }
    *at = q->next_waiting;
    if (p->waiting_last == q)
        p->waiting_last = before;
    p->waiting_count--;
}

void turn_end(struct request *q)
{
    struct principal *p = q->principal;

    if (!p)
        return;
    q->principal = NULL;
    p->working -= q->working;
    p->slow -= q->slow;
    if (!q->working)
        take_out(p, q);
    q->working = q->slow = false;
    if (p->waiting)
        wanted(p);
    principal_give_back(p);
}

static bool begin_next(struct principal *p)
{
    struct request *q = p->waiting;

    if (!q || !may_begin(p))
        return false;
    take_out(p, q);
    begin(p, q, q->begin);
    q->go_on(q);
    return true;
}

/* While one waits: those before it that take long make room for it. */
static void on_slow(struct orb_ctx *ctx, void *arg)
{
    struct api *api = arg;
    uint64_t now = orb_now_ms();
    bool any = false;

    for (struct request *q = api->requests; q; q = q->next) {
        if (!q->working || q->slow || now - q->begun_ms < API_SLOW_MS)
            continue;
        q->slow = true;
        q->principal->slow++;
        wanted(q->principal);
    }
    for (const struct principal *p = api->principals; p; p = p->next)
        any = any || p->waiting;
    if (!any)
        orb_timer_stop(api->slow);
    api->slow_runs = any;
}

/* ---- connections ---- */

void turn_add(struct connection *c)
{
    struct principal *p = c->principal;
    unsigned which = c->answered ? ANSWERED : FRESH;

    if (c->queued)
        return;
    c->queued = true;
    c->queue = which;
    c->queue_next = NULL;
    c->queue_prev = p->ready_last[which];
    if (c->queue_prev)
        c->queue_prev->queue_next = c;
    else
        p->ready[which] = c;
    p->ready_last[which] = c;
    wanted(p);
}

void turn_remove(struct connection *c)
{
    struct principal *p = c->principal;

    if (!c->queued)
        return;
    c->queued = false;
    if (c->queue_prev)
        c->queue_prev->queue_next = c->queue_next;
    else
        p->ready[c->queue] = c->queue_next;
    if (c->queue_next)
        c->queue_next->queue_prev = c->queue_prev;
    else
        p->ready_last[c->queue] = c->queue_prev;
}

/* New connections and those with an answer, alternately, so that a connection with few requests
 * does not wait behind those with many. */
static struct connection *next_of(struct principal *p)
{
    unsigned which = p->answered_next ? ANSWERED : FRESH;

    p->answered_next = !p->answered_next;
    return p->ready[which] ? p->ready[which] : p->ready[!which];
}

static void take_turn(struct principal *p)
{
    struct connection *c;

    if (begin_next(p))
        return;
    c = next_of(p);
    if (!c)
        return;
    turn_remove(c);
    c->api->run(c);
}

static void on_turn(struct orb_ctx *ctx, void *arg)
{
    struct api *api = arg;
    uint64_t end = now_us() + ROUND_US;

    for (unsigned n = api->turn_count; n > 0 && now_us() < end; n--) {
        struct principal *p = api->turns;

        api->turns = p->queue_next;
        api->turn_count--;
        take_turn(p);
        p->queued = false;
        wanted(p);
        principal_give_back(p);
    }
    if (api->turns)
        orb_timer_start(api->turn, 0, 0);
}

void turn_start(struct api *api)
{
    api->turn = orb_timer_new(api->ctx, on_turn, api);
    api->slow = orb_timer_new(api->ctx, on_slow, api);
}

void turn_stop(struct api *api)
{
    while (api->turns) {
        struct principal *p = api->turns;

        api->turns = p->queue_next;
        principal_give_back(p);
    }
    orb_timer_free(api->turn);
    orb_timer_free(api->slow);
}
