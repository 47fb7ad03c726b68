/* The miss, by tail call: a flow known to conntrack becomes an entry of the cache; an unknown one
 * that a plain drop refuses is dropped here; all others are left to the kernel. No connection is
 * created and no packet passed that the kernel's own tables did not accept before.
 *
 * Note: a refusal is kept in the cache, but each of its packets still looks at conntrack, since an
 * answer to a flow just begun from the other side has the same tuple. */
#ifndef BPF_SLOW_BPF_H
#define BPF_SLOW_BPF_H

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
    __u16 redirect;
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
        if (*owner == (__u64)id + 1)
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

/* Where a new flow would go. SLOW_DROP: forwarded, so a rule may refuse it. */
static __always_inline enum slow_verdict slow_route_new(void *ctx, struct slow *s, const int v6)
{
    long r;

    if (classify_may_dnat(s->blob, v6, s->p.protocol, PARSE_BE16(s->p.ports >> 16)))
        return SLOW_PASS;
    r = slow_route(ctx, s, s->ifindex, slow_source(&s->p, v6), slow_destination(&s->p, v6),
                   s->p.ports, v6);
    if (r == BPF_FIB_LKUP_RET_NOT_FWDED)
        return SLOW_LOCAL;
    /* A packet that would leave where it came in may be for a device stacked on that interface with
     * its MAC address (ipvlan): the kernel passes it to that one before routing. */
    if ((r != BPF_FIB_LKUP_RET_SUCCESS && r != BPF_FIB_LKUP_RET_NO_NEIGH) ||
        s->fib.ifindex == s->ifindex)
        return SLOW_PASS;
    if (r != BPF_FIB_LKUP_RET_SUCCESS)
        s->fib.mtu_result = 1280;
    return SLOW_DROP;
}

/* Next hop of a known flow. The rules have accepted it, and a commit that refuses it removes it
 * from conntrack: nftables does not check it again either. */
static __always_inline enum slow_verdict slow_route_known(void *ctx, struct slow *s, const int v6)
{
    struct ct_tuple *leaving = &s->flow.leaving;
    __u32 ports = (__u32)leaving->destination_port << 16 | (__u16)s->p.ports;
    __u32 back = (__u32)(__u16)s->p.ports << 16 | leaving->destination_port;
    long r;

    s->strayed = s->flow.way_out != 0;
    /* The route back must use the interface it came in by, as with rp_filter; an asymmetric flow is
     * left to the kernel. Looked up as by fib_validate_source(): routing rules apply as to a packet
     * of this machine, from the port it is sent to. */
    r = slow_route(ctx, s, v6 ? s->ifindex : SLOW_LOOPBACK, leaving->destination,
                   slow_source(&s->p, v6), back, v6);
    if ((r != BPF_FIB_LKUP_RET_SUCCESS && r != BPF_FIB_LKUP_RET_NO_NEIGH) ||
        s->fib.ifindex != s->ifindex)
        return SLOW_PASS;
    r = slow_route(ctx, s, s->ifindex, slow_source(&s->p, v6), leaving->destination, ports, v6);
    if (r == BPF_FIB_LKUP_RET_NOT_FWDED)
        return SLOW_LOCAL;
    if (r != BPF_FIB_LKUP_RET_SUCCESS || s->fib.ifindex == s->ifindex)
        return SLOW_PASS;
    /* The kernel deletes a masqueraded connection whose outgoing interface changed. */
    s->strayed = s->flow.way_out && s->flow.way_out != s->fib.ifindex;
    return s->strayed ? SLOW_PASS : SLOW_FORWARD;
}

/* One packet to a neighbour that is not reachable (stale) is left to the kernel, which probes it.
 */
static __always_inline int slow_is_suspect(const struct slow *s)
{
    __u64 who = ABI_WHO(s->fib.ifindex, *(const __u32 *)(s->fib.dmac + 2));
    __u32 slot = ABI_SUSPECT_SLOT(who);
    struct suspect *suspect = bpf_map_lookup_elem(&suspects, &slot);

    if (!suspect || suspect->who != who || !suspect->waiting)
        return 0;
    suspect->waiting = 0;
    return 1;
}

