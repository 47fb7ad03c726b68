/* orbitald as the first process of a machine (init=/usr/sbin/orbitald) or of a container. Started
 * in any other way, nothing in here does anything. */
#ifndef CORE_HOST_INIT_H
#define CORE_HOST_INIT_H

#include "core/host/host_internal.h"
#include "core/loop/loop_scope.h"

#define INIT_MOUNTS 6
#define INIT_FAIL_S 10 /* between "cannot go on" and power off: time to read it */

struct init {
    bool active;     /* we are PID 1 */
    bool restart;    /* at the end: start the machine anew, do not power it off */
    bool own_mounts; /* mounts are not visible outside */
    int mounts[INIT_MOUNTS];
    int loopback;
    struct orbitald *host;
    uv_signal_t child;
};

/* First of all: a console, the file systems that are missing, loopback. Failures are kept for
 * init_log; a container gives what it needs without our help. */
void init_begin(struct init *init);
/* Logs what init_begin() mounted, and what it could not; nothing unless PID 1. */
void init_log(const struct init *init, struct log_sink *log);
/* From here on reaps who is left to us by a parent that ended. */
void init_watch(struct init *init, struct orbitald *host, struct loop_scope *scope);
/* The end of main(). As PID 1 it powers off or restarts; when code is not 0, after INIT_FAIL_S
 * seconds. It returns code when that is not ours to do: then leaving ends the container. */
int init_end(const struct init *init, int code);

#endif
