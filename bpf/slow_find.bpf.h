/* What a miss finds out about its packet: where it would go, and what the rules say. */
#ifndef BPF_SLOW_FIND_BPF_H
#define BPF_SLOW_FIND_BPF_H

#include "bpf/classify.bpf.h"
#include "bpf/conntrack.bpf.h"
#include "bpf/flow.bpf.h"
#include "bpf/rewrite.bpf.h"

enum slow_verdict { SLOW_PASS, SLOW_LOCAL, SLOW_DROP, SLOW_FORWARD };

struct slow {
    struct packet p;
    struct fast_control *control;
    struct fast_iface *in;
    const void *blob;
    __u32 ifindex, epoch, policy, foreign;
    /* SLOW_FORWARD */
    struct ct_flow flow;
    struct bpf_fib_lookup fib;
    __u32 counter;
    __u32 hint; /* for nftables, which decides about the packet; 0: none */
    __u16 redirect;
    __u8 done;    /* the kernel decides about this first packet; tcx would find the same */
    __u8 turn;    /* the entry is right, but this packet is the kernel's */
    __u8 strayed; /* masqueraded, and its route differs from the cached one */
};

static __always_inline struct fast_iface *slow_iface(__u32 ifindex, __u32 policy)
{
    struct fast_iface_key key = {.ifindex = ifindex, .policy = policy};

    return bpf_map_lookup_elem(&ifaces, &key);
}

/* Control, policy and ingress port; 0: nothing can be decided. */
static __always_inline int slow_begin(void *ctx, const int xdp, struct slow *s)
{
    __u32 zero = 0;
    void *inner;

    s->control = hook_control();
    if (!s->control || !s->control->enabled)
        return 0;
    /* Read first: what is looked up from here on belongs at least to this epoch. */
    s->epoch = *(volatile __u32 *)&s->control->epoch;
    s->policy = *(volatile __u32 *)&s->control->policy & 1;
    s->foreign = *(volatile __u32 *)&s->control->foreign;
    if (s->foreign & FOREIGN_READING)
        return 0;
    s->ifindex = hook_ifindex(ctx, xdp);
    if (s->ifindex >> 24)
        return 0;
    s->in = slow_iface(s->ifindex, s->policy);
    if (!s->in || (s->in->flags & IFACE_IN))
        return 0;
    inner = bpf_map_lookup_elem(&policies, &s->policy);
    if (!inner)
        return 0;
    s->blob = bpf_map_lookup_elem(inner, &zero);
    return s->blob != 0;
}

/* Addresses the kernel does not forward, or only with more care. */
static __always_inline int slow_is_odd(const struct packet *p, const int v6)
{
    if (v6) {
        const __u32 *a = (const __u32 *)&p->ip6->saddr;
        __u32 from = PARSE_BE32(a[0]), to = PARSE_BE32(a[4]);

        return from >> 24 == 0xff || to >> 24 == 0xff || from >> 22 == 0xfe80 >> 6 ||
               to >> 22 == 0xfe80 >> 6 || !(a[0] | a[1] | a[2]) || !(a[4] | a[5] | a[6]);
    } else {
        __u8 from = p->ip4->saddr & 0xff, to = p->ip4->daddr & 0xff;

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
        from = p->ip4->saddr >> 24;
        to = p->ip4->daddr >> 24;
#endif
        return from == 0 || from == 127 || from >= 224 || to == 0 || to == 127 || to >= 224;
    }
}

#define SLOW_LOOPBACK 1 /* its number in every network namespace */

/* Route lookup as in the kernel: with the destination as sent, the source as received. from: the
 * incoming interface for routing rules. */
static __always_inline long slow_route(void *ctx, struct slow *s, __u32 from, const __u32 *source,
                                       const __u32 *destination, __u32 ports, const int v6)
{
    struct bpf_fib_lookup *fib = &s->fib;

    __builtin_memset(fib, 0, sizeof(*fib));
    fib->l4_protocol = s->p.protocol;
    fib->sport = (__u16)ports;
    fib->dport = ports >> 16;
    fib->tot_len = 64; /* non-zero also returns the route's MTU */
    fib->ifindex = from;
    if (v6) {
        fib->family = 10;
        fib->flowinfo = *(const __u32 *)s->p.ip6 & PARSE_BE32(0x0fffffff);
        for (int i = 0; i < 4; i++) {
            fib->ipv6_src[i] = source[i];
            fib->ipv6_dst[i] = destination[i];
        }
    } else {
        fib->family = 2;
        fib->tos = s->p.ip4->tos;
        fib->ipv4_src = source[0];
        fib->ipv4_dst = destination[0];
    }
    return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);
}

