/* What signals do to the daemon. */
#ifndef CORE_HOST_SIGNALS_H
#define CORE_HOST_SIGNALS_H

/* First thing in main(): from here on only SIGTERM and SIGINT end the process, and what nobody can
 * refuse: SIGKILL, and faults of our own. Everything else is ignored until the loop takes what it
 * has a use for. Workers get the standard actions back (core/sandbox). */
void signals_begin(void);

#endif
