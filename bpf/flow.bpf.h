/* The flow cache. A small table leads from a hash to entries, which are taken one after another: a
 * flow gets a new one when it is checked again, each second, so those in use are side by side and
 * thousands of them fit into the processor's caches. A part for each CPU, so nothing is shared or
 * locked. What is not sent (refusals, "not for the fast path") has entries and a way of its own: a
 * scan evicts no flow in use.
 *
 * Note: hits are counted in the entry, and go to the counters when it is filled again or taken by
 * another flow. User space adds those still here (dataplane/hits.c). */
#ifndef BPF_FLOW_BPF_H
#define BPF_FLOW_BPF_H

#include "bpf/hook.bpf.h"

/* Interval at which one packet of each flow takes the kernel's path in any case. */
#define FLOW_PUNT_S 32
/* So long an entry is believed where something may make it wrong without an event: that is obeyed
 * within 100 ms, a tick of the slowest clock included. Else a second. */
#define FLOW_FRESH_MS 90

const volatile __u32 processors = 1; /* as many parts have the caches */

/* hash: 30 bits, of which 14 name the element of ways4 (ways6: 13), 16 the entry in it. */
struct flow_at4 {
    __u64 key[2];
    __u32 hash;
};

struct flow_at6 {
    __u64 key[5];
    __u32 hash;
};

#define FLOW_TAG(hash) ((hash) >> 14 << 16)

static __always_inline __u64 flow_mix(__u64 h, __u64 word)
{
    h = (h ^ word) * 0x9e3779b97f4a7c15ull;
    return h ^ h >> 32;
}

static __always_inline __u64 flow_where(const struct packet *p, __u32 ifindex)
{
    return (__u64)p->ports << 32 | (__u64)p->protocol << 24 | (ifindex & 0xffffff);
}

/* The last step of the hash: its upper bits depend on all. */
static __always_inline __u32 flow_hash(__u64 h, __u64 seed)
{
    return (h ^ seed >> 32) * 0x9e3779b97f4a7c15ull >> 34;
}

/* seed is random for each creation of the map: a sender cannot aim at one bucket. */
static __always_inline void flow_key4(struct flow_at4 *at, const struct packet *p, __u32 ifindex,
                                      __u64 seed)
{
    at->key[0] = (__u64)p->ip4->saddr << 32 | p->ip4->daddr;
    at->key[1] = flow_where(p, ifindex);
    at->hash = flow_hash(flow_mix(flow_mix(seed, at->key[0]), at->key[1]), seed);
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
    at->hash = flow_hash(flow_mix(h, at->key[4]), seed);
}

/* The same for an answer to a sent packet: source and destination, ports as in `where`. */
static __always_inline void flow_answer4(struct flow_at4 *at, const __u32 *source,
                                         const __u32 *destination, __u64 where, __u64 seed)
{
    at->key[0] = (__u64)destination[0] << 32 | source[0];
    at->key[1] = where;
    at->hash = flow_hash(flow_mix(flow_mix(seed, at->key[0]), at->key[1]), seed);
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
    at->hash = flow_hash(flow_mix(h, at->key[4]), seed);
}

static __always_inline struct flow_ways *flow_ways(__u32 hash, __u32 processor, const int v6)
{
    __u32 index = v6 ? processor * ABI_FLOW6_BUCKETS + (hash & (ABI_FLOW6_BUCKETS - 1))
                     : processor * ABI_FLOW4_BUCKETS + (hash & (ABI_FLOW4_BUCKETS - 1));

    return v6 ? bpf_map_lookup_elem(&ways6, &index) : bpf_map_lookup_elem(&ways4, &index);
}

static __always_inline struct flow_head *flow_entry(__u32 place, __u32 processor, const int v6)
{
    __u32 index = processor * (v6 ? ABI_FLOW6_ENTRIES : ABI_FLOW4_ENTRIES) + place;

    return v6 ? bpf_map_lookup_elem(&flows6, &index) : bpf_map_lookup_elem(&flows4, &index);
}

