/* ARP packets (RFC 826) on a packet socket: claims by other machines of this machine's addresses,
 * and the probe of RFC 5227 for such. Needs CAP_NET_RAW. */
#ifndef CORE_HOST_ARP_PACKET_H
#define CORE_HOST_ARP_PACKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "orbital/error.h"

/* A non-blocking socket that receives nothing before arp_packet_listen(); negative: error. */
int arp_packet_open(struct orb_err *err);
/* Sets the filter: from now on ARP packets whose sender claims one of the addresses are received.
 * */
int arp_packet_listen(int fd, const struct in_addr *addresses, unsigned count, struct orb_err *err);
/* Sends a probe for the address on link index, without claiming it. Errors are ignored: on a link
 * that is down no machine answers. */
void arp_packet_probe(int fd, int index, struct in_addr address);

struct arp_claim {
    int index; /* of the link it was received on */
    struct in_addr address;
    uint8_t mac[6];
};
/* 1: a claim was read, 0: none is waiting, below 0: the socket's error, which is cleared. */
int arp_packet_read(int fd, struct arp_claim *ret_claim);
/* The hardware addresses of this machine's links. */
struct arp_own {
    uint8_t (*macs)[6];
    unsigned count;
};
/* Reads them from the kernel, which takes long where there are many links. After a failure the list
 * is as before. */
void arp_packet_own_read(struct arp_own *own);
/* Is this one of the addresses of the machine itself? */
bool arp_packet_own_has(const struct arp_own *own, const uint8_t mac[6]);
void arp_packet_own_fini(struct arp_own *own);

#endif
