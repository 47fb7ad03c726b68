/* The programs: the fast path at native XDP and at tcx ingress, each with its slow half. One
 * implementation, two thin wrappers (`xdp` is the constant 1 or 0); the maps of fastpath.bpf.c are
 * shared, so an entry filled at one hook is valid at the other. They are loaded when a port needs
 * them (dataplane/hooks.c). */
/* clang-format off: the kernel's types come before its helpers */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
/* clang-format on */

#include "bpf/fast.bpf.h"
#include "bpf/slow.bpf.h"

SEC("xdp")
int orb_xdp_fast(struct xdp_md *ctx)
{
    return fast_path(ctx, 1);
}

SEC("xdp")
int orb_xdp_slow4(struct xdp_md *ctx)
{
    return slow_path4(ctx, 1);
}

SEC("xdp")
int orb_xdp_slow6(struct xdp_md *ctx)
{
    return slow_path6(ctx, 1);
}

SEC("tc")
int orb_tcx_fast(struct __sk_buff *ctx)
{
    return fast_path(ctx, 0);
}

SEC("tc")
int orb_tcx_slow4(struct __sk_buff *ctx)
{
    return slow_path4(ctx, 0);
}

SEC("tc")
int orb_tcx_slow6(struct __sk_buff *ctx)
{
    return slow_path6(ctx, 0);
}

char LICENSE[] SEC("license") = "GPL";
