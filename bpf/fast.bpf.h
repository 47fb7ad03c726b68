/* The hit: parse, find the flow, rewrite, send. A packet that is not certainly that is left alone:
 * a flow the cache does not know (or knows as refused, or must ask about again) goes to the slow
 * program by tail call, everything else to the kernel. */
#ifndef BPF_FAST_BPF_H
#define BPF_FAST_BPF_H

#include "bpf/flow.bpf.h"
#include "bpf/rewrite.bpf.h"

/* The checks both families share, and the sending. Evaluates to nothing when the packet may be
 * rewritten; verdict is then what the program returns. */
#define FAST_CHECKS(ctx, xdp, p, f, tos_now, control, verdict)                                     \
    do {                                                                                           \
        if (!(f) || (f)->epoch != (control)->epoch || flow_over((f)->refresh) ||                   \
            ((f)->flags & (FLOW_DROP | FLOW_LABEL)) || (f)->tos != (tos_now))                      \
            goto slow;                                                                             \
        if (((f)->flags & ((xdp) ? FLOW_PASS : FLOW_PASS | FLOW_XDP)) || (p)->special ||           \
            !hook_is_ours(xdp, p, (f)->own) || !hook_fits(ctx, xdp, p, (f)->mtu) ||                \
            flow_over((f)->punt)) {                                                                \
            struct fast_stats *s_;                                                                 \
            if ((p)->special & PARSE_ENDS)                                                         \
                goto slow;                                                                         \
            s_ = hook_stats((f)->port);                                                            \
            if (s_)                                                                                \
                s_->passed++;                                                                      \
            /* The hook that sends counts the time; the other one's pass goes to it. */            \
            if (((xdp) ? 1 : 0) == (((f)->flags & FLOW_XDP) != 0) && flow_over((f)->punt))         \
                (f)->punt = flow_next_punt();                                                      \
            return hook_pass(xdp);                                                                 \
        }                                                                                          \
        if (xdp) {                                                                                 \
            (verdict) = bpf_redirect_map(&devices, (f)->redirect, XDP_PASS);                       \
            if ((verdict) != XDP_REDIRECT)                                                         \
                return XDP_PASS;                                                                   \
        } else {                                                                                   \
            hook_priority(ctx, xdp, (f)->priority);                                                \
            (verdict) = bpf_redirect((f)->oif, 0);                                                 \
        }                                                                                          \
        hook_count((f)->counter, (p)->length);                                                     \
        {                                                                                          \
            struct fast_stats *s_ = hook_stats((f)->port);                                         \
            if (s_)                                                                                \
                s_->hits++;                                                                        \
        }                                                                                          \
    } while (0)

static __always_inline int fast_path(void *ctx, const int xdp)
{
    struct fast_control *control = hook_control();
    __u32 ifindex = hook_ifindex(ctx, xdp);
    enum parse_result family;
    struct packet p;
    int verdict;

    /* The daemon no longer watches what else decides: everything is the kernel's. */
    if (!control || !control->enabled || flow_over(control->until))
        return hook_pass(xdp);
    family = hook_parse(ctx, xdp, &p);
    if (family == PARSE_IP4) {
        struct bucket4 *bucket;
        struct flow_at4 at;
        struct flow4 *flow;

        flow_key4(&at, &p, ifindex, control->seed);
        bucket = flow_bucket4(&at);
        if (!bucket)
            return hook_pass(xdp);
        flow = flow_find4(bucket, &at);
        FAST_CHECKS(ctx, xdp, &p, flow, hook_tos4(&p), control, verdict);
        rewrite4(ctx, xdp, &p, flow);
        return verdict;
    }
    if (family == PARSE_IP6) {
        struct bucket6 *bucket;
        struct flow_at6 at;
        struct flow6 *flow;

        flow_key6(&at, &p, ifindex, control->seed);
        bucket = flow_bucket6(&at);
        if (!bucket)
            return hook_pass(xdp);
        flow = flow_find6(bucket, &at);
        FAST_CHECKS(ctx, xdp, &p, flow, hook_tos6(&p), control, verdict);
        rewrite6(ctx, xdp, &p, flow);
        return verdict;
    }
    return hook_pass(xdp);
slow:
    if (xdp)
        bpf_tail_call(ctx, &slow_xdp, family == PARSE_IP6);
    else
        bpf_tail_call(ctx, &slow_tcx, family == PARSE_IP6);
    return hook_pass(xdp);
}

#endif
