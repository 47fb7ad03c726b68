/* The order of addresses: part of applying (run.h). Errors: as run_failure(). */
#ifndef PLUGINS_INTERFACES_REORDER_H
#define PLUGINS_INTERFACES_REORDER_H

#include "plugins/interfaces/run.h"

/* Looks again when an address was added or removed. Brings addresses into the order of the
 * configuration. */
int reorder_run(struct run *run, struct orb_err *err);

#endif