/* XDP sends what it can; after it tcx sends the rest, and passes what XDP passed. */
static __always_inline enum slow_verdict slow_sender(const int xdp, struct slow *s)
{
    int sends = xdp ? s->redirect != ABI_NO_PORT
                    : !(s->in->flags & IFACE_XDP) || s->redirect == ABI_NO_PORT;

    if (!xdp && !sends)
        return SLOW_PASS;
    s->turn = sends && slow_is_suspect(s);
    return SLOW_FORWARD;
}

static __always_inline int slow_has(const struct slow *s, __u32 list, const int v6)
{
    return ((const struct classify_head *)s->blob)->table[list + v6].rules != 0;
}

/* Untracked by notrack: each packet is classified. */
static __always_inline int slow_is_untracked(struct slow *s, const int v6)
{
    long found;

    if (!slow_has(s, CLASSIFY_TRACK, v6))
        return 0;
    found = slow_classify(s, CLASSIFY_TRACK, 0, 0, v6);
    return found != SLOW_NO_RULE && (found < 0 || SLOW_ACTION(found) != CLASSIFY_ACCEPT);
}

/* A rule that names the state of known connections does more than to accept this packet. Rules see
 * it between the two translations. */
static __always_inline int slow_is_asked(struct slow *s, __u8 to, const int v6)
{
    long found;

    if (!slow_has(s, CLASSIFY_KNOWN, v6))
        return 0;
    found = slow_classify(s, CLASSIFY_KNOWN, 1, to, v6);
    return found != SLOW_NO_RULE &&
           (found < 0 || SLOW_ACTION(found) != CLASSIFY_ACCEPT || SLOW_FLAGS(found));
}

/* The rule that accepted it, or a rule that refuses it; either determines its counter. */
static __always_inline enum slow_verdict slow_rule(const int xdp, struct slow *s,
                                                   enum slow_verdict verdict, const int v6)
{
    struct fast_iface *out = slow_iface(s->fib.ifindex, s->policy);
    __u32 mtu;
    long found;

    /* That interface did not fit into the table: its zone and foreign state are unknown. */
    if (!out || (out->flags & IFACE_OUT))
        return SLOW_PASS;
    s->redirect = out->redirect;
    if (v6 && out->port == ABI_NO_PORT) /* the daemon does not look at its IPv6 MTU */
        s->flow.told = 0;
    mtu = out->flags >> IFACE_MTU_SHIFT;
    if (mtu && mtu < s->fib.mtu_result)
        s->fib.mtu_result = mtu;
    if (verdict == SLOW_FORWARD) {
        /* It began at the appliance, whose address was taken away; the kernel counts it there. */
        if (s->flow.mark == ABI_MARK_INPUT || s->flow.mark == ABI_MARK_OUTPUT)
            return SLOW_PASS;
        if (slow_is_asked(s, out->zone, v6))
            return SLOW_PASS;
        s->counter = slow_counter(s->flow.mark);
        return slow_sender(xdp, s);
    }
    found = slow_classify(s, CLASSIFY_NEW, 0, out->zone, v6);
    if (found == SLOW_NO_RULE)
        found = classify_default(s->blob);
    s->counter = SLOW_COUNTER(found);
    if (found < 0 || SLOW_ACTION(found) != CLASSIFY_DROP || SLOW_FLAGS(found))
        return SLOW_PASS;
    return SLOW_DROP;
}

/* refused: the cache holds a fresh refusal of this tuple. */
static __always_inline enum slow_verdict slow_decide(void *ctx, const int xdp, struct slow *s,
                                                     int refused, const int v6)
{
    enum ct_result ct = CT_UNKNOWN;
    enum slow_verdict verdict;

    if ((s->foreign & (v6 ? FOREIGN_IP6 : FOREIGN_IP4)) || slow_is_untracked(s, v6))
        return SLOW_PASS;
    if (s->p.protocol == PARSE_TCP || s->p.protocol == PARSE_UDP)
        ct = ct_find(ctx, xdp, &s->p, s->control, &s->flow, v6);
    if (ct == CT_PASS || (ct == CT_UNKNOWN && (s->foreign & (v6 ? FOREIGN_NEW6 : FOREIGN_NEW4))))
        return SLOW_PASS;
    if (ct == CT_UNKNOWN &&
        (parse_begins_nothing(&s->p) || ((const struct classify_head *)s->blob)->asks_invalid))
        return SLOW_PASS;
    if (ct == CT_UNKNOWN && refused)
        return SLOW_DROP;
    if (ct == CT_UNKNOWN)
        verdict = slow_route_new(ctx, s, v6);
    else
        verdict = slow_route_known(ctx, s, v6);
    if (verdict == SLOW_DROP || verdict == SLOW_FORWARD)
        verdict = slow_rule(xdp, s, verdict, v6);
    /* A packet that is too large is answered by the kernel before any rule applies. */
    if (verdict == SLOW_DROP && !hook_fits(ctx, xdp, &s->p, s->fib.mtu_result))
        return SLOW_PASS;
    return verdict;
}

