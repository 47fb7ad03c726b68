/* Foreign routes beside ours. socket: blocking requests to the kernel. */
#ifndef PLUGINS_ROUTING_FOREIGN_H
#define PLUGINS_ROUTING_FOREIGN_H

#include "plugins/lib/rtnl.h"
#include "plugins/routing/model.h"

/* Is a route of another program in the way of a changed one (same destination and metric)? Error:
 * ORB_E_VETO with path. */
int foreign_check(struct nl_sock *socket, const struct routes_want *routes, struct orb_err *err);
/* Reads every route and records where a foreign one precedes ours (hop_want.behind). */
int foreign_look(struct nl_sock *socket, struct routes_want *routes, struct orb_err *err);
/* Whether that found any for configured routes. */
bool foreign_present(const struct routes_want *routes);
/* The name of an RTPROT_* number, written to to when it has none. */
const char *foreign_protocol_name(uint8_t protocol, char *to, size_t size);

#endif
