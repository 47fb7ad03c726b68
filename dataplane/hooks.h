/* The programs of XDP and tcx, loaded when a port needs them. */
#ifndef DATAPLANE_HOOKS_H
#define DATAPLANE_HOOKS_H

#include <stdint.h>

struct dataplane;
struct fastpath;
struct hooks;
struct orb_err;

/* Loads the missing programs of these hooks (HOOK_*), pins them and updates existing links to them.
 * Takes some hundred milliseconds when programs are loaded. Negative errno: cannot be loaded,
 * dp->reason has the reason, too; port_apply does not try failed ones again. */
int hooks_load(struct dataplane *dp, unsigned wanted, struct orb_err *err);
/* Loads the programs of these hooks over maps, and fills the tail-call tables there. The caller
 * frees with hooks__destroy. Negative errno: the kernel refuses them. */
int hooks_open(const struct fastpath *maps, int cpus, unsigned which, struct hooks **ret_skel,
               struct orb_err *err);
/* Hooks at which an earlier daemon left links. */
unsigned hooks_linked(const struct dataplane *dp);
/* After tcx' program was loaded or taken over: whether this kernel has tcx. */
void hooks_look(struct dataplane *dp);
/* The kernel's CONFIG_HZ. */
uint32_t hooks_ticks(void);
/* Mixes the programs as the kernel gets them into a digest. */
void hooks_mix(const struct dataplane *dp, uint64_t *digest);

#endif
