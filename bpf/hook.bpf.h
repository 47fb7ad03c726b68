/* What differs between the two hooks, native XDP and tcx ingress. `xdp` is always a constant, so
 * each program holds only its own half. */
#ifndef BPF_HOOK_BPF_H
#define BPF_HOOK_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/parse.bpf.h"

/* Set by the loader before verification: a constant for the programs. Not by __kconfig, which needs
 * a file of the kernel's options that images may lack. */
const volatile __u32 jiffies_per_second = 100;

enum { TC_PASS = -1, TC_DROP = 2 }; /* TCX_NEXT, TCX_DROP */

static __always_inline int hook_pass(const int xdp)
{
    return xdp ? (int)XDP_PASS : TC_PASS;
}

static __always_inline int hook_drop(const int xdp)
{
    return xdp ? (int)XDP_DROP : TC_DROP;
}

static __always_inline __u32 hook_ifindex(void *ctx, const int xdp)
{
    return xdp ? ((struct xdp_md *)ctx)->ingress_ifindex : ((struct __sk_buff *)ctx)->ifindex;
}

static __always_inline struct fast_control *hook_control(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&control, &zero);
}

/* The frame's family and size; makes the headers readable first where a socket buffer keeps them in
 * pages. */
static __always_inline enum parse_result hook_family(void *ctx, const int xdp, struct packet *p,
                                                     __u32 *ret_room)
{
    void *data, *end;
    __u32 room;

    if (xdp) {
        struct xdp_md *md = ctx;

        data = (void *)(long)md->data;
        end = (void *)(long)md->data_end;
        room = end - data;
    } else {
        struct __sk_buff *skb = ctx;

        /* VLAN tags removed by the stack are in the metadata: VLANs are left to the kernel. So are
         * marked packets: policy routing (fwmark) may match them. */
        if (skb->vlan_present || skb->pkt_type || skb->mark)
            return PARSE_OTHER;
        data = (void *)(long)skb->data;
        end = (void *)(long)skb->data_end;
        room = skb->len;
        if (data + PARSE_LONGEST > end && room > (__u32)(end - data)) {
            bpf_skb_pull_data(skb, room < PARSE_LONGEST ? room : PARSE_LONGEST);
            data = (void *)(long)skb->data;
            end = (void *)(long)skb->data_end;
        }
    }
    *ret_room = room;
    return parse_family(p, data, end);
}

static __always_inline enum parse_result hook_parse(void *ctx, const int xdp, struct packet *p)
{
    __u32 room;
    enum parse_result family = hook_family(ctx, xdp, p, &room);

    return family == PARSE_OTHER ? PARSE_OTHER : parse_rest(p, family, room);
}

/* 1: each packet that leaves is at most mtu bytes of IP. A GSO packet leaves in segments. */
static __always_inline int hook_fits(void *ctx, const int xdp, const struct packet *p, __u32 mtu)
{
    if (!xdp) {
        __u32 gso = ((struct __sk_buff *)ctx)->gso_size;

        if (gso)
            return p->segment_head + gso <= mtu;
    }
    return p->length <= mtu;
}

/* 1: the frame is addressed to the interface itself (tcx: by pkt_type). */
static __always_inline int hook_is_ours(const int xdp, const struct packet *p, const __u8 own[6])
{
    const __u32 *to = p->data, *mac = (const __u32 *)own;

    return !xdp || (to[0] == mac[0] && (__u16)to[1] == *(const __u16 *)(mac + 1));
}

/* DSCP of a packet, in its place. */
static __always_inline __u8 hook_tos4(const struct packet *p)
{
    return p->ip4->tos & 0xfc;
}

static __always_inline __u8 hook_tos6(const struct packet *p)
{
    return PARSE_BE16(*(const __u16 *)p->ip6) >> 4 & 0xfc;
}

/* A queueing discipline may use it. */
static __always_inline void hook_priority(void *ctx, const int xdp, __u8 priority)
{
    if (!xdp && priority != FLOW_PRIORITY)
        ((struct __sk_buff *)ctx)->priority = priority;
}

/* Equal for both hooks, and for no other network namespace's programs. */
static __always_inline __u32 hook_seal(const struct fast_control *control)
{
    return (__u32)(control->seed >> 32) * 2654435761u ^ control->epoch;
}

/* Gives tcx' packet to nftables with a hint (0: none); a mark or priority it has stays. */
static __always_inline void hook_mark(struct __sk_buff *skb, __u32 hint, __u8 from)
{
    if (!hint || skb->mark || skb->priority)
        return;
    skb->mark = hint;
    skb->priority = ABI_HINT_PRIORITY | from;
}

/* XDP leaves it in front of the frame, if the driver keeps it. No pointer into the frame is valid
 * after. */
static __always_inline void hook_hint(void *ctx, const int xdp, const struct fast_control *control,
                                      __u32 hint, __u8 from)
{
    struct xdp_md *md = ctx;
    struct fast_hint *meta;

    if (!xdp) {
        hook_mark(ctx, hint, from);
        return;
    }
    if (md->data_meta != md->data || bpf_xdp_adjust_meta(md, -(int)sizeof(*meta)))
        return;
    meta = (void *)(long)md->data_meta;
    if ((void *)(meta + 1) > (void *)(long)md->data)
        return;
    meta->seal = hook_seal(control);
    meta->hint = hint;
    meta->from = from;
}

/* 1: XDP has given a hint for the packet that arrives at tcx; no more is to be done. One of another
 * device, below this one, is taken off. */
static __always_inline int hook_hinted(struct __sk_buff *skb, const struct fast_control *control)
{
    struct fast_hint *meta = (void *)(long)skb->data_meta;

    if ((skb->priority & ABI_HINT_PRIORITY) == ABI_HINT_PRIORITY)
        skb->mark = skb->priority = 0;
    if ((void *)(meta + 1) > (void *)(long)skb->data || meta->seal != hook_seal(control))
        return 0;
    hook_mark(skb, meta->hint, meta->from);
    return 1;
}

static __always_inline struct fast_stats *hook_stats(__u32 port)
{
    __u32 index = bpf_get_smp_processor_id() * ABI_PORTS + (port & (ABI_PORTS - 1));

    return bpf_map_lookup_elem(&stats, &index);
}

static __always_inline void hook_count(__u32 counter, __u64 packets, __u64 bytes)
{
    __u32 index = bpf_get_smp_processor_id() * ABI_COUNTERS + (counter & (ABI_COUNTERS - 1));
    struct fast_counter *c = bpf_map_lookup_elem(&counters, &index);

    if (c) {
        c->packets += packets;
        c->bytes += bytes;
    }
}

#endif
