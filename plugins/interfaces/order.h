/* The order of a link's addresses. The kernel lists, of IPv4, primary addresses (the first of each
 * network) in the order they were added, then the secondary ones; the primary one is the source of
 * what the machine itself sends into that network. An address changes its place only by being
 * removed and added again. */
#ifndef PLUGINS_INTERFACES_ORDER_H
#define PLUGINS_INTERFACES_ORDER_H

#include "plugins/lib/rtnl.h"

struct order_step {
    bool remove; /* else add */
    struct prefix prefix;
};

/* The fewest steps that bring the addresses of desired (in the order of the configuration, also
 * IPv6 ones, which are passed over) on link index from the kernel's order into that of the
 * configuration: first of each network the primary one, networks in order, the rest of each network
 * in order. have: as dumped, all links. Every removed address is added again; foreign addresses
 * stay where they are. promote_secondaries must be on. ret_steps: the caller's to free(), NULL for
 * none. Returns the number of steps, ORB_E_NOMEM without memory. */
int order_steps(const struct prefix *desired, unsigned count, int index,
                const struct rtnl_addrs *have, struct order_step **ret_steps);
/* IPv6 addresses are listed by the kernel, and among equals preferred, most recent first. Computes
 * the fewest addresses that must be removed and added again, in this order, so that the kernel
 * lists those of desired that it has in the order of desired, as indexes into it. Link-local ones,
 * duplicates that the kernel does not use and addresses of other programs are ignored. ret_moves:
 * the caller's to free(), NULL for none. Returns their number, ORB_E_NOMEM without memory. */
int order_moves6(const struct prefix *desired, unsigned count, int index,
                 const struct rtnl_addrs *have, unsigned **ret_moves);

#endif
