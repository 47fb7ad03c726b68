/* Checks of values against their contract, which a thread does when they take long. */
#ifndef CORE_IPC_OFFLOAD_H
#define CORE_IPC_OFFLOAD_H

#include "core/ipc/contract_internal.h"
#include "core/ipc/peer_internal.h"

/* What a thread found: the result of schema_check, err when that is below 0. */
struct checked {
    const struct schema *schema;
    int result;
    struct orb_err err;
    bool blocks; /* its sender is not read meanwhile */
};

/* A frame of the peer, on behalf of who, has been checked (in->checked) and used that much
 * processor time on the thread. in is valid during the call. */
typedef void offload_done(struct ipc_peer *peer, struct principal *who, struct inframe *in,
                          uint64_t cpu_ns);

/* The thread is started with the first check that takes long; done is called on the loop. */
void offload_init(struct broker *broker, offload_done *done);
/* Ends the thread; done is not called any more. */
void offload_end(struct broker *broker);
/* Once its handles are closed. */
void offload_free(struct broker *broker);
/* A peer disconnects: drops its waiting jobs. */
void offload_leave(struct ipc_peer *peer);
/* For tests: while held, the thread begins no check. */
void offload_hold(struct broker *broker, bool held);

#define CHECK_LATER 1
/* Scans and checks the payload of a frame from peer against a schema of the contract. 0, an error,
 * or CHECK_LATER: the caller returns and does nothing; the frame is dispatched again once the
 * thread has checked it, and until then the peer (or the session of a request) is blocked; behind
 * answers, of which a few may be with the thread, only its events wait. in->data
 * NULL: a call of the host, checked at once. */
int offload_check(struct ipc_peer *peer, const struct contract *contract,
                  const struct schema *schema, const struct inframe *in, struct orb_err *err);

#endif
