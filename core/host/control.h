/* The control socket's file: is it still there? */
#ifndef CORE_HOST_CONTROL_H
#define CORE_HOST_CONTROL_H

#include "core/host/host_internal.h"

/* Once a second, on the loop: creates the socket again, or sets a problem with the reason. */
void control_check(struct orbitald *host);

#endif
