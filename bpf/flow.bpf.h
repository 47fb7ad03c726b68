/* The flow cache: buckets of four ways, a part for each CPU, so nothing is shared or locked.
 * Positive entries use the first three ways, refusals and "not for the fast path" the fourth: a
 * scan evicts no flow in use. */
#ifndef BPF_FLOW_BPF_H
#define BPF_FLOW_BPF_H

#include "bpf/hook.bpf.h"

/* Interval at which one packet of each flow takes the kernel's path in any case. */
#define FLOW_PUNT_S 32
/* So long an entry is believed where something may make it wrong without an event: that is obeyed
 * within 100 ms, a tick of the slowest clock included. Else a second. */
#define FLOW_FRESH_MS 90

const volatile __u32 processors = 1; /* as many parts have the caches */

struct flow_at4 {
    __u64 key[2];
    __u32 hash;
};

struct flow_at6 {
    __u64 key[5];
    __u32 hash;
};

static __always_inline __u64 flow_mix(__u64 h, __u64 word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15ull;
    return h ^ h >> 32;
}

static __always_inline __u64 flow_where(const struct packet *p, __u32 ifindex)
{
    return (__u64)p->ports << 32 | (__u64)p->protocol << 24 | (ifindex & 0xffffff);
}

/* seed is random for each creation of the map: a sender cannot aim at one bucket. */
static __always_inline void flow_key4(struct flow_at4 *at, const struct packet *p, __u32 ifindex,
                                      __u64 seed)
{
    at->key[0] = (__u64)p->ip4->saddr << 32 | p->ip4->daddr;
    at->key[1] = flow_where(p, ifindex);
    at->hash = flow_mix(flow_mix(flow_mix(seed, at->key[0]), at->key[1]), seed >> 32) >> 20;
}

static __always_inline void flow_key6(struct flow_at6 *at, const struct packet *p, __u32 ifindex,
                                      __u64 seed)
{
    const __u32 *address = (const __u32 *)&p->ip6->saddr;
    __u64 h = seed;

#pragma unroll
    for (int i = 0; i < 4; i++) {
        at->key[i] = (__u64)address[i * 2] << 32 | address[i * 2 + 1];
        h = flow_mix(h, at->key[i]);
    }
    at->key[4] = flow_where(p, ifindex);
    at->hash = flow_mix(flow_mix(h, at->key[4]), seed >> 32) >> 20;
}

/* The same for an answer to a sent packet: source and destination, ports as in `where`. */
static __always_inline void flow_answer4(struct flow_at4 *at, const __u32 *source,
                                         const __u32 *destination, __u64 where, __u64 seed)
{
    at->key[0] = (__u64)destination[0] << 32 | source[0];
    at->key[1] = where;
    at->hash = flow_mix(flow_mix(flow_mix(seed, at->key[0]), at->key[1]), seed >> 32) >> 20;
}

static __always_inline void flow_answer6(struct flow_at6 *at, const __u32 *source,
                                         const __u32 *destination, __u64 where, __u64 seed)
{
    __u64 h = seed;

#pragma unroll
    for (int i = 0; i < 4; i++) {
        const __u32 *address = i < 2 ? destination + i * 2 : source + (i - 2) * 2;

        at->key[i] = (__u64)address[0] << 32 | address[1];
        h = flow_mix(h, at->key[i]);
    }
    at->key[4] = where;
    at->hash = flow_mix(flow_mix(h, at->key[4]), seed >> 32) >> 20;
}

static __always_inline struct bucket4 *flow_bucket4(const struct flow_at4 *at)
{
    __u32 index =
        bpf_get_smp_processor_id() * ABI_FLOW4_BUCKETS + (at->hash & (ABI_FLOW4_BUCKETS - 1));

    return bpf_map_lookup_elem(&flows4, &index);
}

static __always_inline struct bucket6 *flow_bucket6(const struct flow_at6 *at)
{
    __u32 index =
        bpf_get_smp_processor_id() * ABI_FLOW6_BUCKETS + (at->hash & (ABI_FLOW6_BUCKETS - 1));

    return bpf_map_lookup_elem(&flows6, &index);
}

