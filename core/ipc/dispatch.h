/* From a frame to the function of its type. */
#ifndef CORE_IPC_DISPATCH_H
#define CORE_IPC_DISPATCH_H

#include "core/ipc/peer_internal.h"

/* Checks that this peer may send the frame now and that it is JSON, then calls its handler. */
void dispatch_frame(struct ipc_peer *peer, struct inframe *in);
/* Handles a frame that has been checked (offload_done). */
void dispatch_checked(struct ipc_peer *peer, struct principal *who, struct inframe *in,
                      uint64_t cpu_ns);

#endif
