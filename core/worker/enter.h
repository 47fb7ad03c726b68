/* The steps by which a worker enters its sandbox, in the order of docs/sandbox.md. All of them run
 * before the first byte of the package is mapped. Each returns 0 or a negative errno and may name
 * the object it failed on in enter.detail. */
#ifndef CORE_WORKER_ENTER_H
#define CORE_WORKER_ENTER_H

#include "core/sandbox/launch.h"
#include "core/worker/sdk.h"

struct enter {
    struct launch launch;
    struct sdk_socket sockets[LAUNCH_MAX_BINDS + 1];
    unsigned socket_count;
    char detail[96];
};

/* enter_open.c: while the host's network and files are still there */
int enter_open_sockets(struct enter *e);
/* Loads the shared libraries that the plan names. -EPERM: one that no package may load. */
int enter_open_libraries(struct enter *e);
/* Opens what a service with net.observe reads. */
int enter_open_observe(struct enter *e);
/* Enters the empty network namespace, unless the plan gives the host's. */
int enter_open_network(struct enter *e);

/* enter_limits.c */
int enter_limits(struct enter *e);
/* Drops privileges: user, groups, capabilities. */
int enter_limits_privileges(struct enter *e);
/* Ends with the host, whenever that ends. */
int enter_limits_parent(struct enter *e);

/* enter_root.c */
int enter_root(struct enter *e);
/* Limits files by Landlock. */
int enter_root_landlock(struct enter *e);

/* enter_filter.c */
int enter_filter_mdwe(struct enter *e);
/* Maps both filters from the sealed files, and installs seccomp filter A on all threads. */
int enter_filter_all(struct enter *e);
/* Installs seccomp filter B on all threads, also those that constructors started. */
int enter_filter_b(void);

/* enter_title.c: moves the arguments that a list of processes shows to where the package cannot
 * write. */
int enter_title(struct enter *e);

/* crash.c: from here on a fault leaves a crash_record in the crash pipe. */
int crash_arm(void);
/* Writes one record; number: errno or signal. */
void crash_report(enum crash_kind kind, int number, const char *text);

#endif
