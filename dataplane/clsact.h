/* A filter of the discipline clsact, where the kernel has no tcx. */
#ifndef DATAPLANE_CLSACT_H
#define DATAPLANE_CLSACT_H

#include <stdbool.h>
#include <stdint.h>

struct dataplane;

/* Of this daemon's filter alone: tc chooses priorities from 49152 downwards, administrators start
 * at 1. */
#define CLSACT_PRIORITY 20306
#define CLSACT_HANDLE 1
/* Whether ports need it: the kernel has no tcx. */
bool clsact_needed(const struct dataplane *dp);
/* Adds the discipline where it is missing, and the filter. 0 or negative errno. */
int clsact_attach(const struct dataplane *dp, uint32_t ifindex);
/* Whether the filter is where it was put. */
bool clsact_alive(const struct dataplane *dp, uint32_t ifindex);
/* Removes this daemon's filter, if there is one. for_good: the discipline as well, if this daemon
 * added it and no other filter uses it. */
void clsact_detach(const struct dataplane *dp, uint32_t ifindex, bool for_good);
/* The filter an earlier daemon pinned at path runs this one's program from now on. */
int clsact_update(const struct dataplane *dp, const char *path, uint32_t ifindex);

#endif
