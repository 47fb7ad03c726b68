/* orbitald as the first process of a machine (init=/usr/sbin/orbitald) or of a container. Started
 * in any other way, nothing in here does anything. */
#ifndef CORE_HOST_INIT_H
#define CORE_HOST_INIT_H

#include "core/host/host_internal.h"
#include "core/loop/loop_scope.h"

#define INIT_MOUNTS 6
#define INIT_FAIL_S 10 /* between a fatal error and power off: time to read it */

struct init {
    bool active;     /* running as PID 1 */
    bool restart;    /* at the end: reboot instead of powering off */
    bool own_mounts; /* mounts are not visible outside */
    int mounts[INIT_MOUNTS];
    int loopback;
    struct orbitald *host;
    uv_signal_t child;
};

/* First of all: a console, missing file systems, loopback. Failures are kept for init_log; in a
 * container the file systems are usually there. */
void init_begin(struct init *init);
/* Logs what init_begin() mounted, and what it could not; nothing unless PID 1. */
void init_log(const struct init *init, struct log_sink *log);
/* From now on reaps orphans, whose parent is PID 1. */
void init_watch(struct init *init, struct orbitald *host, struct loop_scope *scope);
/* The end of main(). As PID 1 it powers off or reboots; when code is not 0, after INIT_FAIL_S
 * seconds. Returns code when it may not do that: then exiting ends the container. */
int init_end(const struct init *init, int code);

#endif
