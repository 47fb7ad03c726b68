/* Policies compiled, not in force yet. */
#ifndef DATAPLANE_DATAPLANE_COMPILE_H
#define DATAPLANE_DATAPLANE_COMPILE_H

#include <stdint.h>

struct dataplane;
struct dataplane_compiled;

/* Frees one that is in no slot any more, but for its map: the next policy takes it, since making
 * and zeroing 16 MiB costs more than a small commit. compiled may be NULL. */
void dataplane_compile_spare(struct dataplane *dataplane, struct dataplane_compiled *compiled);
/* Milliseconds since start, which becomes now. */
uint32_t dataplane_compile_lap(uint64_t *start);

#endif
