/* MTUs of routes, which the fast path's lookups do not return. */
#ifndef DATAPLANE_ROUTE_MTU_H
#define DATAPLANE_ROUTE_MTU_H

#include <stdbool.h>
#include <stdint.h>

struct dataplane;
struct nlmsghdr;
struct route_mtus;

/* Whether a message about a route names one; it is added. */
bool route_mtu_add(struct route_mtus *mtus, const struct nlmsghdr *h);
/* On the thread of events.c: after this event they must be read again. */
bool route_mtu_changes(const struct dataplane *dp, const struct nlmsghdr *h);
/* The same thread: after this event less may be the kernel's, which does not hurry. */
void route_mtu_gone(struct dataplane *dp, const struct nlmsghdr *h);
/* Whether routes were removed and enough time has passed since the last read, so that they are to
 * be read. */
bool route_mtu_due(struct dataplane *dp);
/* Reads them if needed. Negative errno. */
int route_mtu_read(struct dataplane *dp);
/* 0: none. */
uint32_t route_mtu_of(const struct route_mtus *mtus, uint32_t ifindex);

#endif
