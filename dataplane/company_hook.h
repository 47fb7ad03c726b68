/* Lists of what stands at netfilter's hooks, as nfnetlink_hook gives them (Linux 5.14). */
#ifndef DATAPLANE_COMPANY_HOOK_H
#define DATAPLANE_COMPANY_HOOK_H

#include <linux/netfilter/nfnetlink_hook.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/dump.h"

struct company;
struct dataplane;

/* What stands at a hook (NF_INET_*) of a family (NFPROTO_IPV4 or NFPROTO_IPV6), in this network
 * namespace. -EINVAL: the kernel does not list hooks. */
int company_hook_dump(uint8_t family, uint32_t hook, dump_fn *each, void *arg);
/* Adds functions that may decide about forwarded packets, and IPVS. */
void company_hook_read(struct dataplane *dp, struct company *company);
/* Mixes the same into a digest. */
void company_hook_mix(struct dataplane *dp, uint64_t *state);
/* Whether /proc/net/ip_vs, given as text, has a service. */
bool company_hook_serves(const char *list);

#endif
