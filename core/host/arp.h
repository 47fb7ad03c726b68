/* arp@1: detects other machines that use an IPv4 address of this one. The kernel does that for IPv6
 * only, and workers may not open packet sockets; so the interfaces service passes the addresses and
 * the host sends and receives ARP. */
#ifndef CORE_HOST_ARP_H
#define CORE_HOST_ARP_H

#include "core/host/host_internal.h"

struct arp;

/* Provides arp@1 (host->arp_contract). Without the right to a packet socket its method answers with
 * the reason. */
int arp_new(struct orbitald *host, struct arp **ret_arp, struct orb_err *err);
/* Frees itself through the loop. NULL is fine. */
void arp_close(struct arp *arp);

#endif
