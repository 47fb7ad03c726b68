/* The miss, by tail call: a flow known to conntrack becomes an entry of the cache; an unknown one
 * that a plain drop refuses is dropped here; all others are left to the kernel. No connection is
 * created and no packet passed that the kernel's own tables did not accept before.
 *
 * Note: a refusal is kept in the cache, but each of its packets still looks at conntrack, since an
 * answer to a flow just begun from the other side has the same tuple. */
#ifndef BPF_SLOW_BPF_H
#define BPF_SLOW_BPF_H

#include "bpf/slow_decide.bpf.h"

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
    f->since = s->epoch;
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
        hook_count(s->counter, 1, s->p.length);
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
    hook_count(s->counter, 1, s->p.length);
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
    struct flow_head *flow;
    struct flow_at4 at;
    struct flow4 *whole;
    enum slow_verdict verdict;
    int there, refused, action;

    if (!slow_start(ctx, xdp, &s, 0))
        return hook_pass(xdp);
    flow_key4(&at, &s.p, s.ifindex, s.control->seed);
    flow = flow_find(at.key, at.hash, bpf_get_smp_processor_id(), 0);
    there = flow != 0;
    refused = slow_is_refused(ctx, xdp, &s, flow, 0);
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
        flow = flow_take4(&at, flow, s.epoch, verdict == SLOW_FORWARD);
        if (!flow)
            return hook_pass(xdp);
        whole = (struct flow4 *)flow;
        slow_fill(xdp, &s, flow, there, verdict, 0);
        if (verdict == SLOW_FORWARD)
            slow_fill_forward(xdp, &s, flow, whole->source, whole->destination, 0);
        slow_publish(&s, flow, verdict, 0);
    }
    verdict = slow_settle(ctx, xdp, &s, verdict);
    if (verdict == SLOW_PASS && s.done)
        hook_hint(ctx, xdp, s.control, s.hint, s.in->zone);
    if (verdict != SLOW_FORWARD)
        return verdict == SLOW_DROP ? hook_drop(xdp) : hook_pass(xdp);
    if (slow_send(ctx, xdp, &s, flow->priority, &action))
        rewrite4(ctx, xdp, &s.p, (struct flow4 *)flow);
    return action;
}

static __always_inline int slow_path6(void *ctx, const int xdp)
{
    struct slow s = {};
    struct flow_head *flow;
    struct flow_at6 at;
    struct flow6 *whole;
    enum slow_verdict verdict;
    int there, refused, action;

    if (!slow_start(ctx, xdp, &s, 1))
        return hook_pass(xdp);
    flow_key6(&at, &s.p, s.ifindex, s.control->seed);
    flow = flow_find(at.key, at.hash, bpf_get_smp_processor_id(), 1);
    there = flow != 0;
    refused = slow_is_refused(ctx, xdp, &s, flow, 1);
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
        flow = flow_take6(&at, flow, s.epoch, verdict == SLOW_FORWARD);
        if (!flow)
            return hook_pass(xdp);
        whole = (struct flow6 *)flow;
        slow_fill(xdp, &s, flow, there, verdict, 1);
        if (verdict == SLOW_FORWARD)
            slow_fill_forward(xdp, &s, flow, whole->source, whole->destination, 1);
        slow_publish(&s, flow, verdict, 1);
    }
    verdict = slow_settle(ctx, xdp, &s, verdict);
    if (verdict == SLOW_PASS && s.done)
        hook_hint(ctx, xdp, s.control, s.hint, s.in->zone);
    if (verdict != SLOW_FORWARD)
        return verdict == SLOW_DROP ? hook_drop(xdp) : hook_pass(xdp);
    if (slow_send(ctx, xdp, &s, flow->priority, &action))
        rewrite6(ctx, xdp, &s.p, (struct flow6 *)flow);
    return action;
}

#endif
