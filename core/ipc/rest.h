/* Rests: a peer whose turn was long is not read for many times as long. */
#ifndef CORE_IPC_REST_H
#define CORE_IPC_REST_H

#include "core/ipc/principal.h"

/* Remaining rest of a closed connection, for the next one of the same identity. */
struct owed_rest {
    uint64_t until_ms; /* of the loop */
    enum peer_kind kind;
    char name[64];
};

struct rest_state {
    uint64_t cpu_ns;    /* processor time of the thread at the begin of the turn, or up to a */
    uint64_t marked_ms; /* millisecond before; when that was, of the loop */
    struct owed_rest owed[16];
};

/* A turn of the loop begins. */
void rest_turn(struct broker *broker);
/* What has been used so far is not charged. */
void rest_mark(struct broker *broker);

/* Sets up the peer's timer; a rest carried over by its identity starts at once. */
void rest_begin(struct ipc_peer *peer);
/* The peer disconnects: its remaining rest is carried over to its identity. */
void rest_end(struct ipc_peer *peer);
/* Frames of the peer are left over, but it does not read what waits for it: a short rest. */
void rest_stalled(struct ipc_peer *peer);
/* The peer was served for took_ns just now (wall time; only processor time counts). */
void rest_after(struct ipc_peer *peer, uint64_t took_ns);
/* A check of the peer's frame used so much processor time on the thread; it is read again when no
 * rest is left. */
void rest_after_thread(struct ipc_peer *peer, uint64_t cpu_ns);

/* The thread used so much processor time for an answer to the peer, which rests for it. */
void rest_for_answer(struct ipc_peer *peer, uint64_t cpu_ns);

/* How long the one rests whose turn took took_ns, in milliseconds; 0: it was short, or only the
 * machine busy. */
uint64_t rest_of(struct broker *broker, uint64_t took_ns);
/* The same for processor time that is known. */
uint64_t rest_ms(uint64_t used_ns);
/* Stores the remaining rest of an identity, in milliseconds. */
void rest_owe(const struct principal *who, uint64_t ms);
/* Milliseconds that rest_owe() kept for the identity, 0: none. */
uint64_t rest_owed(const struct principal *who);

#endif
