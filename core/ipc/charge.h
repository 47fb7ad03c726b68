/* Whose requests wait in a peer's queue: of one identity at most a part of it. */
#ifndef CORE_IPC_CHARGE_H
#define CORE_IPC_CHARGE_H

#include "core/ipc/peer_internal.h"

/* May who queue len more bytes of requests for the provider? 0, or ORB_E_BUSY. */
int charge_check(struct ipc_peer *provider, const struct principal *who, size_t len,
                 struct orb_err *err);
/* Adds len bytes just queued to the charge of who. */
void charge_add(struct ipc_peer *provider, const struct principal *who, size_t len);
void charge_free_all(struct ipc_peer *peer);

#endif
