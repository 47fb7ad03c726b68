/* The parts of the classifier's builder. Everything is written straight into the value of the map
 * that is to be; a failed allocation there (0) is carried outwards as "no room". */
#ifndef DATAPLANE_CLASSIFY_INTERNAL_H
#define DATAPLANE_CLASSIFY_INTERNAL_H

#include "bpf/classify.h"
#include "dataplane/classify.h"

#define CLASSIFY_WORDS (CLASSIFY_MAX_RULES / 64)
#define CLASSIFY_LINES (CLASSIFY_WORDS / CLASSIFY_LINE_WORDS)

/* Set of equal pieces of memory, by content; 0 is an empty slot. */
struct classify_intern {
    uint32_t *slots;
    uint32_t mask, count;
};

struct classify_builder {
    char *memory;
    size_t size, used;
    struct classify_intern lines; /* of all tables */
    /* Of the table being built: */
    struct classify_intern rows;
    unsigned words, summary_words, line_count;
    uint32_t classes;
    bool coarse; /* groups are taken for all addresses: there is no room for theirs */
};

/* Offset of bytes zeroed bytes, aligned to align (a power of two, at most 64); 0: no room. */
uint32_t classify_rows_alloc(struct classify_builder *builder, size_t bytes, size_t align);
static inline void *classify_at(struct classify_builder *builder, uint64_t offset)
{
    return builder->memory + offset;
}
void classify_rows_intern_fini(struct classify_intern *set);

/* A bit vector that changes a few bits at a time. */
struct classify_cursor {
    uint64_t words[CLASSIFY_WORDS];
    uint64_t summary[CLASSIFY_WORDS / 64];
    uint32_t lines[CLASSIFY_LINES]; /* references, valid where not dirty */
    uint32_t dirty;                 /* one bit a line */
};
_Static_assert(CLASSIFY_LINES <= 32, "dirty has a bit a line");

/* No slot is on. */
void classify_rows_cursor_init(struct classify_cursor *cursor);
/* Switches the bit of one slot on or off. */
void classify_rows_cursor_flip(struct classify_cursor *cursor, uint32_t slot, bool on);
/* Reference of the row that holds the cursor's bits; 0: no room. */
uint32_t classify_rows_cursor_row(struct classify_builder *builder, struct classify_cursor *cursor);

/* Where a rule begins or ends to match in one dimension; values up to 128 bits. */
struct classify_edge {
    uint64_t hi, lo;
    uint32_t slot; /* or CLASSIFY_SHARED | index in shared */
    bool on;
};

#define CLASSIFY_SHARED 0x80000000u

/* The rules whose list is one group: its edges are there once. */
struct classify_slots {
    const struct policy_group *group;
    uint32_t *slots;
    uint32_t count;
};

struct classify_edges {
    struct classify_edge *items;
    size_t count, cap;
    struct classify_slots *shared;
    uint32_t shared_count;
};
/* Notes that the rule of that slot has the group as its list. Index in shared; *ret_new: it is the
 * first. */
uint32_t classify_sweep_edges_share(struct classify_edges *edges, const struct policy_group *group,
                                    uint32_t slot, bool *ret_new);
void classify_sweep_edges_fini(struct classify_edges *edges);
/* Adds [lo, hi] for a slot; last: greatest value of the dimension. */
void classify_sweep_edges_add(struct classify_edges *edges, uint32_t slot, const uint64_t lo[2],
                              const uint64_t hi[2], const uint64_t last[2]);

/* From here to the next interval's beginning the row holds. */
struct classify_interval {
    uint64_t hi, lo;
    uint32_t row;
};

/* Turns edges into intervals over the whole dimension; cursor holds the rules that match
 * everywhere. *ret_intervals is malloced. Returns their number (at least 1) or 0: no room. */
size_t classify_sweep(struct classify_builder *builder, struct classify_cursor *cursor,
                      struct classify_edges *edges, struct classify_interval **ret_intervals);

/* Tables over intervals; 0 or false: no room. */
uint32_t classify_sweep_trie4(struct classify_builder *builder,
                              const struct classify_interval *intervals, size_t count);
/* IPv6: a search over the upper halves of addresses, which leads to a row, or to a search over the
 * lower halves. Its tables are the builder's. */
bool classify_sweep_search6(struct classify_builder *builder,
                            const struct classify_interval *intervals, size_t count,
                            struct classify_search *ret_search);

/* One family of a list of table->rules rules. false: no room. */
bool classify_dimensions(struct classify_builder *builder, int family,
                         const struct policy_rule *const *rules, struct classify_table *table);
/* Zone pair and protocol. 0 done, -1 no room, 1 too many combinations (*ret_count of them). */
int classify_dimensions_context(struct classify_builder *builder, const struct policy *policy,
                                const struct policy_rule *const *rules,
                                struct classify_table *table, size_t *ret_count);
#define CLASSIFY_MAX_CONTEXTS 65536

#endif