static __always_inline int slow_differs(const __u32 *a, const __u32 *b, const int words)
{
    __u32 bits = a[0] ^ b[0];

    if (words == 4)
        bits |= (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]);
    return bits != 0;
}

/* What ip_forward() makes of the TOS; IPv6 keeps what there is. */
static __always_inline __u8 slow_priority(const struct slow *s, const int v6)
{
    if (v6 || (s->foreign & FOREIGN_KEEP_PRIORITY))
        return FLOW_PRIORITY;
    return 0x4620 >> (s->p.ip4->tos >> 1 & 0xc) & 0xf;
}

/* When the next packet is the kernel's: one in FLOW_PUNT_S, by the clock of the hook that sends. An
 * entry that was there keeps its time. */
static __always_inline __u32 slow_punt(const int xdp, struct slow *s, const struct flow_head *f,
                                       int there, __u32 now)
{
    __u32 punt = flow_next_punt();

    if (!there)
        return punt;
    if ((__s32)(f->punt - now) > 0 && (__s32)(f->punt - punt) <= 0)
        return f->punt;
    if (xdp && s->redirect == ABI_NO_PORT)
        return now - 1;
    s->turn = 1;
    return punt;
}

/* How long an entry is believed. One for the kernel is never wrong; one of a refusal is as the
 * route is, since each packet asks conntrack. */
static __always_inline __u32 slow_fresh(const struct slow *s, enum slow_verdict verdict,
                                        const int v6)
{
    int told = verdict == SLOW_LOCAL || (s->foreign & (v6 ? FOREIGN_TOLD6 : FOREIGN_TOLD4));

    if (verdict == SLOW_FORWARD)
        told = told && s->flow.told;
    return told ? jiffies_per_second : flow_fresh();
}

/* Begins an entry: it is not valid before slow_publish. there: it was in the cache. */
static __always_inline void slow_fill(const int xdp, struct slow *s, struct flow_head *f, int there,
                                      enum slow_verdict verdict, const int v6)
{
    __u32 now = (__u32)bpf_jiffies64(), punt = slow_punt(xdp, s, f, there, now);

    f->epoch = 0;
    f->refresh = now + slow_fresh(s, verdict, v6);
    f->punt = punt;
    f->counter = s->counter;
    f->port = s->in->port;
    __builtin_memcpy(f->own, s->in->mac, 6);
    f->flags = verdict == SLOW_DROP ? FLOW_DROP : FLOW_PASS;
    f->tos = v6 ? hook_tos6(&s->p) : hook_tos4(&s->p);
    f->priority = slow_priority(s, v6);
    f->mtu = verdict == SLOW_DROP ? s->fib.mtu_result : 0;
}

/* How it is sent. source, destination: the entry's. */
static __always_inline void slow_fill_forward(const int xdp, struct slow *s, struct flow_head *f,
                                              __u32 *source, __u32 *destination, const int v6)
{
    const struct ct_tuple *out = &s->flow.leaving;
    const __u32 *from = slow_source(&s->p, v6), *to = slow_destination(&s->p, v6);
    const int words = v6 ? 4 : 1;
    __u32 ports = (__u32)out->destination_port << 16 | out->source_port;
    __u64 delta;

    __builtin_memcpy(source, out->source, words * 4);
    __builtin_memcpy(destination, out->destination, words * 4);
    *(__u32 *)&f->source_port = ports;
    delta =
        (__u64)rewrite_delta(from, out->source, words) + rewrite_delta(to, out->destination, words);
    f->address_delta = rewrite_fold(delta);
    delta += (__u64)(__u32)~s->p.ports + ports;
    f->l4_delta = rewrite_fold(delta);
    f->oif = s->fib.ifindex;
    f->redirect = s->redirect;
    f->mtu = s->fib.mtu_result;
    __builtin_memcpy(f->mac, s->fib.dmac, 6);
    __builtin_memcpy(f->mac + 6, s->fib.smac, 6);
    f->flags = xdp && s->redirect != ABI_NO_PORT ? FLOW_XDP : 0;
    if (slow_differs(from, out->source, words) || slow_differs(to, out->destination, words) ||
        ports != s->p.ports)
        f->flags |= FLOW_NAT;
}

