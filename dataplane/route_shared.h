/* Multipath routes: the kernel chooses the next hop by data programs do not have. */
#ifndef DATAPLANE_ROUTE_SHARED_H
#define DATAPLANE_ROUTE_SHARED_H

#include <stdbool.h>

#include "dataplane/dataplane_internal.h"

struct nlmsghdr;

/* Adds the interfaces of a route that next hops share; shares: of IPv4 and IPv6. true: some were
 * not known. */
bool route_shared_add(struct route_shares shares[2], const struct nlmsghdr *h);
/* Adds the interfaces of shared routes to foreign. */
void route_shared_note(struct dataplane *dp, struct foreign *foreign);

#endif
