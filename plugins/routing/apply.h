/* Static routes and policy rules into the kernel: exactly the difference, each route, next hop and
 * rule by itself. A route of the configuration is one kernel route for each metric among its next
 * hops, and one more for what stands behind them. Only routes and rules of our protocol number are
 * ever removed; another program's route is replaced only where it took the place of one of ours. */
#ifndef PLUGINS_ROUTING_APPLY_H
#define PLUGINS_ROUTING_APPLY_H

#include "plugins/routing/reach.h"

struct routes_applied {
    unsigned put, removed;
    unsigned rules;   /* added or removed */
    unsigned retaken; /* of put: another program's route had replaced ours, or stood before it */
};

/* strict: fail (with path) where the kernel refuses what a changed route says although its links
 * work. Otherwise, and for all that does not fit now, the reason stands in the route's or next
 * hop's why. retake: put ours back where another program replaced it. */
int apply_routes(struct nl_sock *socket, struct routes_want *routes, const struct reach *reach,
                 bool strict, bool retake, struct routes_applied *ret_applied, struct orb_err *err);

#endif
