/* The programs: the fast path at native XDP and at tcx ingress, each with its slow half. One
 * implementation, two thin wrappers (`xdp` is the constant 1 or 0); the maps are shared, so an
 * entry filled at one hook is good at the other. */
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

/* Given to veth ports whose redirects are tried (dataplane/port.c): sends the test frame out. */
SEC("xdp")
int orb_probe(struct xdp_md *ctx)
{
    __u8 *byte = (void *)(long)ctx->data;

    if ((void *)(byte + 16) > (void *)(long)ctx->data_end)
        return XDP_DROP;
    return bpf_redirect_map(&devices, byte[14] | (__u32)byte[15] << 8, XDP_DROP);
}

/* The daemon runs it after it has read the kernel's events. */
SEC("syscall")
int orb_beat(void *ctx)
{
    struct fast_control *control = hook_control();

    if (control)
        control->until = (__u32)bpf_jiffies64() + jiffies_per_second * ABI_ALIVE_MS / 1000;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