static __always_inline int flow_is_of(const struct flow_head *f, const __u64 *at, const int v6)
{
    const __u64 *key = v6 ? ((const struct flow6 *)f)->key : ((const struct flow4 *)f)->key;

    return key[0] == at[0] && key[1] == at[1] &&
           (!v6 || (key[2] == at[2] && key[3] == at[3] && key[4] == at[4]));
}

static __always_inline struct flow_head *flow_find(const __u64 *key, __u32 hash, __u32 processor,
                                                   const int v6)
{
    const struct flow_ways *ways = flow_ways(hash, processor, v6);
    __u32 tag = FLOW_TAG(hash), place;
    struct flow_head *f;

    if (!ways)
        return 0;
    place = ways->way[0] ^ tag;
    if (place >> 16)
        place = ways->way[1] ^ tag;
    if (place >> 16)
        place = ways->way[2] ^ tag;
    if (place >> 16)
        place = ways->way[3] ^ tag;
    if (place >> 16)
        return 0;
    f = flow_entry(place, processor, v6);
    return f && flow_is_of(f, key, v6) ? f : 0;
}

/* For bpf_loop: makes the entry in the processor's part stale. A processor that fills it
 * concurrently has looked at conntrack before; that entry is valid for a short time only. */
static long flow_forget4(__u32 processor, struct flow_at4 *at)
{
    struct flow_head *f = flow_find(at->key, at->hash, processor, 0);

    if (f)
        f->epoch = 0;
    return 0;
}

