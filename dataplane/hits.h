/* What the fast path counted: by the rules' slots, and hits by port. */
#ifndef DATAPLANE_HITS_H
#define DATAPLANE_HITS_H

#include <stdint.h>
#include <stdlib.h>

#include "bpf/abi.h"
#include "orbital/error.h"

struct dataplane;

struct hits {
    struct fast_counter rules[ABI_COUNTERS]; /* by slot */
    uint64_t ports[ABI_PORTS];               /* fast_stats.hits, by the port's index */
};

/* The counters together with what the entries of the flow cache still have, malloced; all 0 without
 * fast path. While packets arrive, those of flows that are checked again at this moment may be
 * missing; they are in the next answer. */
int hits_read(const struct dataplane *dp, struct hits **ret_hits, struct orb_err *err);

#endif
