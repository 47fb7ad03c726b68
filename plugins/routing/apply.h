/* Static routes into the kernel's main table: exactly the difference. Only routes of our protocol
 * number are ever replaced or removed. */
#ifndef PLUGINS_ROUTING_APPLY_H
#define PLUGINS_ROUTING_APPLY_H

#include "plugins/routing/reach.h"

struct routes_applied {
    unsigned put, removed, missing; /* missing: could not be put back now */
    char missing_key[64];
};

/* Is a route of somebody else in the way (same destination and metric)? Error with path. */
int routes_check_foreign(struct nl_sock *socket, const struct routes_want *routes,
                         struct orb_err *err);
/* tolerant: go on where a route cannot be made and count it as missing. */
int routes_apply(struct nl_sock *socket, const struct routes_want *routes,
                 const struct reach *reach, bool tolerant, struct routes_applied *ret_applied,
                 struct orb_err *err);
/* The name of an RTPROT_* number, written to to when it has none. */
const char *protocol_name(uint8_t protocol, char *to, size_t size);

#endif
