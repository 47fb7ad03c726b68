/* Listening sockets of workers, kept open over restarts. */
#ifndef CORE_SANDBOX_LISTENERS_H
#define CORE_SANDBOX_LISTENERS_H

#include "core/sandbox/sandbox_internal.h"

/* The sockets for a worker that starts now, in the order of plan's binds. They stay the sandbox's.
 * Negative errno of the one that cannot be bound or cannot listen, named in err. */
int listeners_prepare(struct sandbox *sandbox, const struct launch_plan *plan,
                      int fds[LAUNCH_MAX_BINDS], struct orb_err *err);
/* Closes all of them. */
void listeners_close(struct sandbox *sandbox);

#endif
