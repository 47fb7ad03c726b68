/* Cgroups of services. No failure here is fatal: the sandbox goes on without and says so. */
#ifndef CORE_SANDBOX_CGROUP_H
#define CORE_SANDBOX_CGROUP_H

#include "core/sandbox/sandbox_internal.h"

/* Makes the cgroup of this instance (NULL: "default") below root (NULL: the daemon's own), takes
 * the controllers it can have and locks it; sandbox->cgroup_why says what could not be had. */
void cgroup_open(struct sandbox *sandbox, const char *root, const char *instance);
/* Removes it with those of services in which nothing runs, and unlocks it. */
void cgroup_close(struct sandbox *sandbox);
/* Makes the service's cgroup with the plan's limits and returns its directory, the caller's; -1
 * without cgroups. */
int cgroup_open_service(struct sandbox *sandbox, const struct launch_plan *plan);
/* Kills all in the service's cgroup. false: cgroup.kill could not be written. */
bool cgroup_kill(struct sandbox *sandbox, const char *service);
/* Removes the service's cgroup, once nothing is in it. */
void cgroup_remove(struct sandbox *sandbox, const char *service);

#endif
