/* The control socket's file: is it still there? */
#ifndef CORE_HOST_CONTROL_H
#define CORE_HOST_CONTROL_H

#include "core/host/host_internal.h"

/* Once a second, on the loop: makes it anew, or the verdict says why not. */
void control_check(struct orbitald *host);

#endif