/* The epoch last, so that an entry is never valid half-way. */
static __always_inline void slow_publish(const struct slow *s, struct flow_head *f,
                                         enum slow_verdict verdict, const int v6)
{
    if (v6 && verdict != SLOW_LOCAL && (s->foreign & FOREIGN_LABELS))
        f->flags |= FLOW_LABEL;
    f->epoch = s->epoch;
}

static __always_inline void slow_stats(__u32 port, enum slow_verdict verdict)
{
    struct fast_stats *stats = hook_stats(port);

    if (!stats)
        return;
    stats->misses++;
    if (verdict == SLOW_FORWARD)
        stats->hits++;
    else if (verdict == SLOW_DROP)
        stats->dropped++;
    else
        stats->passed++;
}

/* What happens to the packet itself, counted; an entry may be valid while this packet is the
 * kernel's. */
static __always_inline enum slow_verdict slow_settle(void *ctx, const int xdp, struct slow *s,
                                                     enum slow_verdict verdict)
{
    if (verdict == SLOW_FORWARD && (!hook_fits(ctx, xdp, &s->p, s->fib.mtu_result) ||
                                    (xdp && s->redirect == ABI_NO_PORT) || s->turn))
        verdict = SLOW_PASS;
    slow_stats(s->in->port, verdict);
    if (verdict == SLOW_DROP)
        hook_count(s->counter, s->p.length);
    return verdict;
}

/* ret_action: what the program returns. 0: the packet is not sent. */
static __always_inline int slow_send(void *ctx, const int xdp, const struct slow *s, __u8 priority,
                                     int *ret_action)
{
    if (xdp) {
        *ret_action = bpf_redirect_map(&devices, s->redirect, XDP_PASS);
        if (*ret_action != XDP_REDIRECT)
            return 0;
    } else {
        hook_priority(ctx, xdp, priority);
        *ret_action = bpf_redirect(s->fib.ifindex, 0);
    }
    hook_count(s->counter, s->p.length);
    return 1;
}

/* Where the answers to a masqueraded connection come in: what the key has besides addresses. */
static __always_inline __u64 slow_answers(const struct slow *s)
{
    const struct ct_tuple *out = &s->flow.leaving;
    __u32 ports = (__u32)out->source_port << 16 | out->destination_port;

    return (__u64)ports << 32 | (__u64)s->p.protocol << 24 | (s->flow.way_out & 0xffffff);
}

/* Control, policy, packet; 0: the kernel's. */
static __always_inline int slow_start(void *ctx, const int xdp, struct slow *s, const int v6)
{
    if (!slow_begin(ctx, xdp, s) || hook_parse(ctx, xdp, &s->p) != (v6 ? PARSE_IP6 : PARSE_IP4))
        return 0;
    return hook_is_ours(xdp, &s->p, s->in->mac) && !slow_is_odd(&s->p, v6);
}

/* Does the cache hold a fresh refusal of this packet? Then its counter is known. f may be NULL. */
static __always_inline int slow_is_refused(void *ctx, const int xdp, struct slow *s,
                                           const struct flow_head *f, const int v6)
{
    if (!f || flow_is_stale(f, s->epoch) || (f->flags & (FLOW_DROP | FLOW_LABEL)) != FLOW_DROP ||
        !hook_fits(ctx, xdp, &s->p, f->mtu) || f->tos != (v6 ? hook_tos6(&s->p) : hook_tos4(&s->p)))
        return 0;
    s->counter = f->counter;
    return 1;
}

