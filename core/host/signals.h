/* Signals and resource limits of the process. */
#ifndef CORE_HOST_SIGNALS_H
#define CORE_HOST_SIGNALS_H

#include "core/base/log.h"

#define FILES_WANTED 65536

/* First thing in main(): from now on only SIGTERM and SIGINT end the process, and what cannot be
 * blocked: SIGKILL, and its own faults. All others are ignored until the loop handles those it
 * uses. Workers get the default actions back (core/sandbox). */
void signals_begin(void);

/* Raises the limit of descriptors as far as allowed; logs a limit that is too low. */
void signals_raise_limits(struct log_sink *log);

#endif
