/* What becomes of a missed packet: sent by these programs, refused, or left to the kernel. */
#ifndef BPF_SLOW_DECIDE_BPF_H
#define BPF_SLOW_DECIDE_BPF_H

#include "bpf/slow_find.bpf.h"

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

/* What was found, as nftables takes it (ABI_HINT); 0: it evaluates the rules. */
static __always_inline __u32 slow_hint(const struct slow *s, long found, __u8 to)
{
    __u32 hint = ((const struct classify_head *)s->blob)->hints;
    __u32 counter = SLOW_COUNTER(found);

    if (!hint || !s->in->zone || !to)
        return 0;
    hint |= ABI_HINT_ZONE(to & (CLASSIFY_ZONES - 1));
    if (found == SLOW_NO_RULE)
        return hint | ABI_HINT_DEFAULT;
    if (found < 0 || (SLOW_FLAGS(found) & CLASSIFY_UNSURE) || counter >= ABI_NOWHERE)
        return 0;
    hint |= counter;
    if (SLOW_FLAGS(found) || SLOW_ACTION(found) > CLASSIFY_DROP)
        return hint | ABI_HINT_OTHER;
    return hint | (SLOW_ACTION(found) == CLASSIFY_DROP ? ABI_HINT_DROP : ABI_HINT_ACCEPT);
}

/* Finding out that a plain drop refuses a first packet costs about as much as a few rules of
 * nftables. Where those are few (it takes no hints), and so many first packets in a row were not
 * dropped here, only one in SLOW_SAMPLE is classified until one is. nftables decides about the
 * others. */
#define SLOW_VAIN 256
#define SLOW_SAMPLE 16

/* 1: this first packet is left to the kernel as it is. */
static __always_inline int slow_is_vain(const struct slow *s)
{
    __u32 processor = bpf_get_smp_processor_id();
    struct flow_next *next = bpf_map_lookup_elem(&flow_nexts, &processor);

    if (!next || next->vain < SLOW_VAIN || ((const struct classify_head *)s->blob)->hints)
        return 0;
    return ++next->vain % SLOW_SAMPLE != 0;
}

static __always_inline void slow_note(enum slow_verdict verdict)
{
    __u32 processor = bpf_get_smp_processor_id();
    struct flow_next *next = bpf_map_lookup_elem(&flow_nexts, &processor);

    if (next && verdict == SLOW_DROP)
        next->vain = 0;
    else if (next && next->vain < SLOW_VAIN)
        next->vain++;
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
    s->hint = slow_hint(s, found, out->zone);
    s->done = 1;
    if (found == SLOW_NO_RULE)
        found = classify_default(s->blob);
    s->counter = SLOW_COUNTER(found);
    verdict = found < 0 || SLOW_ACTION(found) != CLASSIFY_DROP || SLOW_FLAGS(found) ? SLOW_PASS
                                                                                    : SLOW_DROP;
    slow_note(verdict);
    return verdict;
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
    if (ct == CT_UNKNOWN && slow_is_vain(s)) {
        s->done = 1;
        return SLOW_PASS;
    }
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

#endif
