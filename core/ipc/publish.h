/* Events, from the publisher to the subscribers. */
#ifndef CORE_IPC_PUBLISH_H
#define CORE_IPC_PUBLISH_H

#include "core/ipc/subs.h"

/* PUB frame. */
void publish_on_pub(struct ipc_peer *peer, struct inframe *in);
/* Checks an event of interface against its contract and distributes it. in->payload must be valid
 * until the end of the turn. 0, CHECK_LATER (frames only), ORB_E_NOT_FOUND no such topic,
 * ORB_E_LIMIT, or a violation of the contract. */
int publish_event(struct ipc_peer *peer, struct ipc_interface *interface, const char *topic,
                  const struct inframe *in, struct orb_err *err);
/* Sends GAP for dropped events to a peer whose queue drained. false: its queue is full again. */
bool publish_gaps(struct ipc_peer *peer);
/* Sends sub the last values of the state topics it is for. */
void publish_replay(const struct ipc_interface *interface, struct sub *sub);

#endif
