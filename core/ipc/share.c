/* One identity has the time of one connection in a turn, and its connections take it one after the
 * other: in a round each of them is served before one is served again, so that none of them waits
 * for ever either. */
#include "core/ipc/share.h"

#include <string.h>

#include "core/base/xalloc.h"
#include "core/ipc/identity.h"
#include "core/ipc/broker_internal.h"
#include "core/ipc/inflight.h"
#include "core/ipc/peer_internal.h"

#define TURN_NS 300000u /* of one identity in one turn */

struct share {
    struct share *next;
    enum peer_kind kind;
    char name[64];
    unsigned peers;
    uint64_t turn; /* the last one in which it was served */
    uint64_t used_ns;
    uint64_t round;
    unsigned waiters; /* peers with share_waits */
    bool waiting;     /* since before this turn: those that were served let them go first */
};

void share_join(struct ipc_peer *peer)
{
    struct broker *broker = peer->broker;
    struct share *s = broker->shares;

    while (s && !identity_same(s->kind, s->name, peer->self.kind, peer->self.name))
        s = s->next;
    if (!s) {
        s = xcalloc(1, sizeof(*s));
        s->kind = peer->self.kind;
        memcpy(s->name, peer->self.name, sizeof(s->name));
        s->next = broker->shares;
        broker->shares = s;
    }
    s->peers++;
    peer->share = s;
}

static void set_waits(struct ipc_peer *peer, bool waits)
{
    if (!peer->share || peer->share_waits == waits)
        return;
    peer->share_waits = waits;
    if (waits)
        peer->share->waiters++;
    else
        peer->share->waiters--;
}

void share_leave(struct ipc_peer *peer)
{
    struct share **at = &peer->broker->shares, *s = peer->share;

    set_waits(peer, false);
    peer->share = NULL;
    if (!s || --s->peers)
        return;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    free(s);
}

void share_turn(struct broker *broker)
{
    broker->turn++;
}

/* Whether one that was not served in this round will be read. It rests for a millisecond, so turns
 * pass in which it is not looked at. One whose answers are not taken is not read. */
static bool has_waiters(const struct broker *broker, const struct share *s)
{
    if (!s->waiters)
        return false;
    for (const struct ipc_peer *p = broker->peers; p; p = p->next)
        if (p->share == s && p->share_waits && !p->conn.dead && !p->conn.blocked)
            return true;
    return false;
}

static void look_at_turn(const struct broker *broker, struct share *s)
{
    if (s->turn == broker->turn)
        return;
    s->turn = broker->turn;
    s->used_ns = 0;
    s->waiting = has_waiters(broker, s);
    s->round += !s->waiting;
}

uint64_t share_left(struct ipc_peer *peer, uint64_t took_ns)
{
    struct share *s = peer->share;
    bool served;

    if (!s)
        return TURN_NS;
    look_at_turn(peer->broker, s);
    s->used_ns += took_ns;
    served = peer->share_round == s->round;
    if (served && s->waiting)
        return 0;
    if (s->used_ns >= TURN_NS) {
        set_waits(peer, peer->share_waits || !served);
        return 0;
    }
    set_waits(peer, false);
    peer->share_round = s->round;
    return TURN_NS - s->used_ns;
}

static size_t queued_of(const struct ipc_peer *peer)
{
    size_t n = 0;

    for (const struct ipc_peer *p = peer->broker->peers; p; p = p->next)
        if (p->share == peer->share && !p->conn.dead)
            n += conn_queued(&p->conn);
    return n;
}

bool share_has_room(struct ipc_peer *peer, size_t len, enum share_step step)
{
    if (!peer->share || conn_queued(&peer->conn) + len <= peer_queue(peer, QUEUE_OWN))
        return true;
    conn_flush(&peer->conn); /* within one turn nothing was offered to its socket yet */
    return conn_queued(&peer->conn) + len <= peer_queue(peer, QUEUE_OWN) ||
           queued_of(peer) + len <= step;
}

unsigned share_requests(const struct ipc_peer *peer, const struct ipc_peer *provider)
{
    unsigned n = 0;

    if (!peer->share || peer->share->peers == 1)
        return 0;
    for (const struct ipc_peer *p = peer->broker->peers; p; p = p->next) {
        if (p->share != peer->share)
            continue;
        for (const struct inflight *record = p->self.inflight; record; record = record->next)
            n += record->provider == provider ? record->requests : 0;
    }
    return n;
}
