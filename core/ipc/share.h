/* What the connections of one identity have together of a turn of the loop. However many a user
 * has, another one waits for the time of one connection. */
#ifndef CORE_IPC_SHARE_H
#define CORE_IPC_SHARE_H

#include <stdint.h>

struct broker;
struct ipc_peer;
struct share;

/* The peer is one more connection of its identity. */
void share_join(struct ipc_peer *peer);
/* It is none any more. */
void share_leave(struct ipc_peer *peer);
/* A turn of the loop begins. */
void share_turn(struct broker *broker);
/* The peer was served for took_ns since the last call; for how long it may be now, in nanoseconds.
 * 0: not in this turn, others of its identity have used it up or come first. */
uint64_t share_left(struct ipc_peer *peer, uint64_t took_ns);

#endif
