/* Addresses of links: part of applying (run.h). Errors: as run_failure(). */
#ifndef PLUGINS_INTERFACES_ADDRESSES_H
#define PLUGINS_INTERFACES_ADDRESSES_H

#include "plugins/interfaces/run.h"

/* Those that are ours and not wanted any more, on all links. */
int addresses_remove(struct run *run, struct orb_err *err);
/* Those that are wanted and missing; links and addresses have been read anew. */
int addresses_add(struct run *run, struct orb_err *err);

#endif
