/* struct sandbox, shared by the files of this room only. */
#ifndef CORE_SANDBOX_SANDBOX_PRIV_H
#define CORE_SANDBOX_SANDBOX_PRIV_H

#include <sys/stat.h>

#include "core/sandbox/filter.h"
#include "core/sandbox/launch.h"
#include "core/sandbox/sandbox.h"

#define SANDBOX_STACK 65536u

struct sandbox {
    int exe_fd;
    int null_fd;
    int void_fd; /* the empty network namespace, -1 below tier 2 */
    ino_t void_inode;
    int root_fds[2]; /* mount namespaces to copy, without and with /state; -1 below tier 2 */
    int filter_fds[FILTER_PROFILES][FILTER_PHASES];
    int tier;
    int landlock_abi;
    unsigned base_filters; /* filters the host runs under itself; a worker inherits them */
    char *cgroup_dir;      /* …/orbital-INSTANCE, "" when there is none */
    char *cgroup_why;      /* why there is none or no controller, "" otherwise */
    unsigned char *stack;  /* of the child between clone and exec */
};

/* root.c: makes the mount namespace workers copy. Takes some ms; once, at start. */
int root_make(bool state, int *ret_fd, struct orb_err *err);

/* cgroup.c: no failure here is fatal, the sandbox goes on without and says so. */
void cgroup_open(struct sandbox *sandbox, const char *root, const char *instance);
void cgroup_close(struct sandbox *sandbox);
/* Makes the service's cgroup with the plan's limits and returns its directory, -1 without cgroups.
 */
int cgroup_open_service(struct sandbox *sandbox, const struct plan *plan);
/* true: cgroup.kill was written. */
bool cgroup_kill(struct sandbox *sandbox, const char *service);
void cgroup_remove(struct sandbox *sandbox, const char *service);

#endif
