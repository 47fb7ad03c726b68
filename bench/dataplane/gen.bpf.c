/* Programs of the forwarding benchmark: a generator, sinks and two forwarders for comparison. The
 * generator runs by BPF_F_TEST_XDP_LIVE_FRAMES, whose frames are recycled with whatever the last
 * router wrote into them: it writes every header byte again each time. */
/* clang-format off: the kernel's types come before its helpers */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
/* clang-format on */

#include "bench/dataplane/gen.h"

#define ETH_IP4 0x0800
#define ETH_IP6 0x86dd
#define IP_UDP 17
#define FAMILY_IP4 2
#define TC_SHOT 2
#define TC_OK 0

/* Pointers rather than one packed structure, which would be read byte by byte. */
struct frame {
    struct ethhdr *eth;
    struct iphdr *ip;
    struct udphdr *udp;
    struct gen_payload *payload;
};

static __always_inline int frame_at(struct frame *f, void *data, void *end)
{
    f->eth = data;
    f->ip = data + sizeof(*f->eth);
    f->udp = (void *)(f->ip + 1);
    f->payload = (void *)(f->udp + 1);
    return data + GEN_FRAME <= end;
}

struct frame6 {
    struct ethhdr *eth;
    struct ipv6hdr *ip;
    struct udphdr *udp;
    struct gen_payload *payload;
};

static __always_inline int frame6_at(struct frame6 *f, void *data, void *end)
{
    f->eth = data;
    f->ip = data + sizeof(*f->eth);
    f->udp = (void *)(f->ip + 1);
    f->payload = (void *)(f->udp + 1);
    return data + GEN_FRAME6 <= end;
}

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct gen_counts);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct gen_expect);
} expect SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP);
    __uint(max_entries, GEN_DEVICES);
    __type(key, __u32);
    __type(value, __u32);
} devices SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
    __uint(max_entries, GEN_DEVICES);
    __type(key, __u32);
    __type(value, __u32);
} routed SEC(".maps"); /* as devices, for fib */

/* ---- generator ---- */

__u64 image[9];      /* the frame of flow 0, IPv4's with 4 bytes more in its eighth */
__u32 flows = 1;     /* at most 32768 */
__u32 scan = 0;      /* 1: every frame has another source address and port instead */
__u32 next_flow = 0; /* one core sends; scan: the number of the frame */

/* Another source address in each frame; a permutation of 32 bits. */
SEC("xdp")
int send6(struct xdp_md *ctx)
{
    __u64 *words = (void *)(long)ctx->data;
    __u32 n = next_flow;
    struct frame6 f;

    if (!frame6_at(&f, words, (void *)(long)ctx->data_end))
        return XDP_ABORTED;
#pragma unroll
    for (int i = 0; i < 9; i++)
        words[i] = image[i];
    next_flow = n + 1;
    f.ip->saddr.in6_u.u6_addr32[3] = n * 2654435761u;
    f.udp->check = 0;
    return XDP_TX;
}

