/* Programs and maps of the fast path: load, unload, heartbeat. */
#ifndef DATAPLANE_LOAD_H
#define DATAPLANE_LOAD_H

struct dataplane;
struct dataplane_options;
struct fastpath;
struct orb_err;

/* Loads programs and maps, or takes over the pinned ones of an earlier daemon if they are the same.
 * Without BPF: dp->programs stays NULL and dp->reason has the reason. Negative errno. */
int load_programs(struct dataplane *dp, const struct dataplane_options *options,
                  struct orb_err *err);
/* The object with the maps, sized for that number of CPUs and not loaded. The caller frees with
 * fastpath__destroy. NULL and errno. */
struct fastpath *load_open(int cpus);
/* Closes them; what is pinned stays. */
void load_unload(struct dataplane *dp);
/* A stale cache: entries made before are not used again. */
void load_bump(struct dataplane *dp);
/* Heartbeat: allows the fast path for ABI_ALIVE_MS from now. 0 or negative errno. */
int load_beat(const struct dataplane *dp);

#endif
