/* What the connections of one identity have together: of a turn of the loop, of a provider and of
 * memory. However many a user has, another one waits for the time of one connection. */
#ifndef CORE_IPC_SHARE_H
#define CORE_IPC_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARE_REQUESTS 256 /* of one identity in flight to one provider */

struct broker;
struct ipc_peer;
struct share;

/* What is done when so many bytes wait for all connections of an identity. */
enum share_step {
    SHARE_LOSES = 16 << 20, /* answers become errors, events are dropped */
    SHARE_ENDS = 20 << 20,  /* the connection it would be sent on is ended */
};

/* The peer is one more connection of its identity. */
void share_join(struct ipc_peer *peer);
/* It is none any more. */
void share_leave(struct ipc_peer *peer);
/* A turn of the loop begins. */
void share_turn(struct broker *broker);
/* The peer was served for took_ns since the last call; for how long it may be now, in nanoseconds.
 * 0: not in this turn, others of its identity have used it up or come first. */
uint64_t share_left(struct ipc_peer *peer, uint64_t took_ns);
/* May len more bytes wait for the peer? A part of its own queue is always free. */
bool share_has_room(struct ipc_peer *peer, size_t len, enum share_step step);
/* Requests of all connections of the identity that are in flight to the provider. */
unsigned share_requests(const struct ipc_peer *peer, const struct ipc_peer *provider);

#endif
