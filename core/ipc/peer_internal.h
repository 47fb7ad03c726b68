/* A peer as the files of the broker see it. One that ends is only marked conn.dead and stays in
 * every table until the end of the turn (peers.h), so lists can be walked while writing and calling
 * out; sending to a dead peer does nothing. */
#ifndef CORE_IPC_PEER_INTERNAL_H
#define CORE_IPC_PEER_INTERNAL_H

#include "core/ipc/conn.h"
#include "core/ipc/peer.h"
#include "core/ipc/principal.h"

/* Of the bytes that may wait for a peer, in sixteenths: the steps are so far apart that what one
 * kind of frame may take leaves the others their part. */
enum peer_queue_step {
    QUEUE_OWN = 1,       /* whatever waits for others of its identity */
    QUEUE_CAUSE = 6,     /* requests of one identity */
    QUEUE_EVENTS = 12,   /* beyond it events for it are dropped */
    QUEUE_REQUESTS = 13, /* beyond it requests to it are refused */
    QUEUE_CONFIG = 14,   /* beyond it the peer is left out of transactions */
    QUEUE_REPLIES = 15,  /* beyond it answers to it become errors */
};

struct charge;
struct pending;
struct method_handle;
struct share;

typedef void peer_held_fn(struct ipc_peer *peer, struct principal *who, struct inframe *in);

struct ipc_peer {
    struct principal self;
    struct conn conn;
    struct broker *broker;
    struct loop_scope scope;
    bool client;
    bool accepted; /* by the control socket */
    bool greeted;  /* HELLO was received */
    bool open;     /* peer_open() */
    bool ready_seen;
    bool ping_open;
    bool silent; /* closed by its owner: no closed event */
    bool delegate;
    bool shipped; /* as of peer_spec */
    struct ipc_peer *prev, *next;
    struct ipc_peer *ended_next;
    char **capabilities; /* NULL ends */
    const struct contract *contract;
    struct contract *service_contract; /* of service.NAME, owned */
    const struct peer_events *events;
    void *arg;
    /* sessions it acts for (session.h) */
    struct principal *sessions;
    unsigned session_count, session_closed;
    /* rests and held requests (rest.h, held.h) */
    uv_timer_t rest;
    uv_timer_t held;
    peer_held_fn *on_held;
    uint64_t charged_ns; /* of this turn, to its sessions */
    struct share *share; /* NULL: a service, which has one connection */
    uint64_t share_round;
    bool share_waits; /* was not served in this round when its turn came */
    /* method handles, subscriptions, requests */
    struct method_handle *handles;
    unsigned handle_count;
    unsigned sub_count, early_count;
    unsigned pending_max;   /* requests it may have in flight */
    struct pending *calls;  /* made by it */
    struct pending *serves; /* waiting for its answer */
    unsigned call_count;
    size_t owed;            /* reserve for CANCEL and GONE that open requests may need */
    struct charge *charges; /* whose requests wait in its queue */
    uint32_t progress_ms;   /* limit of a call with PROGRESS, 0: none */
    uint64_t progress_at;   /* of the loop, its last PROGRESS, 0: none */
    unsigned checks; /* of its answers that are with the thread, while it is read (offload.h) */
    uint64_t frames_in, frames_out, refused, events_dropped;
    uint64_t complained_ms; /* its last record of refusal_log() */
};

/* A peer with conn, not yet part of the broker's tables and not reading. events as of conn_init().
 */
struct ipc_peer *peer_new(struct broker *broker, int fd, const struct peer_spec *spec,
                          const struct conn_events *events);
/* Frees the peer; its handles, charges and sessions were freed before. NULL: nothing. */
void peer_free(struct ipc_peer *peer);

/* The host itself, which has no connection. */
static inline bool peer_is_host(const struct ipc_peer *peer)
{
    return peer->conn.fd < 0;
}
/* Bytes that may wait for the peer up to this step. */
static inline size_t peer_queue(const struct ipc_peer *peer, enum peer_queue_step step)
{
    return peer->conn.queue_max / 16 * step;
}

/* Sends a frame: header from frame (len and envlen are computed), env (a C string) and payload (len
 * bytes) copied, each NULL: none. Within FRAME_MAX_ENVELOPE and FRAME_MAX, else the process ends.
 */
void peer_send(struct ipc_peer *peer, const struct frame *frame, const char *env,
               const char *payload, size_t len);
/* Sends a whole frame that is valid until the turn ends, without copying. */
void peer_pass(struct ipc_peer *peer, const unsigned char *data, size_t len);

#endif
