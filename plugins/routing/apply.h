/* Applies static routes and policy rules: exactly the difference, each route, next hop and rule by
 * itself. A route of the configuration is one kernel route for each metric among its next hops, and
 * one more for the fallback. Only routes and rules with Orbital's protocol number are ever removed;
 * another program's route is replaced only where it replaced ours. */
#ifndef PLUGINS_ROUTING_APPLY_H
#define PLUGINS_ROUTING_APPLY_H

#include "plugins/routing/reach.h"

struct routes_applied {
    unsigned put, removed;
    unsigned rules;   /* added or removed */
    unsigned retaken; /* of put: another program's route had replaced ours, or preceded it */
};

/* strict: fail (with path) where the kernel refuses a changed route although its links work.
 * Otherwise, and for all that cannot be applied at present, the reason is in the route's or next
 * hop's why. retake: restore ours where another program replaced it. */
int apply_routes(struct nl_sock *socket, struct routes_want *routes, const struct reach *reach,
                 bool strict, bool retake, struct routes_applied *ret_applied, struct orb_err *err);

#endif
