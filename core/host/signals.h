/* What the process sees to for itself: signals and limits. */
#ifndef CORE_HOST_SIGNALS_H
#define CORE_HOST_SIGNALS_H

#include "core/base/log.h"

#define FILES_WANTED 65536

/* First thing in main(): from here on only SIGTERM and SIGINT end the process, and what no process
 * can refuse: SIGKILL, and its own faults. Everything else is ignored until the loop takes what it
 * has a use for. Workers get the standard actions back (core/sandbox). */
void signals_begin(void);

/* As many descriptors as we may have; a limit below what is wanted is said. */
void signals_raise_limits(struct log_sink *log);

#endif
