/* Addresses that another machine has, too: part of applying (run.h). */
#ifndef PLUGINS_INTERFACES_DETECTION_H
#define PLUGINS_INTERFACES_DETECTION_H

#include "plugins/interfaces/run.h"

/* Duplicate IPv6 addresses, and the kernel's own link-local ones that were removed; fills
 * applied->watched. */
void detection_run(struct run *run);

#endif
