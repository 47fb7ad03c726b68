/* The programs of XDP and tcx, loaded when a port needs them. */
#ifndef DATAPLANE_HOOKS_H
#define DATAPLANE_HOOKS_H

#include <stdint.h>

struct dataplane;
struct orb_err;

/* Loads what is missing of the programs of these hooks (HOOK_*), pins them and gives them to the
 * links that stand there. Takes some hundred milliseconds when there is something to load. Negative
 * errno: it cannot be loaded, and dp->reason says why, too; what failed is not asked for again by
 * port_apply. */
int hooks_load(struct dataplane *dp, unsigned wanted, struct orb_err *err);
/* Hooks at which an earlier daemon left links. */
unsigned hooks_linked(const struct dataplane *dp);
/* After tcx' program was loaded or taken over: whether this kernel has tcx. */
void hooks_look(struct dataplane *dp);
/* The kernel's CONFIG_HZ. */
uint32_t hooks_ticks(void);
/* Mixes the programs as the kernel gets them into a digest. */
void hooks_mix(const struct dataplane *dp, uint64_t *digest);

#endif
