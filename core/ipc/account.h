/* Accounting of connections, and which client is closed when all places are taken. */
#ifndef CORE_IPC_ACCOUNT_H
#define CORE_IPC_ACCOUNT_H

#include "core/ipc/peer.h"

/* Connections of the user to the control socket. */
unsigned account_connections(const struct broker *broker, const char *user);
/* All places (limit) are taken and user connects: selects the connection to close, and why. One
 * without HELLO, else one of the user with the most connections, if these are more than
 * CLIENTS_KEPT and more than user would have; for an administrator also one of those kept. NULL
 * with err: none. */
struct ipc_peer *account_gives_way(struct broker *broker, const char *user, unsigned limit,
                                   struct orb_err *err);

#endif
