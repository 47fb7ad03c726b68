/* Routes and rules of IPv6 about which a look-up or an event does not say all. */
#ifndef DATAPLANE_ROUTE_LABEL_H
#define DATAPLANE_ROUTE_LABEL_H

#include <stdbool.h>

struct nlmsghdr;

/* Whether the message is about an IPv6 route with several next hops: the label may choose one. */
bool route_label_shared(const struct nlmsghdr *h);
/* Whether it is about a rule that names the label. */
bool route_label_ruled(const struct nlmsghdr *h);
/* An IPv6 rule with suppress_prefixlength or suppress_ifgroup was added or removed, which
 * bpf_fib_lookup does not honour (for IPv4 it does). */
bool route_label_suppressed(const struct nlmsghdr *h);
/* Whether it is about a route of IPv6 that ends by itself, or is one that routers advertise, who
 * set its time anew without an event. */
bool route_label_expires(const struct nlmsghdr *h);

#endif