static long flow_forget6(__u32 processor, struct flow_at6 *at)
{
    struct flow_head *f = flow_find(at->key, at->hash, processor, 1);

    if (f)
        f->epoch = 0;
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

/* Adds the hits of an entry to the counters. Those of a rule that has left its slot since are not
 * counted, nor are those of an interface whose index is another port's by now. */
static __always_inline void flow_fold(struct flow_head *f, const int v6)
{
    const __u64 *key = v6 ? ((const struct flow6 *)f)->key : ((const struct flow4 *)f)->key;
    __u32 processor = bpf_get_smp_processor_id(), slot = f->counter & (ABI_COUNTERS - 1);
    __u32 port = f->port & (ABI_PORTS - 1);
    struct flow_next *next = bpf_map_lookup_elem(&flow_nexts, &processor);
    const struct fast_port *name = bpf_map_lookup_elem(&port_names, &port);
    const __u64 *owner = bpf_map_lookup_elem(&rule_ids, &slot);
    struct fast_stats *stats = hook_stats(port);
    __u64 hits = f->hits;

    if (!hits)
        return;
    *(volatile __u64 *)&f->hits = 0;
    if (next)
        next->folds++;
    if (owner && ABI_OWNER_COUNTS(*owner, f->since))
        hook_count(slot, ABI_HIT_PACKETS(hits), ABI_HIT_BYTES(hits));
    if (stats && name && name->ifindex == (key[v6 ? 4 : 1] & 0xffffff))
        stats->hits += ABI_HIT_PACKETS(hits);
}

/* 1: the way leads to an entry that another flow of this element uses. */
static __always_inline int flow_way_is_used(const struct flow_ways *ways, __u64 way, __u32 number,
                                            __u32 processor, __u32 epoch, const int v6)
{
    const struct flow_head *f = flow_entry((__u16)ways->way[way], processor, v6);

    return f && f->way == number && !flow_is_stale(f, epoch);
}

/* A way for a new key: one of the first three that leads to no entry in use, else one of them by
 * the hash; for what is not sent the fourth. first: the number of the element's first way. */
static __always_inline __u64 flow_way(const struct flow_ways *ways, __u32 hash, __u32 first,
                                      __u32 processor, __u32 epoch, int sent, const int v6)
{
    __u32 tag = FLOW_TAG(hash);
    __u64 way;

    if (!((ways->way[0] ^ tag) >> 16))
        way = 0;
    else if (!((ways->way[1] ^ tag) >> 16))
        way = 1;
    else if (!((ways->way[2] ^ tag) >> 16))
        way = 2;
    else if (!flow_way_is_used(ways, 0, first, processor, epoch, v6))
        way = 0;
    else if (!flow_way_is_used(ways, 1, first + 1, processor, epoch, v6))
        way = 1;
    else if (!flow_way_is_used(ways, 2, first + 2, processor, epoch, v6))
        way = 2;
    else
        way = (hash >> 26 & 15) * 3 >> 4;
    if (!sent)
        way = 3;
    /* The compiler derives that it is below 4 and drops a plain &; the verifier does not. */
    asm volatile("%0 &= 3" : "+r"(way));
    return way;
}

/* Where the next entry is taken from. */
static __always_inline __u32 *flow_next(struct flow_next *next, int sent, const int v6)
{
    if (v6)
        return sent ? &next->sent6 : &next->other6;
    return sent ? &next->sent4 : &next->other4;
}

/* The entry after place: those that are sent are the first ones, the last of all is no flow's. */
static __always_inline __u32 flow_after(__u32 place, int sent, const int v6)
{
    const __u32 first = v6 ? ABI_FLOW6_SENT : ABI_FLOW4_SENT;
    const __u32 last = (v6 ? ABI_FLOW6_ENTRIES : ABI_FLOW4_ENTRIES) - 1;

    place++;
    if (sent)
        return place < first ? place : 0;
    return place >= first && place < last ? place : first;
}

/* The entry to be filled for the key: the next one, or that of before (old, may be NULL) where the
 * next is in use or the flow is not sent. If all are in use, most flows are not kept: theirs is an
 * entry to which no way leads. It is not valid until it has an epoch; its hits are counted. */
static __always_inline struct flow_head *
flow_take(const __u64 *key, __u32 hash, struct flow_head *old, __u32 epoch, int sent, const int v6)
{
    const __u32 none = (v6 ? ABI_FLOW6_ENTRIES : ABI_FLOW4_ENTRIES) - 1;
    __u32 processor = bpf_get_smp_processor_id(), first, place, *next;
    struct flow_next *nexts = bpf_map_lookup_elem(&flow_nexts, &processor);
    struct flow_ways *ways = flow_ways(hash, processor, v6);
    struct flow_head *f;
    __u64 way;

    if (old)
        flow_fold(old, v6);
    if (!nexts || !ways || (old && !sent))
        return old;
    next = flow_next(nexts, sent, v6);
    place = flow_after(*next, sent, v6);
    f = flow_entry(place, processor, v6);
    if (!f)
        return old;
    if (sent && !flow_is_stale(f, epoch)) {
        if (old)
            return old;
        if (bpf_get_prandom_u32() & 7)
            return flow_entry(none, processor, v6);
    }
    *next = place;
    flow_fold(f, v6);
    f->epoch = 0;
    first = (hash & ((v6 ? ABI_FLOW6_BUCKETS : ABI_FLOW4_BUCKETS) - 1)) * ABI_WAYS;
    way = old && (old->way & 3) != 3 ? old->way & 3
                                     : flow_way(ways, hash, first, processor, epoch, sent, v6);
    asm volatile("%0 &= 3" : "+r"(way));
    if (old) {
        f->punt = old->punt;
        old->epoch = 0;
    }
    f->way = first + way;
    if (v6)
        __builtin_memcpy(((struct flow6 *)f)->key, key, 40);
    else
        __builtin_memcpy(((struct flow4 *)f)->key, key, 16);
    ways->way[way] = FLOW_TAG(hash) | (place & 0xffff);
    return f;
}

/* Functions of their own: the slow programs have no room on the stack for what these need. */
static __attribute__((noinline)) struct flow_head *
flow_take4(const struct flow_at4 *at, struct flow_head *old, __u32 epoch, int sent)
{
    return flow_take(at->key, at->hash, old, epoch, sent, 0);
}

static __attribute__((noinline)) struct flow_head *
flow_take6(const struct flow_at6 *at, struct flow_head *old, __u32 epoch, int sent)
{
    return flow_take(at->key, at->hash, old, epoch, sent, 1);
}

#endif
