/* Who pays for what, and which client gives way when all places are taken. */
#ifndef CORE_IPC_ACCOUNT_H
#define CORE_IPC_ACCOUNT_H

#include "core/ipc/peer.h"

/* Do both pay for what the other takes? One identity, or users without a name: one user may have
 * thousands of such numbers (subuid(5)). */
bool account_same(enum peer_kind a_kind, const char *a, enum peer_kind b_kind, const char *b);
/* Connections of the user to the control socket. */
unsigned account_connections(const struct broker *broker, const char *user);
/* All places (limit) are taken and a connection of user comes: the one that makes room, and why.
 * One that never said HELLO or hung up, else one of the user who has most connections, more than a
 * few that each user keeps and more than user would have; for an administrator also one of those
 * few. NULL with err: none. */
struct ipc_peer *account_gives_way(struct broker *broker, const char *user, unsigned limit,
                                   struct orb_err *err);

#endif
