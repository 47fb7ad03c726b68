/* Connections that conntrack still translates to a removed address of the appliance continue,
 * although answers no longer arrive, and are never new to masquerade's rule (a VPN or a telephone
 * uses the same ports for weeks). The kernel deletes such connections itself, but drops that work
 * when more than 16 addresses or interfaces of the whole machine are removed at once
 * (nf_nat_masquerade.c). */
#ifndef DATAPLANE_READDRESS_H
#define DATAPLANE_READDRESS_H

#include <stdbool.h>

#include "orbital/error.h"

struct dataplane;

/* Whether removed addresses (dp->gone) are still to be handled. */
bool readdress_waits(struct dataplane *dp);
/* Deletes conntrack's entries that translate the source to an address that went and that no
 * interface has any more. What a rule of the policy names as its target stays: such an address need
 * not be one of an interface. Without a policy it waits for one. Negative: it waits still. */
int readdress_tend(struct dataplane *dp, struct orb_err *err);

#endif
