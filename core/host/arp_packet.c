/* ARP packets: see arp_packet.h. A filter in the kernel drops unrelated ARP traffic, so it does not
 * wake the daemon. */
#include "core/host/arp_packet.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"

#define READS 64 /* foreign shapes passed over in one call */

static int attach(int fd, struct sock_filter *program, unsigned len)
{
    struct sock_fprog filter = {.len = (unsigned short)len, .filter = program};

    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ? -errno : 0;
}

int arp_packet_open(struct orb_err *err)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sockaddr_ll any = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP)};
    AUTO_FD int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return orb_fail(err, -errno, "cannot open a packet socket");
    if (attach(fd, &nothing, 1) < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
        return orb_fail(err, -errno, "cannot listen to ARP");
    return take_fd(&fd);
}

/* addresses NULL: any sender's. */
static int listen_for(int fd, const struct in_addr *addresses, unsigned count)
{
    AUTO_FREE struct sock_filter *program = xcalloc(2 * (size_t)count + 8, sizeof(*program));
    const unsigned sender = offsetof(struct ether_arp, arp_spa), all = sizeof(struct ether_arp);
    unsigned n = 0;

    /* Accepts packets not sent by this machine; Ethernet and IPv4; with one of the addresses as
     * sender. */
    program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS,
                                                (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
    program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 2, 0);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
    program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                ARPHRD_ETHER << 16 | ETHERTYPE_IP, 1, 0);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
    program[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sender);
    for (unsigned i = 0; addresses && i < count; i++) {
        program[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                    ntohl(addresses[i].s_addr), 0, 1);
        program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, all);
    }
    program[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, addresses ? 0 : all);
    return attach(fd, program, n);
}

int arp_packet_listen(int fd, const struct in_addr *addresses, unsigned count, struct orb_err *err)
{
    int r = listen_for(fd, addresses, count);

    /* A long filter may be beyond net.core.optmem_max; then the reader looks for itself. */
    if (r == -ENOMEM)
        r = listen_for(fd, NULL, 0);
    return r < 0 ? orb_fail(err, r, "cannot filter ARP for %u addresses", count) : 0;
}

static bool mac_of(int fd, int index, uint8_t mac[6])
{
    struct ifreq request = {.ifr_ifindex = index};

    if (ioctl(fd, SIOCGIFNAME, &request) < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0 ||
        request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return false;
    memcpy(mac, request.ifr_hwaddr.sa_data, 6);
    return true;
}

void arp_packet_probe(int fd, int index, struct in_addr address)
{
    struct ether_arp ask = {.ea_hdr = {.ar_hrd = htons(ARPHRD_ETHER),
                                       .ar_pro = htons(ETHERTYPE_IP),
                                       .ar_hln = 6,
                                       .ar_pln = 4,
                                       .ar_op = htons(ARPOP_REQUEST)}};
    struct sockaddr_ll to = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ARP),
                             .sll_ifindex = index,
                             .sll_halen = 6};

    if (!mac_of(fd, index, ask.arp_sha))
        return;
    memset(to.sll_addr, 0xff, 6);
    memcpy(ask.arp_tpa, &address, sizeof(address));
    if (sendto(fd, &ask, sizeof(ask), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
        return; /* the link is down: no machine to probe */
}

int arp_packet_read(int fd, struct arp_claim *ret_claim)
{
    for (int i = 0; i < READS; i++) {
        struct ether_arp reply;
        struct sockaddr_ll from;
        socklen_t len = sizeof(from);
        ssize_t n = recvfrom(fd, &reply, sizeof(reply), 0, (struct sockaddr *)&from, &len);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n < (ssize_t)sizeof(reply) || reply.ea_hdr.ar_hln != 6 || reply.ea_hdr.ar_pln != 4)
            continue;
        ret_claim->index = from.sll_ifindex;
        memcpy(&ret_claim->address, reply.arp_spa, sizeof(ret_claim->address));
        memcpy(ret_claim->mac, reply.arp_sha, sizeof(ret_claim->mac));
        return 1;
    }
    return 0;
}

void arp_packet_own_read(struct arp_own *own)
{
    struct ifaddrs *list, *i;
    unsigned count = 0;

    if (getifaddrs(&list) < 0)
        return;
    for (i = list; i; i = i->ifa_next)
        count += i->ifa_addr && i->ifa_addr->sa_family == AF_PACKET;
    arp_packet_own_fini(own);
    own->macs = xcalloc(count + 1, sizeof(*own->macs));
    for (i = list; i; i = i->ifa_next) {
        const struct sockaddr_ll *link = (const struct sockaddr_ll *)(void *)i->ifa_addr;

        if (link && link->sll_family == AF_PACKET && link->sll_halen == 6)
            memcpy(own->macs[own->count++], link->sll_addr, 6);
    }
    freeifaddrs(list);
}

bool arp_packet_own_has(const struct arp_own *own, const uint8_t mac[6])
{
    for (unsigned i = 0; i < own->count; i++) {
        if (!memcmp(own->macs[i], mac, 6))
            return true;
    }
    return false;
}

void arp_packet_own_fini(struct arp_own *own)
{
    free(own->macs);
    *own = (struct arp_own){0};
}
