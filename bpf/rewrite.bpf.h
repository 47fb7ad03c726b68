/* Rewrites a frame for sending: hop count, MAC addresses and, with NAT, addresses and ports, all
 * checksums incrementally (RFC 1624). At XDP checksums are complete. A socket buffer may have a
 * partial one (of a local sender, completed by the card) or several segments: there the L4 checksum
 * is updated by the helper, after every direct write. */
#ifndef BPF_REWRITE_BPF_H
#define BPF_REWRITE_BPF_H

#include "bpf/hook.bpf.h"

static __always_inline __u16 rewrite_fold(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (__u16)((sum & 0xffff) + (sum >> 16));
}

static __always_inline void rewrite_add(__u16 *check, __u16 delta)
{
    __u32 sum = (__u32)(__u16) ~*check + delta;

    *check = (__u16) ~((sum & 0xffff) + (sum >> 16)); /* two 16-bit numbers carry once */
}

/* Ones' complement difference of count words. */
static __always_inline __u16 rewrite_delta(const __u32 *from, const __u32 *to, const int count)
{
    __u64 sum = 0;

#pragma unroll
    for (int i = 0; i < count; i++)
        sum += (__u64)(__u32)~from[i] + to[i];
    return rewrite_fold(sum);
}

static __always_inline void rewrite_mac(void *data, const __u8 mac[12])
{
    __u32 *to = data;
    const __u32 *from = (const __u32 *)mac;

    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2];
}

/* The L4 checksum. address, l4: differences of the addresses and of addresses and ports. */
static __always_inline void rewrite_l4(void *ctx, const int xdp, struct packet *p, __u16 address,
                                       __u16 l4, __u32 ports, const int v6)
{
    const __u32 offset = v6 ? 54 : 34;
    __u32 at = offset + (p->protocol == PARSE_TCP ? 16 : 6);
    __u64 mangled = p->protocol == PARSE_UDP ? BPF_F_MARK_MANGLED_0 : 0;
    __u32 old = p->ports;

    if (xdp) {
        __u16 *check = p->protocol == PARSE_TCP ? p->l4 + 8 : p->l4 + 3;

        if ((void *)(check + 1) > p->end) /* parsed before; needed by the verifier */
            return;
        /* UDP: 0 means no checksum, and is kept; a computed 0 is sent as ~0. */
        if (p->protocol == PARSE_UDP && !*check)
            return;
        rewrite_add(check, l4);
        if (p->protocol == PARSE_UDP && !*check)
            *check = 0xffff;
        return;
    }
    if (!v6)
        bpf_l4_csum_replace(ctx, at, 0, address, BPF_F_PSEUDO_HDR | mangled);
    /* IPv6 has no header checksum to even out the sum of the buffer; kernels before 6.16 do not
     * handle that. */
    else if (bpf_l4_csum_replace(ctx, at, 0, address, BPF_F_PSEUDO_HDR | mangled | BPF_F_IPV6))
        bpf_l4_csum_replace(ctx, at, 0, address, BPF_F_PSEUDO_HDR | mangled);
    if (old != ports)
        bpf_l4_csum_replace(ctx, at, old, ports, 4 | mangled);
}

static __always_inline void rewrite4(void *ctx, const int xdp, struct packet *p,
                                     const struct flow4 *f)
{
    struct iphdr *ip = p->ip4;
    __u32 check = ip->check + PARSE_BE16(0x0100);

    ip->check = check + (check >= 0xffff);
    ip->ttl--;
    rewrite_mac(p->data, f->head.mac);
    if (f->head.flags & FLOW_NAT) {
        __u32 ports = *(const __u32 *)&f->head.source_port;
        __u16 address = f->head.address_delta, l4 = f->head.l4_delta;

        ip->saddr = f->source[0];
        ip->daddr = f->destination[0];
        rewrite_add(&ip->check, address);
        *(__u32 *)p->l4 = ports;
        rewrite_l4(ctx, xdp, p, address, l4, ports, 0);
    }
}

static __always_inline void rewrite6(void *ctx, const int xdp, struct packet *p,
                                     const struct flow6 *f)
{
    struct ipv6hdr *ip = p->ip6;

    ip->hop_limit--;
    rewrite_mac(p->data, f->head.mac);
    if (f->head.flags & FLOW_NAT) {
        __u32 ports = *(const __u32 *)&f->head.source_port;
        __u32 *source = (__u32 *)&ip->saddr, *destination = (__u32 *)&ip->daddr;
        __u16 address = f->head.address_delta, l4 = f->head.l4_delta;

        source[0] = f->source[0];
        source[1] = f->source[1];
        source[2] = f->source[2];
        source[3] = f->source[3];
        destination[0] = f->destination[0];
        destination[1] = f->destination[1];
        destination[2] = f->destination[2];
        destination[3] = f->destination[3];
        *(__u32 *)p->l4 = ports;
        rewrite_l4(ctx, xdp, p, address, l4, ports, 1);
    }
}

#endif
