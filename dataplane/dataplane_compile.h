/* Policies compiled, not in force yet. */
#ifndef DATAPLANE_DATAPLANE_COMPILE_H
#define DATAPLANE_DATAPLANE_COMPILE_H

#include <stdint.h>

/* Milliseconds since start, which becomes now. */
uint32_t dataplane_compile_lap(uint64_t *start);

#endif
