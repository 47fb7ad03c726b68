/* The frame of a packet for the programs: Ethernet, IPv4 or IPv6, and the protocol's header, with
 * right checksums. */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "core/base/own.h"
#include "dataplane/packet_test_internal.h"

#define PAYLOAD 8 /* bytes behind the header */
#define TTL 64

static uint32_t sum_words(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i++)
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

/* Of addresses, protocol and length; none for ICMP of IPv4. */
static uint32_t pseudo_header(const struct packet_test *packet, size_t size)
{
    size_t address = packet->family == AF_INET ? 4 : 16;

    if (packet->protocol == IPPROTO_ICMP)
        return 0;
    return sum_words(packet->source, address) + sum_words(packet->destination, address) +
           packet->protocol + (uint32_t)size;
}

static size_t put_transport(const struct packet_test *packet, uint8_t *to)
{
    struct tcphdr *tcp = (void *)to;
    struct udphdr *udp = (void *)to;
    uint16_t *checksum = NULL, sum;
    size_t size = PAYLOAD;

    switch (packet->protocol) {
    case IPPROTO_TCP:
        size = sizeof(*tcp);
        tcp->source = htons(packet->source_port);
        tcp->dest = htons(packet->destination_port);
        tcp->seq = htonl(1);
        tcp->doff = sizeof(*tcp) / 4;
        tcp->syn = 1;
        tcp->window = htons(65535);
        checksum = &tcp->check;
        break;
    case IPPROTO_UDP:
        size = sizeof(*udp) + PAYLOAD;
        udp->source = htons(packet->source_port);
        udp->dest = htons(packet->destination_port);
        udp->len = htons((uint16_t)size);
        checksum = &udp->check;
        break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        to[0] = packet->icmp_type;
        to[1] = packet->icmp_code;
        checksum = (uint16_t *)(void *)(to + 2);
        break;
    default:
        return size;
    }
    sum = fold(pseudo_header(packet, size) + sum_words(to, size));
    *checksum = sum ? sum : 0xffff; /* RFC 768: 0 would be none */
    return size;
}

size_t packet_test_frame_build(const struct packet_test *packet, const uint8_t mac[6],
                               uint8_t *ret_frame)
{
    bool six = packet->family == AF_INET6;
    uint8_t *at = ret_frame + ETHER_HDR_LEN;
    struct ip *ip4 = (void *)at;
    struct ip6_hdr *ip6 = (void *)at;
    size_t head = six ? sizeof(*ip6) : sizeof(*ip4), size;
    uint16_t type = htons(six ? ETHERTYPE_IPV6 : ETHERTYPE_IP);

    memset(ret_frame, 0, 128);
    memcpy(ret_frame, mac, 6);
    if (packet->has_mac)
        memcpy(ret_frame + 6, packet->mac, 6);
    else
        ret_frame[6] = 2; /* any that is locally administered */
    memcpy(ret_frame + 12, &type, sizeof(type));
    size = put_transport(packet, at + head);
    if (six) {
        ip6->ip6_vfc = 6 << 4;
        ip6->ip6_plen = htons((uint16_t)size);
        ip6->ip6_nxt = packet->protocol;
        ip6->ip6_hlim = TTL;
        memcpy(&ip6->ip6_src, packet->source, 16);
        memcpy(&ip6->ip6_dst, packet->destination, 16);
    } else {
        ip4->ip_v = 4;
        ip4->ip_hl = 5;
        ip4->ip_len = htons((uint16_t)(head + size));
        ip4->ip_ttl = TTL;
        ip4->ip_p = packet->protocol;
        memcpy(&ip4->ip_src, packet->source, 4);
        memcpy(&ip4->ip_dst, packet->destination, 4);
        ip4->ip_sum = fold(sum_words(ip4, head));
    }
    return ETHER_HDR_LEN + head + size;
}
