/* Principals: a connection itself, or a session it acts for, on whose behalf requests are made. */
#ifndef CORE_IPC_PRINCIPAL_H
#define CORE_IPC_PRINCIPAL_H

#include "core/ipc/contract_internal.h"
#include "core/ipc/peer.h"

#define PRINCIPAL_BUCKETS 256u

struct held;
struct inflight;

struct principal {
    uint32_t id;
    enum peer_kind kind;
    char name[64];
    char role[16];
    enum contract_rank rank; /* what a user's role covers; 0 for services */
    uint64_t opened_us;      /* monotonic: when it was made known here */
    int64_t made_us;         /* of a token: when it was made, since the epoch; 0: it is none */
    bool closed;            /* a session that ended; kept so that late use gets unauthenticated, not
                             * a protocol error */
    uint64_t rest_until_ms; /* of the loop: its requests wait (held.h) */
    struct held *held;      /* those that wait, the first being next */
    uint32_t held_count, held_bytes;
    bool checking; /* a session, one of whose requests is with the thread (offload.h) */
    struct ipc_peer *owner;
    struct inflight *inflight;
    struct principal *next_in_bucket;
    struct principal *next_session;
};

/* The principals of a broker by their id. Ids count up and are not reused, so a provider may key
 * state by them until GONE. */
struct principal_table {
    struct principal *buckets[PRINCIPAL_BUCKETS];
    uint32_t last_id;
};

/* Assigns an id to who, which stays its owner's, and adds it. */
void principal_add(struct principal_table *table, struct principal *who);
/* Removes who, if present. */
void principal_remove(struct principal_table *table, struct principal *who);
/* NULL: there is none of that id. */
struct principal *principal_find(const struct principal_table *table, uint32_t id);
/* The principal for src of a frame from peer. NULL with err: ORB_E_PROTOCOL src was forged,
 * ORB_E_UNAUTHENTICATED the session has ended. */
struct principal *principal_of(struct ipc_peer *peer, uint32_t src, struct orb_err *err);
/* Does each pay for what the other takes (account.h)? */
bool principal_is_same(const struct principal *a, const struct principal *b);

#endif
