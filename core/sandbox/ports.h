/* Listening sockets of workers, kept open over restarts. */
#ifndef CORE_SANDBOX_PORTS_H
#define CORE_SANDBOX_PORTS_H

#include "core/sandbox/sandbox_internal.h"

/* The sockets for a worker that starts now, in the order of plan's binds. They stay the sandbox's.
 * Negative errno of the one that cannot be bound or cannot listen, named in err. */
int ports_prepare(struct sandbox *sandbox, const struct plan *plan, int fds[PLAN_MAX_BINDS],
                  struct orb_err *err);
/* Closes all of them. */
void ports_close(struct sandbox *sandbox);

#endif
