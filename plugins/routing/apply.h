/* Static routes into the kernel's main table: exactly the difference, each route and each next hop
 * by itself. A route of the configuration is one kernel route for each metric among its next hops,
 * and one more for what stands behind them. Only routes of our protocol number are ever removed;
 * a stranger's is replaced only where it took the place of one of ours. */
#ifndef PLUGINS_ROUTING_APPLY_H
#define PLUGINS_ROUTING_APPLY_H

#include "plugins/routing/reach.h"

struct routes_applied {
    unsigned put, removed;
    unsigned retaken; /* of put: a stranger had replaced ours */
};

/* Is a route of somebody else in the way of a changed one (same destination and metric)? Error with
 * path. */
int routes_check_foreign(struct nl_sock *socket, const struct routes_want *routes,
                         struct orb_err *err);
/* strict: fail (with path) where the kernel refuses what a changed route says although its links
 * work. Otherwise, and for all that does not fit now, the reason stands in the route's or next
 * hop's why. retake: put ours back where a stranger replaced it. */
int routes_apply(struct nl_sock *socket, struct routes_want *routes, const struct reach *reach,
                 bool strict, bool retake, struct routes_applied *ret_applied, struct orb_err *err);
/* The name of an RTPROT_* number, written to to when it has none. */
const char *protocol_name(uint8_t protocol, char *to, size_t size);

#endif
