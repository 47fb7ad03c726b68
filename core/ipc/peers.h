/* The peers of a broker: coming and going. */
#ifndef CORE_IPC_PEERS_H
#define CORE_IPC_PEERS_H

#include "core/ipc/peer.h"

/* Adds a peer with the connection fd, a non-blocking stream socket, owned by the broker on success,
 * by the caller on NULL. The peer exists until its closed event or peer_close(); both take effect
 * in the tables at the end of the loop's turn. NULL with err: ORB_E_INVALID, ORB_E_CONFLICT its
 * interface is provided already, ORB_E_LIMIT, libuv's. */
struct ipc_peer *peers_add(struct broker *broker, int fd, const struct peer_spec *spec,
                           struct orb_err *err);

/* The host itself, made with its broker; peers_free_host() frees it. */
void peers_add_host(struct broker *broker);
/* Ends what the host is in to itself and frees its peer; after all others. */
void peers_free_host(struct broker *broker);
/* Removes the peers that ended, calls their closed event, and starts to free them;
 * broker->peer_freed follows for each. */
void peers_settle(struct broker *broker);

#endif
