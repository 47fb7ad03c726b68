/* The hit: parse, find the flow, rewrite, send. All other packets are left alone: a flow that is
 * not in the cache (or is refused, or must be checked again) is passed to the slow program by tail
 * call, everything else to the kernel. */
#ifndef BPF_FAST_BPF_H
#define BPF_FAST_BPF_H

#include "bpf/flow.bpf.h"
#include "bpf/rewrite.bpf.h"

#define FAST_SLOW (-100) /* no verdict of a hook: the slow program decides */

/* Whether the entry is valid, so that the packet is sent or left to the kernel without conntrack. f
 * may be NULL. */
static __always_inline int fast_is_valid(const struct flow_head *f, __u8 tos,
                                         const struct fast_control *control)
{
    return f && f->tos == tos && !flow_is_stale(f, control->epoch) &&
           !(f->flags & (FLOW_DROP | FLOW_LABEL));
}

/* The packet may be rewritten and sent by its entry. */
static __always_inline int fast_sends(void *ctx, const int xdp, const struct packet *p,
                                      const struct flow_head *f)
{
    return !(f->flags & (xdp ? FLOW_PASS : FLOW_PASS | FLOW_XDP)) && !p->special &&
           hook_is_ours(xdp, p, f->own) && hook_fits(ctx, xdp, p, f->mtu) && !flow_over(f->punt);
}

/* Leaves the packet to the kernel, counted. */
static __always_inline int fast_pass(const int xdp, struct flow_head *f)
{
    struct fast_stats *stats = hook_stats(f->port);

    if (stats)
        stats->passed++;
    /* The hook that sends checks the time; packets passed by the other one reach it. */
    if ((xdp ? 1 : 0) == ((f->flags & FLOW_XDP) != 0) && flow_over(f->punt))
        f->punt = flow_next_punt();
    return hook_pass(xdp);
}

/* Selects where the packet is sent, and counts it. ret_action: result of the program. 0: it is not
 * sent. */
static __always_inline int fast_send(void *ctx, const int xdp, const struct packet *p,
                                     struct flow_head *f, int *ret_action)
{
    if (xdp) {
        *ret_action = bpf_redirect_map(&devices, f->redirect, XDP_PASS);
        if (*ret_action != XDP_REDIRECT)
            return 0;
    } else {
        hook_priority(ctx, xdp, f->priority);
        *ret_action = bpf_redirect(f->oif, 0);
    }
    f->hits += ABI_HIT(p->length);
    return 1;
}

/* What the program returns, or FAST_SLOW. */
static __always_inline int fast_path4(void *ctx, const int xdp, struct packet *p,
                                      const struct fast_control *control, __u32 ifindex)
{
    struct flow_head *flow;
    struct flow_at4 at;
    int action;

    flow_key4(&at, p, ifindex, control->seed);
    flow = flow_find(at.key, at.hash, bpf_get_smp_processor_id(), 0);
    if (!fast_is_valid(flow, hook_tos4(p), control))
        return FAST_SLOW;
    if (!fast_sends(ctx, xdp, p, flow))
        return p->special & PARSE_ENDS ? FAST_SLOW : fast_pass(xdp, flow);
    if (fast_send(ctx, xdp, p, flow, &action))
        rewrite4(ctx, xdp, p, (struct flow4 *)flow);
    return action;
}

static __always_inline int fast_path6(void *ctx, const int xdp, struct packet *p,
                                      const struct fast_control *control, __u32 ifindex)
{
    struct flow_head *flow;
    struct flow_at6 at;
    int action;

    flow_key6(&at, p, ifindex, control->seed);
    flow = flow_find(at.key, at.hash, bpf_get_smp_processor_id(), 1);
    if (!fast_is_valid(flow, hook_tos6(p), control))
        return FAST_SLOW;
    if (!fast_sends(ctx, xdp, p, flow))
        return p->special & PARSE_ENDS ? FAST_SLOW : fast_pass(xdp, flow);
    if (fast_send(ctx, xdp, p, flow, &action))
        rewrite6(ctx, xdp, p, (struct flow6 *)flow);
    return action;
}

static __always_inline int fast_path(void *ctx, const int xdp)
{
    const struct fast_control *control = hook_control();
    __u32 ifindex = hook_ifindex(ctx, xdp);
    enum parse_result family;
    int pass = hook_pass(xdp), action = FAST_SLOW;
    struct packet p;
    __u32 room;

    /* Unknown to the compiler, which would load the constant again before each branch. */
    asm volatile("" : "+r"(pass));
    /* The daemon no longer watches foreign state: all packets are left to the kernel. */
    if (!control || !control->enabled || flow_over(control->until))
        return pass;
    if (!xdp && hook_hinted(ctx, control))
        return pass;
    family = hook_family(ctx, xdp, &p, &room);
    /* Parsed for each family by itself, whose values then stay in registers. */
    if (family == PARSE_IP4 && parse_rest(&p, PARSE_IP4, room) != PARSE_OTHER)
        action = fast_path4(ctx, xdp, &p, control, ifindex);
    else if (family == PARSE_IP6 && parse_rest(&p, PARSE_IP6, room) != PARSE_OTHER)
        action = fast_path6(ctx, xdp, &p, control, ifindex);
    else
        return pass;
    if (action != FAST_SLOW)
        return action;
    if (xdp)
        bpf_tail_call(ctx, &slow_xdp, family == PARSE_IP6);
    else
        bpf_tail_call(ctx, &slow_tcx, family == PARSE_IP6);
    return pass;
}

#endif
