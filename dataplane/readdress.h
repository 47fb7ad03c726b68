/* What conntrack still translates to an address that the appliance had goes on with it, though
 * answers no longer arrive, and is never new to masquerade's rule (a VPN or a telephone uses the
 * same ports for weeks). The kernel forgets such connections itself, but drops that work when more
 * than 16 addresses or interfaces of the whole machine go at once (nf_nat_masquerade.c). */
#ifndef DATAPLANE_READDRESS_H
#define DATAPLANE_READDRESS_H

#include <stdbool.h>

#include "orbital/error.h"

struct dataplane;

/* Addresses went (dp->gone) and were not looked after yet. */
bool readdress_waits(struct dataplane *dp);
/* Deletes conntrack's entries that translate the source to an address that went and that no
 * interface has any more. What a rule of the policy names as its target stays: such an address need
 * not be one of an interface. Without a policy it waits for one. Negative: it waits still. */
int readdress_tend(struct dataplane *dp, struct orb_err *err);

#endif
