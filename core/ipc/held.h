/* Requests of sessions that wait: for the end of their session's rest, or for a check of an earlier
 * one (offload.h). */
#ifndef CORE_IPC_HELD_H
#define CORE_IPC_HELD_H

#include "core/ipc/peer_internal.h"

/* The peer's timer. on_held is called for each request whose turn has come, with its frame, which
 * is valid in the call. */
void held_begin(struct ipc_peer *peer, peer_held_fn *on_held);
/* Does the request of the session wait, or is it refused? Then it is done with here. */
bool held_takes(struct ipc_peer *peer, struct principal *who, const struct inframe *in);
/* A check for a session of the peer is complete: dispatches the requests that waited for it. */
void held_go_on(struct ipc_peer *peer);
/* Answers all waiting requests of who with err. */
void held_fail(struct principal *who, const struct orb_err *err);
/* Drops all waiting requests of who. */
void held_free(struct principal *who);

/* A request of the session took took_ns on the loop (wall time), or cpu_ns of the thread: all
 * sessions of its identity rest. */
void held_charge(struct principal *who, uint64_t took_ns);
/* As held_charge(), for time of the thread (offload.h). */
void held_charge_thread(struct principal *who, uint64_t cpu_ns);
/* A new session of an identity that rests, rests too. */
void held_inherit(struct principal *who);

#endif
