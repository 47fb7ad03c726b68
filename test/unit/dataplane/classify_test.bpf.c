/* The BPF half of the classifier alone: each run classifies the next key of a trace. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/classify.bpf.h"

#define TRACE 16384

struct inner {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(key_size, 4);
    __uint(value_size, CLASSIFY_BLOB_BYTES);
};
struct inner blob SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, __u32);
    __array(values, struct inner);
} rules SEC(".maps") = {.values = {&blob}};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, TRACE);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct classify_key6);
} trace SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, TRACE);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, __u64);
} results SEC(".maps");

__u32 next, mask = TRACE - 1;
__u64 sink;

static __always_inline void *current_blob(void)
{
    __u32 zero = 0;
    void *map = bpf_map_lookup_elem(&rules, &zero);

    return map ? bpf_map_lookup_elem(map, &zero) : 0;
}

/* What the measurement itself costs. */
SEC("xdp") int nothing(struct xdp_md *ctx)
{
    __u32 at = next++ & mask;
    struct classify_key6 *key = bpf_map_lookup_elem(&trace, &at);

    if (key)
        sink = key->source_hi ^ key->source_lo;
    return XDP_PASS;
}

/* IPv4 keys use the same place, in the low halves. */
static __always_inline int run(__u32 family)
{
    __u32 at = next++ & mask, slot;
    struct classify_key6 *key = bpf_map_lookup_elem(&trace, &at);
    __u64 *result = bpf_map_lookup_elem(&results, &at);
    struct classify_rule rule;
    void *data = current_blob();

    if (!key || !result || !data)
        return XDP_ABORTED;
    if (family == 0) {
        struct classify_key4 four = {.source = (__u32)key->source_lo,
                                     .destination = (__u32)key->destination_lo,
                                     .source_port = key->source_port,
                                     .destination_port = key->destination_port,
                                     .protocol = key->protocol,
                                     .zone_from = key->zone_from,
                                     .zone_to = key->zone_to};

        slot = classify4(data, CLASSIFY_NEW, &four);
    } else {
        slot = classify6(data, CLASSIFY_NEW, key);
    }
    *result = classify_rule(data, slot, &rule) ? (__u64)rule.id << 8 | rule.action << 4 | rule.flags
                                               : ~0ull;
    return XDP_PASS;
}

SEC("xdp") int four(struct xdp_md *ctx)
{
    return run(0);
}

SEC("xdp") int six(struct xdp_md *ctx)
{
    return run(1);
}

char _license[] SEC("license") = "GPL";
