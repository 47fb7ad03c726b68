/* Policies compiled, not in force yet. */
#ifndef DATAPLANE_DATAPLANE_PLAN_H
#define DATAPLANE_DATAPLANE_PLAN_H

#include <stdint.h>

/* Milliseconds since start, which becomes now. */
uint32_t dataplane_plan_lap(uint64_t *start);

#endif