static __always_inline struct flow4 *flow_find4(struct bucket4 *b, const struct flow_at4 *at)
{
    if (b->key[0][0] == at->key[0] && b->key[0][1] == at->key[1])
        return &b->flow[0];
    if (b->key[1][0] == at->key[0] && b->key[1][1] == at->key[1])
        return &b->flow[1];
    if (b->key[2][0] == at->key[0] && b->key[2][1] == at->key[1])
        return &b->flow[2];
    if (b->key[3][0] == at->key[0] && b->key[3][1] == at->key[1])
        return &b->flow[3];
    return 0;
}

static __always_inline int flow_same6(const __u64 *a, const __u64 *b)
{
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4];
}

static __always_inline struct flow6 *flow_find6(struct bucket6 *b, const struct flow_at6 *at)
{
    if (flow_same6(b->key[0], at->key))
        return &b->flow[0];
    if (flow_same6(b->key[1], at->key))
        return &b->flow[1];
    if (flow_same6(b->key[2], at->key))
        return &b->flow[2];
    if (flow_same6(b->key[3], at->key))
        return &b->flow[3];
    return 0;
}

/* For bpf_loop: makes the entry in the processor's part stale. Its key's bucket is the same in each
 * part. A processor that fills it concurrently has looked at conntrack before; that entry is valid
 * for a short time only. */
static long flow_forget4(__u32 processor, struct flow_at4 *at)
{
    __u32 index = processor * ABI_FLOW4_BUCKETS + (at->hash & (ABI_FLOW4_BUCKETS - 1));
    struct bucket4 *bucket = bpf_map_lookup_elem(&flows4, &index);
    struct flow4 *flow = bucket ? flow_find4(bucket, at) : 0;

    if (flow)
        flow->head.epoch = 0;
    return 0;
}

static long flow_forget6(__u32 processor, struct flow_at6 *at)
{
    __u32 index = processor * ABI_FLOW6_BUCKETS + (at->hash & (ABI_FLOW6_BUCKETS - 1));
    struct bucket6 *bucket = bpf_map_lookup_elem(&flows6, &index);
    struct flow6 *flow = bucket ? flow_find6(bucket, at) : 0;

    if (flow)
        flow->head.epoch = 0;
    return 0;
}

/* jiffies wrap; compares by difference. */
static __always_inline int flow_over(__u32 moment)
{
    return (__s32)((__u32)bpf_jiffies64() - moment) > 0;
}

static __always_inline __u32 flow_next_punt(void)
{
    return (__u32)bpf_jiffies64() + FLOW_PUNT_S * jiffies_per_second;
}

static __always_inline __u32 flow_fresh(void)
{
    return FLOW_FRESH_MS * jiffies_per_second / 1000;
}

static __always_inline int flow_is_stale(const struct flow_head *f, __u32 epoch)
{
    return f->epoch != epoch || flow_over(f->refresh);
}

/* A way for a new key: one of the first three that is stale, else one of them by the hash; for what
 * is not sent the fourth. */
static __always_inline __u64 flow_way(const struct flow_head *first, const struct flow_head *second,
                                      const struct flow_head *third, __u32 epoch, int positive,
                                      __u32 hash)
{
    __u64 way;

    if (flow_is_stale(first, epoch))
        way = 0;
    else if (flow_is_stale(second, epoch))
        way = 1;
    else if (flow_is_stale(third, epoch))
        way = 2;
    else
        way = (hash >> 28) * 3 >> 4;
    if (!positive)
        way = 3;
    /* The compiler derives that it is below 4 and drops a plain &; the verifier does not. */
    asm volatile("%0 &= 3" : "+r"(way));
    return way;
}

/* The place of a new key, whose entry is not valid until it has an epoch. */
static __always_inline struct flow4 *flow_new4(struct bucket4 *b, const struct flow_at4 *at,
                                               __u32 epoch, int positive)
{
    __u64 way =
        flow_way(&b->flow[0].head, &b->flow[1].head, &b->flow[2].head, epoch, positive, at->hash);
    struct flow4 *flow = &b->flow[way];

    flow->head.epoch = 0;
    __builtin_memcpy(b->key[way], at->key, sizeof(at->key));
    return flow;
}

static __always_inline struct flow6 *flow_new6(struct bucket6 *b, const struct flow_at6 *at,
                                               __u32 epoch, int positive)
{
    __u64 way =
        flow_way(&b->flow[0].head, &b->flow[1].head, &b->flow[2].head, epoch, positive, at->hash);
    struct flow6 *flow = &b->flow[way];

    flow->head.epoch = 0;
    __builtin_memcpy(b->key[way], at->key, sizeof(at->key));
    return flow;
}

#endif
