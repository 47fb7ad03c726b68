/* Programs and maps of the fast path: loaded, unloaded, kept alive. */
#ifndef DATAPLANE_LOAD_H
#define DATAPLANE_LOAD_H

struct dataplane;
struct dataplane_options;
struct orb_err;

/* Loads programs and maps, or takes over the pinned ones of an earlier daemon if they are the same.
 * Without BPF: dp->programs stays NULL and dp->reason says why. Negative errno. */
int load_programs(struct dataplane *dp, const struct dataplane_options *options,
                  struct orb_err *err);
/* Closes them; what is pinned stays. */
void load_unload(struct dataplane *dp);
/* A stale cache: entries made before are not used again. */
void load_bump(struct dataplane *dp);
/* The fast path may go on for ABI_ALIVE_MS from now. 0 or negative errno. */
int load_beat(const struct dataplane *dp);

#endif
