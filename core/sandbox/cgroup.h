/* Cgroups of services. No failure here is fatal: the sandbox then works without them and reports
 * it. */
#ifndef CORE_SANDBOX_CGROUP_H
#define CORE_SANDBOX_CGROUP_H

#include "core/sandbox/sandbox_internal.h"

/* Creates the cgroup of this instance (NULL: "default") below root (NULL: the daemon's own),
 * enables available controllers and locks it; sandbox->cgroup_why has the reason for what is
 * missing. */
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
