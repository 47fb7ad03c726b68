/* The kernel's connection tracking for the slow program. Linux 5.18 and later; only TCP and UDP can
 * be looked up. The fast path takes a flow only when its state in conntrack is settled: answered,
 * assured, no helper and no sequence adjustment. */
#ifndef BPF_CONNTRACK_BPF_H
#define BPF_CONNTRACK_BPF_H

#include "bpf/flow.bpf.h"

/* The first form of the kernel's struct, which later kernels accept too. */
struct bpf_ct_opts___first {
    __s32 netns_id;
    __s32 error;
    __u8 l4proto;
    __u8 dir;
    __u8 reserved[2];
};

struct netns_xfrm___count {
    unsigned int policy_count[6];
} __attribute__((preserve_access_index));

struct net___xfrm {
    struct netns_xfrm___count xfrm;
} __attribute__((preserve_access_index));

extern struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *, struct bpf_sock_tuple *, __u32,
                                         struct bpf_ct_opts___first *, __u32) __ksym;
extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *, struct bpf_sock_tuple *, __u32,
                                         struct bpf_ct_opts___first *, __u32) __ksym;
extern int bpf_ct_change_timeout(struct nf_conn *, __u32) __ksym;
extern void bpf_ct_release(struct nf_conn *) __ksym;

/* 0: this kernel is locked down, programs cannot read its memory by address. */
const volatile __u32 may_read_kernel = 1;

/* Network byte order; IPv4 in the first word. */
struct ct_tuple {
    __u32 source[4], destination[4];
    __u16 source_port, destination_port;
};

enum ct_result {
    CT_UNKNOWN, /* conntrack has never seen it */
    CT_PASS,    /* known, but the kernel must see the packet */
    CT_FLOW,    /* usable; the flow is filled in */
};

struct ct_flow {
    struct ct_tuple leaving; /* the packet as it leaves */
    __u32 mark;              /* what accepted it: a rule's number or ABI_MARK_FORWARD */
    __u32 way_out;           /* masqueraded for this interface: no other may send it; 0: any */
    __u32 ends;              /* this packet ends it, or half of it */
    __u32 told;              /* conntrack reports by an event when it has to forget it */
};

#define CT_NO_WAY ~0u /* masqueraded, but not known for which */

struct nf_conn_nat___way {
    int masq_index;
} __attribute__((preserve_access_index));

struct nf_conntrack_ecache___mask {
    __u16 ctmask;
} __attribute__((preserve_access_index));

#define CT_DESTROY (1u << 2) /* IPCT_DESTROY */
#define CT_SHORT_MS 5000     /* a time-out that an entry must renew more often than once a second */

static __always_inline __u32 ct_hz(void)
{
    return jiffies_per_second;
}

static __always_inline void ct_copy(__u32 *to, const union nf_inet_addr *from, const int v6)
{
    to[0] = from->ip6[0];
    if (v6) {
        to[1] = from->ip6[1];
        to[2] = from->ip6[2];
        to[3] = from->ip6[3];
    }
}

/* A member read through a pointer that the connection has. Note: for each such pointer loaded
 * directly the verifier searches all of the kernel's types by name, and again on each path that
 * leads there, which was half of the load time. Read by address it is a plain number. Negative:
 * cannot be read. */
#define CT_READ(to, pointer, member)                                                               \
    (may_read_kernel ? bpf_probe_read_kernel(to, sizeof(*(to)), &(pointer)->member)                \
                     : (*(to) = (pointer)->member, 0))

/* IPsec policies decide after routing; a redirect would send in the clear what they protect. */
static __always_inline int ct_has_xfrm(struct nf_conn *ct)
{
    unsigned int forward = 0, out = 0;
    struct net *found = 0;
    struct net___xfrm *net;

    if (!bpf_core_field_exists(struct net___xfrm, xfrm.policy_count))
        return 0;
    if (CT_READ(&found, ct, ct_net.net))
        return 1;
    net = (void *)found;
    return CT_READ(&out, net, xfrm.policy_count[1]) ||
           CT_READ(&forward, net, xfrm.policy_count[2]) || out || forward;
}