/* Addresses as received; destination after source, as in the header. */
static __always_inline const __u32 *slow_source(const struct packet *p, const int v6)
{
    return v6 ? (const __u32 *)&p->ip6->saddr : (const __u32 *)&p->ip4->saddr;
}

static __always_inline const __u32 *slow_destination(const struct packet *p, const int v6)
{
    return v6 ? (const __u32 *)&p->ip6->daddr : (const __u32 *)&p->ip4->daddr;
}

/* Result for a packet: an action in the low byte, the rule's flags in the next, its counter in the
 * upper half. Negative: undecidable, or no rule matches. */
#define SLOW_NO_RULE (-2)
#define SLOW_ACTION(found) ((__u8)(found))
#define SLOW_FLAGS(found) ((__u8)((found) >> 8))
#define SLOW_COUNTER(found) ((__u32)((found) >> 32))

static __always_inline long slow_found(const void *blob, __u32 slot)
{
    struct classify_rule rule;

    if (!classify_rule(blob, slot, &rule))
        return SLOW_NO_RULE;
    return (long)rule.counter << 32 | rule.flags << 8 | rule.action;
}

/* The look-ups are functions of their own: the verifier then walks them once instead of once for
 * each way that leads here. list: CLASSIFY_NEW …. */
__attribute__((noinline)) long slow_look4(struct classify_key4 *key, __u32 policy, __u32 list)
{
    __u32 zero = 0;
    void *blob;

    if (!key)
        return -1;
    blob = bpf_map_lookup_elem(&policies, &policy);
    if (blob)
        blob = bpf_map_lookup_elem(blob, &zero);
    return blob ? slow_found(blob, classify4(blob, list, key)) : -1;
}

__attribute__((noinline)) long slow_look6(struct classify_key6 *key, __u32 policy, __u32 list)
{
    __u32 zero = 0;
    void *blob;

    if (!key)
        return -1;
    blob = bpf_map_lookup_elem(&policies, &policy);
    if (blob)
        blob = bpf_map_lookup_elem(blob, &zero);
    return blob ? slow_found(blob, classify6(blob, list, key)) : -1;
}

/* Where a rule counts, found by its number. */
__attribute__((noinline)) __u32 slow_counter(__u32 id)
{
    __u32 slot = ABI_FIRST_SLOT(id);

    if (id == ABI_MARK_FORWARD)
        return 0;
    if (!id)
        return ABI_NOWHERE;
    for (int i = 0; i < ABI_PROBES; i++) {
        __u64 *owner = bpf_map_lookup_elem(&rule_ids, &slot);

        if (!owner || !*owner)
            break;
        if (ABI_OWNER_IS(*owner, id))
            return slot;
        slot = ABI_NEXT_SLOT(slot);
    }
    return ABI_NOWHERE;
}

/* Classifies the packet by a list. leaving: known flows, whose destination is translated before the
 * rules apply. */
static __always_inline long slow_classify(struct slow *s, __u32 list, const int leaving, __u8 to,
                                          const int v6)
{
    const struct packet *p = &s->p;
    const struct ct_tuple *out = &s->flow.leaving;
    __u16 source_port = PARSE_BE16((__u16)p->ports);
    __u16 destination_port = PARSE_BE16(leaving ? out->destination_port : p->ports >> 16);

    if (p->protocol != PARSE_TCP && p->protocol != PARSE_UDP) {
        source_port = 0; /* an echo request: its type, code 0 */
        destination_port = v6 ? 128 << 8 : 8 << 8;
    }
    if (v6) {
        const __u32 *a = (const __u32 *)&p->ip6->saddr;
        const __u32 *b = leaving ? out->destination : a + 4;
        struct classify_key6 key = {
            .source_hi = (__u64)PARSE_BE32(a[0]) << 32 | PARSE_BE32(a[1]),
            .source_lo = (__u64)PARSE_BE32(a[2]) << 32 | PARSE_BE32(a[3]),
            .destination_hi = (__u64)PARSE_BE32(b[0]) << 32 | PARSE_BE32(b[1]),
            .destination_lo = (__u64)PARSE_BE32(b[2]) << 32 | PARSE_BE32(b[3]),
            .source_port = source_port,
            .destination_port = destination_port,
            .protocol = p->protocol,
            .zone_from = s->in->zone,
            .zone_to = to};

        return slow_look6(&key, s->policy, list);
    } else {
        struct classify_key4 key = {.source = PARSE_BE32(p->ip4->saddr),
                                    .destination =
                                        PARSE_BE32(leaving ? out->destination[0] : p->ip4->daddr),
                                    .source_port = source_port,
                                    .destination_port = destination_port,
                                    .protocol = p->protocol,
                                    .zone_from = s->in->zone,
                                    .zone_to = to};

        return slow_look4(&key, s->policy, list);
    }
}

#endif
