/* The maps of the fast path, and the two programs needed before any port has one (those of the
 * hooks: hooks.bpf.c).
 *
 * Note: without the kernel's types. A program with relocated accesses makes libbpf read the types
 * of the whole kernel, which takes longer than everything else here. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/hook.bpf.h"

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