/* The address of the connection's extension `id` in *ret_ext, 0: it has none. Negative: cannot be
 * read. */
static __always_inline int ct_extension(struct nf_conn *ct, __u32 id, struct nf_ct_ext **ret_ext)
{
    struct nf_ct_ext *ext = 0;
    __u8 offset = 0;

    if (CT_READ(&ext, ct, ext))
        return -1;
    *ret_ext = ext;
    if (ext && CT_READ(&offset, ext, offset[id]))
        return -1;
    return offset;
}

/* A helper, or time-outs of its own (nftables: ct timeout). */
static __always_inline int ct_has_own_ways(struct nf_conn *ct)
{
    struct nf_ct_ext *ext;

    if (ct_extension(ct, bpf_core_enum_value(enum nf_ct_ext_id, NF_CT_EXT_HELPER), &ext))
        return 1;
    return bpf_core_enum_value_exists(enum nf_ct_ext_id, NF_CT_EXT_TIMEOUT) &&
           ct_extension(ct, bpf_core_enum_value(enum nf_ct_ext_id, NF_CT_EXT_TIMEOUT), &ext);
}

static __always_inline int ct_is_plain(struct nf_conn *ct, __u8 protocol)
{
    const __u64 want = IPS_CONFIRMED | IPS_ASSURED | IPS_SEEN_REPLY;
    const __u64 refused = IPS_DYING | IPS_SEQ_ADJUST | IPS_TEMPLATE | IPS_HELPER;
    __u64 status = ct->status;

    if ((status & (want | refused)) != want)
        return 0;
    if (protocol == PARSE_TCP && ct->proto.tcp.state != TCP_CONNTRACK_ESTABLISHED)
        return 0;
    if (bpf_core_field_exists(ct->mark) && (ct->mark & ABI_MARK_ENDED))
        return 0;
    /* The extension for sequence adjustment alone is no sign: connections made by netlink
     * (synchronised from another router) always have one. The status bit shows that it is used. */
    return !ct_has_own_ways(ct) && !ct_has_xfrm(ct);
}

/* TCP: a FIN or RST from here changes its state, so a connection has few of them. */
static __always_inline int ct_is_open(struct nf_conn *ct)
{
    __u8 state = ct->proto.tcp.state;

    return state >= TCP_CONNTRACK_ESTABLISHED && state <= TCP_CONNTRACK_CLOSE_WAIT;
}

/* Extensions follow one another at offsets stored in the connection. */
static __always_inline __u32 ct_way_out(struct nf_conn *ct)
{
    struct nf_ct_ext *ext = 0;
    __u32 way = 0;
    int offset;

    if (!bpf_core_enum_value_exists(enum nf_ct_ext_id, NF_CT_EXT_NAT))
        return 0;
    offset = ct_extension(ct, bpf_core_enum_value(enum nf_ct_ext_id, NF_CT_EXT_NAT), &ext);
    if (!offset)
        return 0;
    if (offset < 0)
        return CT_NO_WAY;
    if (!may_read_kernel || !bpf_core_field_exists(struct nf_conn_nat___way, masq_index))
        return ct->status & IPS_SRC_NAT ? CT_NO_WAY : 0;
    offset += bpf_core_field_offset(struct nf_conn_nat___way, masq_index);
    if (bpf_probe_read_kernel(&way, sizeof(way), (const char *)ext + offset))
        return CT_NO_WAY;
    return way;
}

