/* From "rule i matches [a, b]" to "between here and there these rules match", in one pass over the
 * sorted edges, and from there to the tables the fast path reads. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/classify_internal.h"

static void add_edge(struct classify_edges *edges, struct classify_edge edge)
{
    if (edges->count == edges->cap) {
        edges->cap = edges->cap ? edges->cap * 2 : 256;
        edges->items = xrealloc(edges->items, edges->cap * sizeof(*edges->items));
    }
    edges->items[edges->count++] = edge;
}

void classify_sweep_edges_add(struct classify_edges *edges, uint32_t slot, const uint64_t lo[2],
                              const uint64_t hi[2], const uint64_t last[2])
{
    add_edge(edges, (struct classify_edge){lo[0], lo[1], slot, true});
    if (hi[0] != last[0] || hi[1] != last[1])
        add_edge(edges,
                 (struct classify_edge){hi[0] + (hi[1] == UINT64_MAX), hi[1] + 1, slot, false});
}

uint32_t classify_sweep_edges_share(struct classify_edges *edges, const struct policy_group *group,
                                    uint32_t slot, bool *ret_new)
{
    struct classify_slots *shared;
    uint32_t i = 0;

    while (i < edges->shared_count && edges->shared[i].group != group)
        i++;
    *ret_new = i == edges->shared_count;
    if (*ret_new) {
        edges->shared = xrealloc(edges->shared, (i + 1) * sizeof(*edges->shared));
        edges->shared[edges->shared_count++] = (struct classify_slots){.group = group};
    }
    shared = &edges->shared[i];
    shared->slots = xrealloc(shared->slots, (shared->count + 1) * sizeof(*shared->slots));
    shared->slots[shared->count++] = slot;
    return i;
}

void classify_sweep_edges_fini(struct classify_edges *edges)
{
    for (uint32_t i = 0; i < edges->shared_count; i++)
        free(edges->shared[i].slots);
    free(edges->shared);
    free(edges->items);
}

static void flip(struct classify_cursor *cursor, const struct classify_edges *edges,
                 const struct classify_edge *edge)
{
    const struct classify_slots *shared;

    if (!(edge->slot & CLASSIFY_SHARED)) {
        classify_rows_cursor_flip(cursor, edge->slot, edge->on);
        return;
    }
    shared = &edges->shared[edge->slot & ~CLASSIFY_SHARED];
    for (uint32_t i = 0; i < shared->count; i++)
        classify_rows_cursor_flip(cursor, shared->slots[i], edge->on);
}

static int compare_edges(const void *a, const void *b)
{
    const struct classify_edge *x = a, *y = b;

    if (x->hi != y->hi)
        return x->hi < y->hi ? -1 : 1;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* Those of one group alone are. */
static bool in_order(const struct classify_edges *edges)
{
    for (size_t i = 1; i < edges->count; i++)
        if (compare_edges(&edges->items[i - 1], &edges->items[i]) > 0)
            return false;
    return true;
}

size_t classify_sweep(struct classify_builder *builder, struct classify_cursor *cursor,
                      struct classify_edges *edges, struct classify_interval **ret_intervals)
{
    AUTO_FREE struct classify_interval *intervals = xcalloc(edges->count + 1, sizeof(*intervals));
    size_t count = 0, i = 0;
    uint64_t hi = 0, lo = 0;

    if (!in_order(edges))
        qsort(edges->items, edges->count, sizeof(*edges->items), compare_edges);
    for (;;) {
        while (i < edges->count && edges->items[i].hi == hi && edges->items[i].lo == lo) {
            flip(cursor, edges, &edges->items[i]);
            i++;
        }
        intervals[count].hi = hi;
        intervals[count].lo = lo;
        intervals[count].row = classify_rows_cursor_row(builder, cursor);
        if (!intervals[count].row)
            return 0;
        if (!count || intervals[count].row != intervals[count - 1].row)
            count++;
        if (i == edges->count)
            break;
        hi = edges->items[i].hi;
        lo = edges->items[i].lo;
    }
    *ret_intervals = take_ptr(intervals);
    return count;
}

/* Number of intervals that meet [., last], the first of which is number at. */
static size_t meeting(const struct classify_interval *intervals, size_t count, size_t at,
                      uint64_t last)
{
    size_t n = 1;

    while (at + n < count && intervals[at + n].lo <= last)
        n++;
    return n;
}

/* Entry for the n intervals within one block of addresses; up to 8 fit a line. 0: no room. */
static uint32_t few4(struct classify_builder *builder, const struct classify_interval *intervals,
                     size_t n)
{
    uint32_t offset, values[8];
    uint16_t keys[8];

    if (n == 1)
        return intervals[0].row;
    offset = classify_rows_alloc(builder, 64, 64);
    if (!offset)
        return 0;
    for (size_t i = 0; i < 8; i++) {
        keys[i] = i < n ? (uint16_t)intervals[i].lo : UINT16_MAX;
        values[i] = intervals[i < n ? i : n - 1].row;
    }
    memcpy(classify_at(builder, offset), keys, sizeof(keys));
    memcpy((char *)classify_at(builder, offset) + sizeof(keys), values, sizeof(values));
    return CLASSIFY_FEW | offset >> 6;
}