SEC("xdp")
int send(struct xdp_md *ctx)
{
    __u64 *words = (void *)(long)ctx->data;
    __u32 n = next_flow;
    struct frame f;

    if (!frame_at(&f, words, (void *)(long)ctx->data_end))
        return XDP_ABORTED;
#pragma unroll
    for (int i = 0; i < 7; i++)
        words[i] = image[i];
    *(__u32 *)(words + 7) = (__u32)image[7];
    if (scan) {
        /* A permutation of 32 bits; the frame has no UDP checksum and the IP one is mended. */
        __u32 r = n * 2654435761u;
        __u32 sum;

        next_flow = n + 1;
        f.ip->saddr |= bpf_htonl(r & 0xffff);
        sum = (__u16)~f.ip->check + (bpf_htonl(r & 0xffff) >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        f.ip->check = ~sum;
        f.udp->source = bpf_htons(GEN_PORT + (r >> 17));
        f.udp->check = 0;
        return XDP_TX;
    }
    next_flow = n + 1 < flows ? n + 1 : 0;
    f.udp->source = bpf_htons(GEN_PORT + n);
    f.payload->balance = bpf_htons(0xffff - n);
    return XDP_TX;
}

/* ---- sinks ---- */

static __always_inline int has_good_sum(const struct frame *f)
{
    const __u16 *words = (const __u16 *)&f->ip->saddr;
    __u32 sum = bpf_htons(IP_UDP) + f->udp->len;

    if (!f->udp->check)
        return 1;
#pragma unroll
    for (int i = 0; i < (GEN_FRAME - 26) / 2; i++)
        sum += words[i];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

/* As count(). */
static __always_inline int count6(void *data, void *end)
{
    struct gen_counts *c;
    struct gen_expect *e;
    struct frame6 f;
    __u32 zero = 0;

    if (!frame6_at(&f, data, end) || f.eth->h_proto != bpf_htons(ETH_IP6) ||
        f.ip->nexthdr != IP_UDP || f.payload->high != bpf_htons(GEN_MARK >> 16) ||
        f.payload->low != bpf_htons(GEN_MARK & 0xffff))
        return 0;
    c = bpf_map_lookup_elem(&counts, &zero);
    e = bpf_map_lookup_elem(&expect, &zero);
    if (!c || !e)
        return 0;
    if (f.ip->hop_limit != e->hops)
        c->wrong++;
    else
        c->good++;
    c->bytes += GEN_FRAME6;
    return 1;
}

/* 1: it was sent by the generator. */
static __always_inline int count(void *data, void *end)
{
    struct gen_counts *c;
    struct gen_expect *e;
    struct frame f;
    __u32 zero = 0;

    if (frame_at(&f, data, end) && f.eth->h_proto == bpf_htons(ETH_IP6))
        return count6(data, end);
    if (!frame_at(&f, data, end) || f.eth->h_proto != bpf_htons(ETH_IP4) ||
        f.ip->protocol != IP_UDP || f.payload->high != bpf_htons(GEN_MARK >> 16) ||
        f.payload->low != bpf_htons(GEN_MARK & 0xffff))
        return 0;
    c = bpf_map_lookup_elem(&counts, &zero);
    e = bpf_map_lookup_elem(&expect, &zero);
    if (!c || !e)
        return 0;
    if (f.ip->ttl != e->hops || (e->source && f.ip->saddr != e->source) ||
        (c->good % GEN_CHECK_EVERY == 0 && !has_good_sum(&f)))
        c->wrong++;
    else
        c->good++;
    c->bytes += GEN_FRAME;
    return 1;
}

SEC("xdp")
int sink(struct xdp_md *ctx)
{
    return count((void *)(long)ctx->data, (void *)(long)ctx->data_end) ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int sink_tc(struct __sk_buff *skb)
{
    if (bpf_skb_pull_data(skb, skb->len < GEN_FRAME6 ? GEN_FRAME : GEN_FRAME6))
        return TC_OK;
    return count((void *)(long)skb->data, (void *)(long)skb->data_end) ? TC_SHOT : TC_OK;
}

/* ---- forwarders ---- */

static __always_inline int is_forwardable(const struct frame *f)
{
    return f->eth->h_proto == bpf_htons(ETH_IP4) && f->ip->ihl == 5 && f->ip->ttl > 1;
}

static __always_inline void hop(struct iphdr *ip)
{
    __u32 check = ip->check + bpf_htons(0x0100);

    ip->check = check + (check >= 0xffff);
    ip->ttl--;
}

__u8 fixed_mac[12]; /* as in the frame: next hop's, own */
__u32 fixed_ifindex;

/* What forwarding costs when nothing is looked up. */
SEC("xdp")
int fixed(struct xdp_md *ctx)
{
    struct frame f;

    if (!frame_at(&f, (void *)(long)ctx->data, (void *)(long)ctx->data_end) || !is_forwardable(&f))
        return XDP_PASS;
    hop(f.ip);
    __builtin_memcpy(f.eth, fixed_mac, 12);
    return bpf_redirect_map(&devices, fixed_ifindex, XDP_PASS);
}

/* What xdp-forward of xdp-tools does for IPv4: the kernel's route, is its interface one of ours,
 * send there by its index. No state. */
SEC("xdp")
int fib(struct xdp_md *ctx)
{
    struct bpf_fib_lookup look = {.family = FAMILY_IP4};
    struct frame f;

    if (!frame_at(&f, (void *)(long)ctx->data, (void *)(long)ctx->data_end) || !is_forwardable(&f))
        return XDP_PASS;
    look.tos = f.ip->tos;
    look.l4_protocol = f.ip->protocol;
    look.tot_len = bpf_ntohs(f.ip->tot_len);
    look.ipv4_src = f.ip->saddr;
    look.ipv4_dst = f.ip->daddr;
    look.ifindex = ctx->ingress_ifindex;
    if (bpf_fib_lookup(ctx, &look, sizeof(look), 0) != BPF_FIB_LKUP_RET_SUCCESS)
        return XDP_PASS;
    if (!bpf_map_lookup_elem(&routed, &look.ifindex))
        return XDP_PASS;
    hop(f.ip);
    __builtin_memcpy(f.eth->h_dest, look.dmac, 6);
    __builtin_memcpy(f.eth->h_source, look.smac, 6);
    return bpf_redirect_map(&routed, look.ifindex, XDP_PASS);
}

char LICENSE[] SEC("license") = "GPL";
