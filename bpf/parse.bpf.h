/* The parser of the fast path: Ethernet, then IPv4 without options or IPv6 without extension
 * headers, then TCP, UDP or an ICMP echo. Anything else is not for the fast path (PARSE_OTHER).
 * Compiles for BPF and for user space, where test/fuzz/fuzz_packet.c feeds it. */
#ifndef BPF_PARSE_BPF_H
#define BPF_PARSE_BPF_H

#ifndef __VMLINUX_H__
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/types.h>
#endif

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define PARSE_BE16(x) ((__u16)__builtin_bswap16((__u16)(x)))
#define PARSE_BE32(x) ((__u32)__builtin_bswap32((__u32)(x)))
#else
#define PARSE_BE16(x) ((__u16)(x))
#define PARSE_BE32(x) ((__u32)(x))
#endif

enum parse_result { PARSE_OTHER, PARSE_IP4, PARSE_IP6 };

enum { PARSE_ICMP = 1, PARSE_TCP = 6, PARSE_UDP = 17, PARSE_ICMP6 = 58 };
#define PARSE_LONGEST (14 + 40 + 20) /* bytes needed at most */

/* Pointers into the frame; ports, id in network byte order. */
struct packet {
    void *data, *end;
    struct iphdr *ip4;
    struct ipv6hdr *ip6;
    __u16 *l4;    /* TCP: 20 bytes readable, else 8 */
    __u32 ports;  /* source and destination port in network order; echo: type and code 0, then id */
    __u16 length; /* IP bytes, host order */
    __u16 segment_head; /* IP and L4 header: what each segment of a GSO packet repeats */
    __u8 protocol;
    __u8 special; /* TCP: FIN 1, SYN 2, RST 4, no ACK 8; 0: a plain segment */
};

/* Conntrack begins no connection with this packet, and nftables drops it as invalid before any rule
 * (net/netfilter/nf_conntrack_proto_tcp.c: from no state only SYN and plain segments lead on). */
#define PARSE_SYN 2
#define PARSE_ENDS 5 /* FIN, RST */
#define PARSE_NO_ACK 8
static __always_inline int parse_begins_nothing(const struct packet *p)
{
    return p->special && p->special != (PARSE_SYN | PARSE_NO_ACK);
}

/* Parses what follows the IP header at p->l4; room: IP payload bytes by the IP header. 1:
 * supported. */
static __always_inline int parse_l4(struct packet *p, __u16 room)
{
    const __u8 *byte = (const __u8 *)p->l4;

    if ((const void *)(byte + 8) > p->end || room < 8)
        return 0;
    p->special = 0;
    if (p->protocol == PARSE_TCP) {
        __u16 offset;

        if ((const void *)(byte + 20) > p->end)
            return 0;
        offset = (byte[12] >> 4) * 4;
        if (offset < 20 || offset > room)
            return 0;
        p->special = (byte[13] & 7) | (~byte[13] & 16) >> 1;
        p->segment_head += offset;
        p->ports = *(const __u32 *)p->l4;
        return 1;
    }
    if (p->protocol == PARSE_UDP) {
        __u16 length = PARSE_BE16(p->l4[2]);

        /* A GSO packet's length field is that of one segment or of all. */
        if (length < 8 || length > room)
            return 0;
        p->segment_head += 8;
        p->ports = *(const __u32 *)p->l4;
        return 1;
    }
    /* Echo requests only: an answer or an error belongs to a flow only conntrack can name. */
    if ((p->protocol == PARSE_ICMP && p->ip4 && byte[0] == 8 && !byte[1]) ||
        (p->protocol == PARSE_ICMP6 && p->ip6 && byte[0] == 128 && !byte[1])) {
        p->segment_head += 8;
        p->ports = (__u32)p->l4[2] << 16 | p->l4[0];
        return 1;
    }
    return 0;
}

static __always_inline enum parse_result parse_ip4(struct packet *p, struct iphdr *ip)
{
    __u64 sum;

    if ((void *)((__u8 *)(ip + 1)) > p->end)
        return PARSE_OTHER;
    if (*(const __u8 *)ip != 0x45 || (ip->frag_off & PARSE_BE16(0xbfff)) || ip->ttl <= 1)
        return PARSE_OTHER;
    p->length = PARSE_BE16(ip->tot_len);
    if (p->length < 20)
        return PARSE_OTHER;
    /* The kernel drops a wrong header checksum; an incremental update would carry it on. */
    sum = (__u64)((const __u32 *)ip)[0] + ((const __u32 *)ip)[1] + ((const __u32 *)ip)[2] +
          ((const __u32 *)ip)[3] + ((const __u32 *)ip)[4];
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32); /* below 3 * 0xffff */
    if (sum != 0xffff && sum != 0x1fffe)
        return PARSE_OTHER;
    p->ip4 = ip;
    p->ip6 = 0;
    p->protocol = ip->protocol;
    p->l4 = (__u16 *)(ip + 1);
    p->segment_head = 20;
    return parse_l4(p, p->length - 20) ? PARSE_IP4 : PARSE_OTHER;
}

static __always_inline enum parse_result parse_ip6(struct packet *p, struct ipv6hdr *ip)
{
    __u16 payload;

    if ((void *)((__u8 *)(ip + 1)) > p->end)
        return PARSE_OTHER;
    payload = PARSE_BE16(ip->payload_len);
    if (*(const __u8 *)ip >> 4 != 6 || ip->hop_limit <= 1 || payload > 65535 - 40)
        return PARSE_OTHER;
    p->ip4 = 0;
    p->ip6 = ip;
    p->protocol = ip->nexthdr;
    p->l4 = (__u16 *)(ip + 1);
    p->length = payload + 40;
    p->segment_head = 40;
    return parse_l4(p, payload) ? PARSE_IP6 : PARSE_OTHER;
}

/* What the frame at data has, by its type; p is ready for parse_rest. */
static __always_inline enum parse_result parse_family(struct packet *p, void *data, void *end)
{
    struct ethhdr *eth = data;

    p->data = data;
    p->end = end;
    if ((void *)((__u8 *)(eth + 1)) > end)
        return PARSE_OTHER;
    if (eth->h_proto == PARSE_BE16(0x0800))
        return PARSE_IP4;
    return eth->h_proto == PARSE_BE16(0x86dd) ? PARSE_IP6 : PARSE_OTHER;
}

/* Fills p from the frame of that family. room: bytes of the whole frame, which may be more than is
 * readable. VLAN tags are left to the kernel. */
static __always_inline enum parse_result parse_rest(struct packet *p, enum parse_result family,
                                                    __u32 room)
{
    struct ethhdr *eth = p->data;
    enum parse_result result = PARSE_OTHER;

    if (family == PARSE_IP4)
        result = parse_ip4(p, (struct iphdr *)(eth + 1));
    else if (family == PARSE_IP6)
        result = parse_ip6(p, (struct ipv6hdr *)(eth + 1));
    if (result != PARSE_OTHER && (__u32)p->length + 14 > room)
        return PARSE_OTHER;
    return result;
}

static __always_inline enum parse_result parse_packet(struct packet *p, void *data, void *end,
                                                      __u32 room)
{
    return parse_rest(p, parse_family(p, data, end), room);
}

#endif
