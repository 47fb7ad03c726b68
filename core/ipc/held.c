/* A service that acts for users has one connection for many users: the cost of a request of a
 * session is charged to its user only. Requests of a session that is being throttled are not
 * refused: they wait here, in order and within limits, while those of other sessions proceed. */
#include "core/ipc/held.h"

#include <string.h>

#include "core/ipc/broker_internal.h"
#include "core/ipc/refusal.h"

#define HELD_MOST 64            /* requests of a session that wait for its rest to end */
#define HELD_BYTES (512u << 10) /* and their bytes */

struct held {
    struct held *next;
    uint64_t since_ms;
    struct frame h;
    unsigned char data[]; /* the frame as received */
};

static uint64_t now_of(const struct principal *who)
{
    return uv_now(who->owner->broker->loop);
}

/* When the first of them may proceed, 0: none waits. */
static uint64_t next_end(const struct ipc_peer *peer)
{
    uint64_t first = 0;

    for (const struct principal *s = peer->sessions; s; s = s->next_session)
        if (s->held && !s->checking && (!first || s->rest_until_ms < first))
            first = s->rest_until_ms ? s->rest_until_ms : 1;
    return first;
}

static void on_rested(uv_timer_t *timer);

static void wait_on(struct ipc_peer *peer)
{
    uint64_t end = next_end(peer), now = uv_now(peer->broker->loop);

    if (end && !peer->conn.dead && !uv_is_closing((uv_handle_t *)&peer->held))
        uv_timer_start(&peer->held, on_rested, end > now ? end - now : 0, 0);
}

static void drop_first(struct principal *who)
{
    struct held *first = who->held;

    who->held = first->next;
    who->held_count--;
    who->held_bytes -= FRAME_HEADER + first->h.len;
    free(first);
}

void held_free(struct principal *who)
{
    while (who->held)
        drop_first(who);
}

void held_fail(struct principal *who, const struct orb_err *err)
{
    for (; who->held; drop_first(who)) {
        refusal_answer(who->owner, who->held->h.corr, err);
    }
}

/* Dispatches the first waiting request of who as if just received, except for the time its caller
 * has left. */
static void go_on(struct principal *who)
{
    struct ipc_peer *peer = who->owner;
    struct held *first = who->held;
    uint64_t waited = now_of(who) - first->since_ms;
    struct inframe in = {.h = first->h, .data = first->data};
    struct orb_err err;

    who->held = first->next;
    who->held_count--;
    who->held_bytes -= FRAME_HEADER + first->h.len;
    inframe_locate(&in);
    if (in.h.deadline_ms && in.h.deadline_ms <= waited) {
        orb_fail(&err, ORB_E_DEADLINE, "the request of %s waited until its deadline", who->name);
        refusal_answer(peer, in.h.corr, &err);
    } else {
        in.h.deadline_ms -= in.h.deadline_ms ? (uint32_t)waited : 0;
        peer->on_held(peer, who, &in);
    }
    conn_group_flush(&peer->broker->conns); /* nothing may borrow the frame from here on */
    free(first);
}

/* One request of each, then the others' turn: their peer is served like any other. */
static void on_rested(uv_timer_t *timer)
{
    struct ipc_peer *peer = container_of(timer, struct ipc_peer, held);
    uint64_t now = uv_now(peer->broker->loop);

    rest_mark(peer->broker);
    for (struct principal *s = peer->sessions, *next; s && !peer->conn.dead; s = next) {
        next = s->next_session;
        if (s->held && !s->checking && s->rest_until_ms <= now)
            go_on(s);
    }
    wait_on(peer);
}

void held_begin(struct ipc_peer *peer, peer_held_fn *on_held)
{
    peer->on_held = on_held;
    uv_timer_init(peer->broker->loop, &peer->held);
    loop_scope_adopt(&peer->scope, (uv_handle_t *)&peer->held);
}

bool held_takes(struct ipc_peer *peer, struct principal *who, const struct inframe *in)
{
    size_t len = FRAME_HEADER + in->h.len;
    struct held *held, **end = &who->held;
    struct orb_err err;

    if (!who->held && !who->checking && who->rest_until_ms <= now_of(who))
        return false;
    if (who->held_count == HELD_MOST || who->held_bytes + len > HELD_BYTES) {
        orb_fail(&err, ORB_E_BUSY,
                 "requests of %s take long and %u of them wait already; try again later", who->name,
                 who->held_count);
        refusal_answer(peer, in->h.corr, &err);
        return true;
    }
    held = malloc(sizeof(*held) + len);
    if (!held)
        return false;
    held->next = NULL;
    held->since_ms = now_of(who);
    held->h = in->h;
    memcpy(held->data, in->data, len);
    while (*end)
        end = &(*end)->next;
    *end = held;
    who->held_count++;
    who->held_bytes += (uint32_t)len;
    wait_on(peer);
    return true;
}

void held_go_on(struct ipc_peer *peer)
{
    wait_on(peer);
}

static void charge(struct principal *who, uint64_t ms)
{
    struct ipc_peer *peer = who->owner;
    uint64_t until, now;

    if (!ms)
        return;
    uv_update_time(peer->broker->loop);
    now = now_of(who);
    until = now + ms;
    for (struct principal *s = peer->sessions; s; s = s->next_session)
        if (principal_is_same(s, who) && s->rest_until_ms < until)
            s->rest_until_ms = until;
    rest_owe(who, ms);
}

void held_charge(struct principal *who, uint64_t took_ns)
{
    struct ipc_peer *peer = who->owner;
    uint64_t ms = rest_of(peer->broker, took_ns);

    if (peer->conn.serving)
        peer->charged_ns += ms ? took_ns : 0;
    charge(who, ms);
}

void held_charge_thread(struct principal *who, uint64_t cpu_ns)
{
    charge(who, rest_ms(cpu_ns));
}

void held_inherit(struct principal *who)
{
    uint64_t ms = rest_owed(who);

    for (const struct principal *s = who->owner->sessions; s; s = s->next_session)
        if (s != who && principal_is_same(s, who) && s->rest_until_ms > now_of(who) + ms)
            ms = s->rest_until_ms - now_of(who);
    if (ms)
        who->rest_until_ms = now_of(who) + ms;
}
