/* Functions registered at netfilter's hooks, listed by nfnetlink_hook (Linux 5.14). */
#ifndef DATAPLANE_FOREIGN_HOOK_H
#define DATAPLANE_FOREIGN_HOOK_H

#include <linux/netfilter/nfnetlink_hook.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dump.h"

struct foreign;
struct foreign_files;
struct dataplane;

/* Calls each for every function at a hook (NF_INET_*) of a family (NFPROTO_IPV4 or NFPROTO_IPV6)
 * in this network namespace. -EINVAL: the kernel does not list hooks. */
int foreign_hook_dump(uint8_t family, uint32_t hook, dump_fn *each, void *arg);
/* Adds the functions that may decide about forwarded packets, and services of IPVS. */
void foreign_hook_read(struct dataplane *dp, struct foreign *foreign);
/* Mixes a digest of the same into state. */
void foreign_hook_mix(struct dataplane *dp, struct foreign_files *files, uint64_t *state);
/* Whether /proc/net/ip_vs, given as text, has a service. */
bool foreign_hook_serves(const char *list);

#endif
