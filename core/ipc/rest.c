/* Who takes long turns pays for them in time. A frame can cost the loop milliseconds – a large
 * value against a contract that is costly to check – and nothing is looked at in the middle of it.
 * So a peer whose turn was long is not read for many times as long: others wait for few of its
 * turns, however it goes on. Several connections of one identity rest the longer, each of them, and
 * one that hangs up leaves its rest to the next. Answers to it are written all the while. */
#include <string.h>
#include <time.h>

#include "core/ipc/room.h"

#define LONG_NS 2000000u /* a turn that is none of others' concern ends before */
#define FACTOR 15u       /* so much longer than the turn is the rest: 1 of 16 milliseconds is its */
#define MOST_MS 5000u

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void rest_mark(struct broker *broker)
{
    broker->cpu_ns = cpu_ns();
}

static bool is_same(const struct ipc_peer *peer, enum peer_kind kind, const char *name)
{
    return peer->self.kind == kind && strcmp(peer->self.name, name) == 0;
}

static void on_rested(uv_timer_t *timer)
{
    struct ipc_peer *peer = container_of(timer, struct ipc_peer, rest);

    peer->resting = false;
    if (peer->dead)
        return;
    peer_poll_start(peer);
    if (peer->more)
        peer_on_poll(&peer->poll, 0, 0);
}

static void rest(struct ipc_peer *peer, uint64_t ms)
{
    if (peer->dead || ms == 0)
        return;
    peer->resting = true;
    uv_timer_start(&peer->rest, on_rested, ms < MOST_MS ? ms : MOST_MS, 0);
    peer_poll_start(peer);
}

/* Frames are left over, and the peer does not read what waits for it: its socket has no room to
 * write that would come at once (peer_poll_start). */
void rest_before_more(struct ipc_peer *peer)
{
    if (!peer->dead && !peer->resting && peer->more && peer->want_write)
        rest(peer, 1);
}

void rest_begin(struct ipc_peer *peer)
{
    struct broker *broker = peer->broker;
    uint64_t now;

    uv_timer_init(broker->loop, &peer->rest);
    loop_scope_adopt(&peer->scope, (uv_handle_t *)&peer->rest);
    now = uv_now(broker->loop);
    for (size_t i = 0; i < ARRAY_LEN(broker->owed_rest); i++)
        if (broker->owed_rest[i].until_ms > now &&
            is_same(peer, broker->owed_rest[i].kind, broker->owed_rest[i].name))
            rest(peer, broker->owed_rest[i].until_ms - now);
}

/* What a connection that ends would have rested yet. */
static void owe(const struct ipc_peer *peer, uint64_t ms)
{
    struct broker *broker = peer->broker;
    struct owed_rest *at = broker->owed_rest;

    if (ms == 0)
        return;
    for (size_t i = 1; i < ARRAY_LEN(broker->owed_rest); i++)
        if (broker->owed_rest[i].until_ms < at->until_ms)
            at = &broker->owed_rest[i];
    uv_update_time(broker->loop);
    at->until_ms = uv_now(broker->loop) + (ms < MOST_MS ? ms : MOST_MS);
    at->kind = peer->self.kind;
    memcpy(at->name, peer->self.name, sizeof(at->name));
}

void rest_after(struct ipc_peer *peer, uint64_t took_ns)
{
    struct broker *broker = peer->broker;
    uint64_t before = broker->cpu_ns, used;
    unsigned others = 0;

    if (took_ns < LONG_NS || broker->closing)
        return;
    rest_mark(broker);
    used = broker->cpu_ns - before; /* a busy machine is nobody's fault */
    if (used < LONG_NS)
        return;
    for (struct ipc_peer *p = broker->peers; p; p = p->next)
        others += p != peer && p->resting && is_same(p, peer->self.kind, peer->self.name);
    uv_update_time(broker->loop);
    used = used * FACTOR * (1 + others) / 1000000;
    if (peer->dead)
        owe(peer, used);
    else
        rest(peer, used);
}

void rest_end(struct ipc_peer *peer)
{
    if (!peer->resting)
        return;
    peer->resting = false;
    owe(peer, uv_timer_get_due_in(&peer->rest));
    uv_timer_stop(&peer->rest);
}
