/* Reads the counters of the fast path. The programs count a hit in the flow's entry and move what
 * is there to the counters when they fill it again (flow_fold), so both are added here.
 *
 * Note: the maps of entries are mapped for this only. The kernel charges mapped pages to the
 * process, and these are some megabytes for each CPU. */
#include "dataplane/hits.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/libbpf.h>

#include "bpf/fastpath.skel.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/dataplane_internal.h"

#define TRIES 4
#define PREFETCH 40 /* entries ahead: a scan waits for memory otherwise */

/* The entries of all CPUs, mapped. */
struct entries {
    void *flows4, *flows6;
    struct flow_next *nexts;
    size_t flows4_size, flows6_size, nexts_size;
};

static void *map_part(const struct bpf_map *map, size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static inline void own_entries(struct entries *entries)
{
    if (entries->flows4)
        munmap(entries->flows4, entries->flows4_size);
    if (entries->flows6)
        munmap(entries->flows6, entries->flows6_size);
    if (entries->nexts)
        munmap(entries->nexts, entries->nexts_size);
}

static int map_entries(const struct dataplane *dp, struct entries *entries, struct orb_err *err)
{
    size_t cpus = (size_t)dp->cpus;

    entries->flows4_size = cpus * ABI_FLOW4_ENTRIES * sizeof(struct flow4);
    entries->flows6_size = cpus * ABI_FLOW6_ENTRIES * sizeof(struct flow6);
    entries->nexts_size = cpus * sizeof(struct flow_next);
    entries->flows4 = map_part(dp->programs->maps.flows4, entries->flows4_size);
    entries->flows6 = map_part(dp->programs->maps.flows6, entries->flows6_size);
    entries->nexts = map_part(dp->programs->maps.flow_nexts, entries->nexts_size);
    if (!entries->flows4 || !entries->flows6 || !entries->nexts)
        return orb_fail(err, -errno, "mapping the flow cache");
    return 0;
}

/* As flow_fold. */
static void add_entry(const struct dataplane *dp, const struct flow_head *head, uint32_t ifindex,
                      struct hits *hits)
{
    uint64_t found = __atomic_load_n(&head->hits, __ATOMIC_RELAXED);
    uint32_t slot = head->counter % ABI_COUNTERS, port = head->port % ABI_PORTS;

    if (!found)
        return;
    if (ABI_OWNER_COUNTS(dp->rule_ids[slot], head->since)) {
        hits->rules[slot].packets += ABI_HIT_PACKETS(found);
        hits->rules[slot].bytes += ABI_HIT_BYTES(found);
    }
    if (dp->port_names[port].ifindex == ifindex)
        hits->ports[port] += ABI_HIT_PACKETS(found);
}

/* Entries of one family and CPU. */
struct ring {
    const char *memory;
    size_t size, key;     /* of an entry; where its key is */
    unsigned interface;   /* which part of the key has the interface */
    uint32_t sent, count; /* entries of flows that are sent, which are the first ones; all */
};

static const struct flow_head *entry_at(const struct ring *ring, uint32_t place)
{
    return (const struct flow_head *)(ring->memory + place * ring->size);
}

static const uint64_t *key_at(const struct ring *ring, uint32_t place)
{
    return (const uint64_t *)(ring->memory + place * ring->size + ring->key);
}

/* The places from first to end, of which taken was taken last. As they are taken in turn, none
 * behind it was ever used as long as the next one was not. */
static void add_places(const struct dataplane *dp, const struct ring *ring, uint32_t first,
                       uint32_t end, uint32_t taken, struct hits *hits)
{
    if (taken < first)
        taken = first;
    if (taken + 1 < end && !key_at(ring, taken + 1)[0] && !key_at(ring, taken + 1)[1])
        end = taken + 1;
    for (uint32_t i = first; i < end; i++) {
        __builtin_prefetch(&entry_at(ring, i + PREFETCH < end ? i + PREFETCH : i)->hits);
        if (__atomic_load_n(&entry_at(ring, i)->hits, __ATOMIC_RELAXED)) /* the key is elsewhere */
            add_entry(dp, entry_at(ring, i), key_at(ring, i)[ring->interface] & 0xffffff, hits);
    }
}

/* The last entry is that of packets whose flow is not kept. */
static void add_ring(const struct dataplane *dp, const struct ring *ring, uint32_t sent,
                     uint32_t other, struct hits *hits)
{
    add_places(dp, ring, 0, ring->sent, sent, hits);
    add_places(dp, ring, ring->sent, ring->count - 1, other, hits);
    add_places(dp, ring, ring->count - 1, ring->count, ring->count - 1, hits);
}

static void add_entries(const struct dataplane *dp, const struct entries *entries, int cpu,
                        struct hits *hits)
{
    const struct flow_next *next = &entries->nexts[cpu];
    const struct flow4 *four = (struct flow4 *)entries->flows4 + (size_t)cpu * ABI_FLOW4_ENTRIES;
    const struct flow6 *six = (struct flow6 *)entries->flows6 + (size_t)cpu * ABI_FLOW6_ENTRIES;
    const struct ring ring4 = {(const char *)four, sizeof(*four),    offsetof(struct flow4, key), 1,
                               ABI_FLOW4_SENT,     ABI_FLOW4_ENTRIES};
    const struct ring ring6 = {(const char *)six, sizeof(*six),     offsetof(struct flow6, key), 4,
                               ABI_FLOW6_SENT,    ABI_FLOW6_ENTRIES};

    add_ring(dp, &ring4, __atomic_load_n(&next->sent4, __ATOMIC_RELAXED),
             __atomic_load_n(&next->other4, __ATOMIC_RELAXED), hits);
    add_ring(dp, &ring6, __atomic_load_n(&next->sent6, __ATOMIC_RELAXED),
             __atomic_load_n(&next->other6, __ATOMIC_RELAXED), hits);
}

static void add_counters(const struct dataplane *dp, int cpu, struct hits *hits)
{
    const struct fast_counter *counters = &dp->counters[(size_t)cpu * ABI_COUNTERS];
    const struct fast_stats *stats = &dp->stats[(size_t)cpu * ABI_PORTS];

    for (size_t i = 0; i < ABI_COUNTERS; i++) {
        hits->rules[i].packets += __atomic_load_n(&counters[i].packets, __ATOMIC_RELAXED);
        hits->rules[i].bytes += __atomic_load_n(&counters[i].bytes, __ATOMIC_RELAXED);
    }
    for (size_t i = 0; i < ABI_PORTS; i++)
        hits->ports[i] += __atomic_load_n(&stats[i].hits, __ATOMIC_RELAXED);
}

static void add_all(struct hits *to, const struct hits *from)
{
    for (size_t i = 0; i < ABI_COUNTERS; i++) {
        to->rules[i].packets += from->rules[i].packets;
        to->rules[i].bytes += from->rules[i].bytes;
    }
    for (size_t i = 0; i < ABI_PORTS; i++)
        to->ports[i] += from->ports[i];
}

/* The counters first: what moves there meanwhile is missing, never counted twice. Then it is read
 * again, since a flow with many packets may be among them. */
static void read_cpu(const struct dataplane *dp, const struct entries *entries, int cpu,
                     struct hits *part)
{
    const uint32_t *folds = &entries->nexts[cpu].folds;
    uint32_t before;

    for (int i = 0; i < TRIES; i++) {
        before = __atomic_load_n(folds, __ATOMIC_SEQ_CST);
        memset(part, 0, sizeof(*part));
        add_counters(dp, cpu, part);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        add_entries(dp, entries, cpu, part);
        if (__atomic_load_n(folds, __ATOMIC_SEQ_CST) == before)
            return;
    }
}

int hits_read(const struct dataplane *dp, struct hits **ret_hits, struct orb_err *err)
{
    AUTO_FREE struct hits *all = xcalloc(1, sizeof(*all)), *part = NULL;
    AUTO(entries) struct entries entries = {0};
    int r = dp->programs && dp->counters ? map_entries(dp, &entries, err) : 1;

    if (r < 0)
        return r;
    if (!r)
        part = xcalloc(1, sizeof(*part));
    for (int cpu = 0; !r && cpu < dp->cpus; cpu++) {
        read_cpu(dp, &entries, cpu, part);
        add_all(all, part);
    }
    *ret_hits = take_ptr(all);
    return 0;
}
