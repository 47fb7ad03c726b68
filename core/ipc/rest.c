/* Throttling by processor time. A frame can cost the loop milliseconds – a large value against a
 * contract that is costly to check – and cannot be interrupted. So a peer whose turn was long is
 * not read for a multiple of that time: others wait for few of its turns. With several connections
 * an identity rests longer on each, and the rest of a closed connection is carried over to the next
 * one. Answers to it are written all the while. */
#include "core/ipc/rest.h"

#include <string.h>
#include <time.h>

#include "core/ipc/identity.h"
#include "core/ipc/broker_internal.h"

#define LONG_NS 2000000u /* shorter turns are not throttled */
#define FACTOR 15u       /* so much longer than the turn is the rest: 1 of 16 milliseconds is its */
#define MOST_MS 5000u
#define STALLED_MS 1u

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* To look at that clock is a system call, so a mark does for a millisecond. */
void rest_turn(struct broker *broker)
{
    if (broker->rest.marked_ms != uv_now(broker->loop))
        rest_mark(broker);
}

void rest_mark(struct broker *broker)
{
    broker->rest.marked_ms = uv_now(broker->loop);
    broker->rest.cpu_ns = cpu_ns();
}

static bool is_same(const struct principal *who, enum peer_kind kind, const char *name)
{
    return identity_same(who->kind, who->name, kind, name);
}

static void on_rested(uv_timer_t *timer)
{
    struct ipc_peer *peer = container_of(timer, struct ipc_peer, rest);

    conn_resume(&peer->conn);
}

static void rest(struct ipc_peer *peer, uint64_t ms)
{
    if (peer->conn.dead || ms == 0)
        return;
    uv_timer_start(&peer->rest, on_rested, ms < MOST_MS ? ms : MOST_MS, 0);
    conn_pause(&peer->conn);
}

void rest_stalled(struct ipc_peer *peer)
{
    rest(peer, STALLED_MS);
}

void rest_begin(struct ipc_peer *peer)
{
    uv_timer_init(peer->broker->loop, &peer->rest);
    loop_scope_adopt(&peer->scope, (uv_handle_t *)&peer->rest);
    rest(peer, rest_owed(&peer->self));
}

uint64_t rest_owed(const struct principal *who)
{
    const struct broker *broker = who->owner->broker;
    uint64_t now = uv_now(broker->loop), most = 0;

    for (size_t i = 0; i < ARRAY_LEN(broker->rest.owed); i++) {
        const struct owed_rest *owed = &broker->rest.owed[i];

        if (owed->until_ms > now + most && is_same(who, owed->kind, owed->name))
            most = owed->until_ms - now;
    }
    return most;
}

/* In the place of its own, else of the one that ends first. */
static struct owed_rest *place_of(struct broker *broker, const struct principal *who)
{
    struct owed_rest *at = broker->rest.owed;

    for (size_t i = 0; i < ARRAY_LEN(broker->rest.owed); i++) {
        struct owed_rest *owed = &broker->rest.owed[i];

        if (is_same(who, owed->kind, owed->name))
            return owed;
        if (owed->until_ms < at->until_ms)
            at = owed;
    }
    *at = (struct owed_rest){.kind = who->kind};
    memcpy(at->name, who->name, sizeof(at->name));
    return at;
}

void rest_owe(const struct principal *who, uint64_t ms)
{
    struct broker *broker = who->owner->broker;
    struct owed_rest *at;
    uint64_t until;

    if (ms == 0)
        return;
    at = place_of(broker, who);
    uv_update_time(broker->loop);
    until = uv_now(broker->loop) + (ms < MOST_MS ? ms : MOST_MS);
    if (at->until_ms < until)
        at->until_ms = until;
}

uint64_t rest_ms(uint64_t used_ns)
{
    if (used_ns < LONG_NS)
        return 0;
    return used_ns * FACTOR / 1000000 < MOST_MS ? used_ns * FACTOR / 1000000 : MOST_MS;
}

uint64_t rest_of(struct broker *broker, uint64_t took_ns)
{
    uint64_t before = broker->rest.cpu_ns, used;

    if (took_ns < LONG_NS || broker->closing)
        return 0;
    rest_mark(broker);
    used = broker->rest.cpu_ns - before; /* on a busy machine others take the rest */
    if (used > took_ns)
        used = took_ns;
    return rest_ms(used);
}

static void rest_for(struct ipc_peer *peer, uint64_t ms)
{
    struct broker *broker = peer->broker;
    unsigned others = 0;

    if (!ms)
        return;
    for (struct ipc_peer *p = broker->peers; p; p = p->next)
        others += p != peer && conn_is_paused(&p->conn) &&
                  is_same(&p->self, peer->self.kind, peer->self.name);
    uv_update_time(broker->loop);
    ms *= 1 + others;
    if (peer->conn.dead)
        rest_owe(&peer->self, ms);
    else
        rest(peer, ms);
}

void rest_after(struct ipc_peer *peer, uint64_t took_ns)
{
    rest_for(peer, rest_of(peer->broker, took_ns));
}

void rest_after_thread(struct ipc_peer *peer, uint64_t cpu_ns)
{
    if (!peer->conn.leaving)
        rest_for(peer, rest_ms(cpu_ns));
    if (peer->conn.leaving || !uv_is_active((uv_handle_t *)&peer->rest))
        conn_resume(&peer->conn);
}

void rest_for_answer(struct ipc_peer *peer, uint64_t cpu_ns)
{
    if (!peer_is_host(peer) && !peer->conn.leaving && !uv_is_closing((uv_handle_t *)&peer->rest))
        rest_for(peer, rest_ms(cpu_ns));
}

void rest_end(struct ipc_peer *peer)
{
    if (!uv_is_active((uv_handle_t *)&peer->rest))
        return;
    rest_owe(&peer->self, uv_timer_get_due_in(&peer->rest));
    uv_timer_stop(&peer->rest);
}