static __always_inline int slow_path4(void *ctx, const int xdp)
{
    struct slow s = {};
    struct bucket4 *bucket;
    struct flow_at4 at;
    struct flow4 *flow;
    enum slow_verdict verdict;
    int there, refused, action;

    if (!slow_start(ctx, xdp, &s, 0))
        return hook_pass(xdp);
    flow_key4(&at, &s.p, s.ifindex, s.control->seed);
    bucket = flow_bucket4(&at);
    if (!bucket)
        return hook_pass(xdp);
    flow = flow_find4(bucket, &at);
    there = flow != 0;
    refused = slow_is_refused(ctx, xdp, &s, (struct flow_head *)flow, 0);
    verdict = slow_decide(ctx, xdp, &s, refused, 0);
    /* It is conntrack's from its first FIN or RST on; and where the kernel may end it at this
     * packet, because it leaves otherwise, there and back. */
    if (s.flow.ends || s.strayed)
        bpf_loop(processors, flow_forget4, &at, 0);
    if (s.strayed && verdict == SLOW_PASS) {
        flow_answer4(&at, s.flow.leaving.source, s.flow.leaving.destination, slow_answers(&s),
                     s.control->seed);
        bpf_loop(processors, flow_forget4, &at, 0);
    }
    if (verdict != SLOW_PASS && !(verdict == SLOW_DROP && refused)) {
        if (!flow)
            flow = flow_new4(bucket, &at, s.epoch, verdict == SLOW_FORWARD);
        slow_fill(xdp, &s, &flow->head, there, verdict, 0);
        if (verdict == SLOW_FORWARD)
            slow_fill_forward(xdp, &s, &flow->head, flow->source, flow->destination, 0);
        slow_publish(&s, &flow->head, verdict, 0);
    }
    verdict = slow_settle(ctx, xdp, &s, verdict);
    if (verdict != SLOW_FORWARD)
        return verdict == SLOW_DROP ? hook_drop(xdp) : hook_pass(xdp);
    if (slow_send(ctx, xdp, &s, flow->head.priority, &action))
        rewrite4(ctx, xdp, &s.p, flow);
    return action;
}

static __always_inline int slow_path6(void *ctx, const int xdp)
{
    struct slow s = {};
    struct bucket6 *bucket;
    struct flow_at6 at;
    struct flow6 *flow;
    enum slow_verdict verdict;
    int there, refused, action;

    if (!slow_start(ctx, xdp, &s, 1))
        return hook_pass(xdp);
    flow_key6(&at, &s.p, s.ifindex, s.control->seed);
    bucket = flow_bucket6(&at);
    if (!bucket)
        return hook_pass(xdp);
    flow = flow_find6(bucket, &at);
    there = flow != 0;
    refused = slow_is_refused(ctx, xdp, &s, (struct flow_head *)flow, 1);
    verdict = slow_decide(ctx, xdp, &s, refused, 1);
    /* It is conntrack's from its first FIN or RST on; and where the kernel may end it at this
     * packet, because it leaves otherwise, there and back. */
    if (s.flow.ends || s.strayed)
        bpf_loop(processors, flow_forget6, &at, 0);
    if (s.strayed && verdict == SLOW_PASS) {
        flow_answer6(&at, s.flow.leaving.source, s.flow.leaving.destination, slow_answers(&s),
                     s.control->seed);
        bpf_loop(processors, flow_forget6, &at, 0);
    }
    if (verdict != SLOW_PASS && !(verdict == SLOW_DROP && refused)) {
        if (!flow)
            flow = flow_new6(bucket, &at, s.epoch, verdict == SLOW_FORWARD);
        slow_fill(xdp, &s, &flow->head, there, verdict, 1);
        if (verdict == SLOW_FORWARD)
            slow_fill_forward(xdp, &s, &flow->head, flow->source, flow->destination, 1);
        slow_publish(&s, &flow->head, verdict, 1);
    }
    verdict = slow_settle(ctx, xdp, &s, verdict);
    if (verdict != SLOW_FORWARD)
        return verdict == SLOW_DROP ? hook_drop(xdp) : hook_pass(xdp);
    if (slow_send(ctx, xdp, &s, flow->head.priority, &action))
        rewrite6(ctx, xdp, &s.p, flow);
    return action;
}

#endif
