/* HELLO and WELCOME: identity of the peer, and the numbers of its methods. */
#ifndef CORE_IPC_HELLO_H
#define CORE_IPC_HELLO_H

#include "core/ipc/peer_internal.h"

/* HELLO frame: answered with WELCOME, or disconnected when its abi is not IPC_ABI. */
void hello_on_frame(struct ipc_peer *peer, struct inframe *in);

#endif