/* A node of 256 blocks of 1 << shift addresses each. */
static uint32_t node4(struct classify_builder *builder, const struct classify_interval *intervals,
                      size_t count, size_t at, uint64_t first, unsigned shift)
{
    uint32_t offset = classify_rows_alloc(builder, 256 * 4, 64);

    if (!offset)
        return 0;
    for (unsigned i = 0; i < 256; i++) {
        uint64_t begin = first + ((uint64_t)i << shift);
        uint64_t last = begin + (1ull << shift) - 1;
        uint32_t entry;
        size_t n;

        while (at + 1 < count && intervals[at + 1].lo <= begin)
            at++;
        n = meeting(intervals, count, at, last);
        entry = n <= 8 ? few4(builder, &intervals[at], n)
                       : node4(builder, intervals, count, at, begin, 0);
        if (!entry)
            return 0;
        ((uint32_t *)classify_at(builder, offset))[i] = entry;
    }
    return CLASSIFY_NODE | offset >> 6;
}

uint32_t classify_sweep_trie4(struct classify_builder *builder,
                              const struct classify_interval *intervals, size_t count)
{
    uint32_t root = classify_rows_alloc(builder, 65536 * 4, 64);
    size_t at = 0;

    if (!root)
        return 0;
    for (uint64_t i = 0; i < 65536; i++) {
        uint64_t begin = i << 16;
        uint32_t entry;
        size_t n;

        while (at + 1 < count && intervals[at + 1].lo <= begin)
            at++;
        n = meeting(intervals, count, at, begin | 0xffff);
        entry = n <= 8 ? few4(builder, &intervals[at], n)
                       : node4(builder, intervals, count, at, begin, 8);
        if (!entry)
            return 0;
        ((uint32_t *)classify_at(builder, root))[i] = entry;
    }
    return root;
}

static uint32_t power_of_two(size_t n)
{
    uint32_t power = 1;

    while (power < n)
        power *= 2;
    return power;
}

/* The n intervals that begin within one upper half, the first at or before its beginning. */
static uint32_t deeper6(struct classify_builder *builder, const struct classify_interval *intervals,
                        size_t n)
{
    uint32_t size = power_of_two(n), offset, *head, *values;
    uint64_t *keys;

    if (size >= 1u << CLASSIFY_SEARCH_STEPS)
        return 0;
    offset = classify_rows_alloc(builder, 8 + (size_t)size * 12, 8);
    if (!offset)
        return 0;
    head = classify_at(builder, offset);
    keys = classify_at(builder, offset + 8);
    values = classify_at(builder, offset + 8 + (uint64_t)size * 8);
    head[0] = size;
    head[1] = size / 2;
    for (uint32_t i = 0; i < size; i++) {
        keys[i] = i == 0 ? 0 : i < n ? intervals[i].lo : UINT64_MAX;
        values[i] = intervals[i < n ? i : n - 1].row;
    }
    return CLASSIFY_DEEPER | offset >> 3;
}

/* Upper halves where the row, or whether the lower half matters, may change. */
static size_t upper_halves(const struct classify_interval *intervals, size_t count, uint64_t *keys)
{
    size_t n = 0;

    keys[n++] = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t hi = intervals[i].hi;

        if (keys[n - 1] < hi)
            keys[n++] = hi;
        if (intervals[i].lo && hi != UINT64_MAX && keys[n - 1] <= hi)
            keys[n++] = hi + 1;
    }
    return n;
}

bool classify_sweep_search6(struct classify_builder *builder,
                            const struct classify_interval *intervals, size_t count,
                            struct classify_search *ret_search)
{
    AUTO_FREE uint64_t *keys = xcalloc(count * 2 + 1, sizeof(*keys));
    size_t n = upper_halves(intervals, count, keys), at = 0;
    uint32_t size = power_of_two(n), key_offset, value_offset, entry = 0, *values;

    if (size >= 1u << CLASSIFY_SEARCH_STEPS)
        return false;
    key_offset = classify_rows_alloc(builder, (size_t)size * 8, 64);
    value_offset = key_offset ? classify_rows_alloc(builder, (size_t)size * 4, 64) : 0;
    if (!value_offset)
        return false;
    values = classify_at(builder, value_offset);
    for (uint32_t i = 0; i < size; i++) {
        ((uint64_t *)classify_at(builder, key_offset))[i] = i < n ? keys[i] : UINT64_MAX;
        if (i < n) {
            size_t inside = 1;

            while (at + 1 < count && (intervals[at + 1].hi < keys[i] ||
                                      (intervals[at + 1].hi == keys[i] && !intervals[at + 1].lo)))
                at++;
            while (at + inside < count && intervals[at + inside].hi == keys[i])
                inside++;
            entry = inside == 1 ? intervals[at].row : deeper6(builder, &intervals[at], inside);
            if (!entry)
                return false;
        }
        values[i] = entry;
    }
    *ret_search = (struct classify_search){key_offset, value_offset, size / 2, 0};
    return true;
}
