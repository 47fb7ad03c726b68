/* SUB and UNSUB frames: answered with REP, and the last values, or ERR. */
#ifndef CORE_IPC_SUBSCRIBE_H
#define CORE_IPC_SUBSCRIBE_H

#include "core/ipc/peer_internal.h"

#define SUBSCRIBE_MAX 256 /* subscriptions of one peer */

/* SUB frame; UNSUB frame. */
void subscribe_on_sub(struct ipc_peer *peer, struct inframe *in);
/* UNSUB frame: ends a subscription, if there is one. */
void subscribe_on_unsub(struct ipc_peer *peer, struct inframe *in);

#endif
