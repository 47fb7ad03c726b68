/* Addresses of links: part of applying (run.h). Errors: as run_failure(). */
#ifndef PLUGINS_INTERFACES_ADDRESSES_H
#define PLUGINS_INTERFACES_ADDRESSES_H

#include "plugins/interfaces/run.h"

/* Removes those made by Orbital and not configured any more, on all links. */
int addresses_remove(struct run *run, struct orb_err *err);
/* Adds those configured and missing; links and addresses were read again. */
int addresses_add(struct run *run, struct orb_err *err);

#endif
