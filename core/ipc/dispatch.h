/* From a frame to the function of its type. */
#ifndef CORE_IPC_DISPATCH_H
#define CORE_IPC_DISPATCH_H

#include "core/ipc/peer_internal.h"

/* A frame came: may this peer send it now, and is it JSON? Then it is handled. */
void dispatch_frame(struct ipc_peer *peer, struct inframe *in);
/* Handles a frame that has been checked (offload_done). */
void dispatch_checked(struct ipc_peer *peer, struct principal *who, struct inframe *in,
                      uint64_t cpu_ns);

#endif
