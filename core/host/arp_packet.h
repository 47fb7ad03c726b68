/* ARP packets (RFC 826) on a packet socket: what other machines say of this machine's addresses,
 * and the probe of RFC 5227, which asks whether another machine has one. Needs CAP_NET_RAW. */
#ifndef CORE_HOST_ARP_PACKET_H
#define CORE_HOST_ARP_PACKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "orbital/error.h"

/* A non-blocking socket that receives nothing before arp_packet_listen(); negative: error. */
int arp_packet_open(struct orb_err *err);
/* From now on the kernel hands over ARP packets whose sender claims one of the addresses. */
int arp_packet_listen(int fd, const struct in_addr *addresses, unsigned count, struct orb_err *err);
/* Asks the machines on link index who has the address, without saying that this one does. Errors do
 * not matter: on a link that is down no machine answers. */
void arp_packet_probe(int fd, int index, struct in_addr address);

struct arp_claim {
    int index; /* of the link it came in by */
    struct in_addr address;
    uint8_t mac[6];
};
/* 1: a claim was read, 0: nothing waits, below 0: the socket's error, which is gone then. */
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