/* It has events, which it was given as it began, and that of its end is among them. */
static __always_inline __u32 ct_is_told(struct nf_conn *ct)
{
    struct nf_ct_ext *ext = 0;
    __u16 mask = 0;
    int offset;

    if (!bpf_core_enum_value_exists(enum nf_ct_ext_id, NF_CT_EXT_ECACHE) ||
        !bpf_core_field_exists(struct nf_conntrack_ecache___mask, ctmask) || !may_read_kernel)
        return 0;
    offset = ct_extension(ct, bpf_core_enum_value(enum nf_ct_ext_id, NF_CT_EXT_ECACHE), &ext);
    if (offset <= 0)
        return 0;
    offset += bpf_core_field_offset(struct nf_conntrack_ecache___mask, ctmask);
    if (bpf_probe_read_kernel(&mask, sizeof(mask), (const char *)ext + offset))
        return 0;
    return mask & CT_DESTROY;
}

/* As the kernel would on this packet. */
static __always_inline void ct_refresh(struct nf_conn *ct, __u32 timeout_ms)
{
    __s32 left = (__s32)(ct->timeout - (__u32)bpf_jiffies64());
    __s32 full = (__s32)(((__u64)timeout_ms * ct_hz()) / 1000);

    if (full != left)
        bpf_ct_change_timeout(ct, timeout_ms);
}

static __always_inline void ct_fill(struct nf_conn *ct, struct ct_flow *flow, int reply,
                                    const int v6)
{
    struct nf_conntrack_tuple *first = &ct->tuplehash[0].tuple, *second = &ct->tuplehash[1].tuple;

    flow->mark = bpf_core_field_exists(ct->mark) ? ct->mark : 0;
    if (reply) {
        ct_copy(flow->leaving.source, &first->dst.u3, v6);
        ct_copy(flow->leaving.destination, &first->src.u3, v6);
        flow->leaving.source_port = first->dst.u.all;
        flow->leaving.destination_port = first->src.u.all;
    } else {
        flow->way_out = ct_way_out(ct);
        ct_copy(flow->leaving.source, &second->dst.u3, v6);
        ct_copy(flow->leaving.destination, &second->src.u3, v6);
        flow->leaving.source_port = second->dst.u.all;
        flow->leaving.destination_port = second->src.u.all;
    }
}

static __always_inline enum ct_result ct_find(void *ctx, const int xdp, const struct packet *p,
                                              const struct fast_control *control,
                                              struct ct_flow *flow, const int v6)
{
    struct bpf_ct_opts___first opts = {.netns_id = -1, .l4proto = p->protocol};
    struct bpf_sock_tuple tuple = {};
    enum ct_result result = CT_PASS;
    struct nf_conn *ct;
    __u32 size,
        timeout_ms = p->protocol == PARSE_TCP ? control->tcp_timeout_ms : control->udp_timeout_ms;

    if (v6) {
        __builtin_memcpy(tuple.ipv6.saddr, &p->ip6->saddr, 16);
        __builtin_memcpy(tuple.ipv6.daddr, &p->ip6->daddr, 16);
        tuple.ipv6.sport = (__u16)p->ports;
        tuple.ipv6.dport = p->ports >> 16;
        size = sizeof(tuple.ipv6);
    } else {
        tuple.ipv4.saddr = p->ip4->saddr;
        tuple.ipv4.daddr = p->ip4->daddr;
        tuple.ipv4.sport = (__u16)p->ports;
        tuple.ipv4.dport = p->ports >> 16;
        size = sizeof(tuple.ipv4);
    }
    if (xdp)
        ct = bpf_xdp_ct_lookup(ctx, &tuple, size, &opts, sizeof(opts));
    else
        ct = bpf_skb_ct_lookup(ctx, &tuple, size, &opts, sizeof(opts));
    if (!ct) /* -ENOENT: unknown; any other error: left to the kernel */
        return opts.error == -2 ? CT_UNKNOWN : CT_PASS;
    flow->ends = (p->special & PARSE_ENDS) && ct_is_open(ct);
    if (!p->special && ct_is_plain(ct, p->protocol)) {
        ct_fill(ct, flow, opts.dir == 1, v6);
        flow->told = timeout_ms >= CT_SHORT_MS && ct_is_told(ct);
        ct_refresh(ct, timeout_ms);
        result = CT_FLOW;
    }
    bpf_ct_release(ct);
    return result;
}

#endif
