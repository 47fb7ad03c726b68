/* Rows of the bit vectors: kept once however many classes have them, and built of lines that are
 * kept once however many rows have them. Only lines that changed since the last row are looked up
 * again, so a row costs the rules that begin or end there, not all rules. */
#include <stdlib.h>
#include <string.h>

#include "core/base/xalloc.h"
#include "dataplane/classify_internal.h"

uint32_t classify_rows_alloc(struct classify_builder *builder, size_t bytes, size_t align)
{
    size_t offset = (builder->used + align - 1) & ~(align - 1);

    if (offset > builder->size || bytes > builder->size - offset)
        return 0;
    /* The gap as well: memory of an earlier policy may be used again. */
    memset(builder->memory + builder->used, 0, offset + bytes - builder->used);
    builder->used = offset + bytes;
    return (uint32_t)offset;
}

void classify_rows_intern_fini(struct classify_intern *set)
{
    free(set->slots);
    *set = (struct classify_intern){0};
}

static uint64_t hash_bytes(const void *bytes, size_t len)
{
    uint64_t hash = 0x9e3779b97f4a7c15u, word;

    for (size_t i = 0; i < len; i += 8) {
        memcpy(&word, (const char *)bytes + i, 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    return hash;
}

static void intern_grow(struct classify_builder *builder, struct classify_intern *set, size_t len,
                        unsigned shift)
{
    uint32_t mask = set->slots ? set->mask * 2 + 1 : 1023;
    uint32_t *slots = xcalloc((size_t)mask + 1, sizeof(*slots));

    for (uint32_t i = 0; set->slots && i <= set->mask; i++) {
        uint32_t ref = set->slots[i], at;

        if (!ref)
            continue;
        at = (uint32_t)hash_bytes(classify_at(builder, (uint64_t)ref << shift), len) & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = ref;
    }
    free(set->slots);
    set->slots = slots;
    set->mask = mask;
}

/* Reference (offset >> shift) to len bytes, a multiple of 8, stored once; 0: no space. */
static uint32_t intern(struct classify_builder *builder, struct classify_intern *set,
                       const void *bytes, size_t len, unsigned shift)
{
    uint32_t at, offset;

    if (!set->slots || set->count * 2 > set->mask)
        intern_grow(builder, set, len, shift);
    at = (uint32_t)hash_bytes(bytes, len) & set->mask;
    for (; set->slots[at]; at = (at + 1) & set->mask)
        if (!memcmp(classify_at(builder, (uint64_t)set->slots[at] << shift), bytes, len))
            return set->slots[at];
    offset = classify_rows_alloc(builder, len, (size_t)1 << shift);
    if (!offset)
        return 0;
    memcpy(classify_at(builder, offset), bytes, len);
    set->slots[at] = offset >> shift;
    set->count++;
    return offset >> shift;
}

void classify_rows_cursor_init(struct classify_cursor *cursor)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->dirty = ~0u;
}

void classify_rows_cursor_flip(struct classify_cursor *cursor, uint32_t slot, bool on)
{
    uint64_t bit = 1ull << (slot & 63);

    if (on)
        cursor->words[slot >> 6] |= bit;
    else
        cursor->words[slot >> 6] &= ~bit;
    cursor->dirty |= 1u << (slot / 64 / CLASSIFY_LINE_WORDS);
}

uint32_t classify_rows_cursor_row(struct classify_builder *builder, struct classify_cursor *cursor)
{
    uint64_t row[CLASSIFY_WORDS / 64 + CLASSIFY_LINES / 2] = {0};
    size_t len = builder->summary_words * 8 + ((builder->line_count * 4 + 7) & ~7u);
    uint32_t before = builder->rows.count, ref;

    for (unsigned line = 0; line < builder->line_count; line++) {
        unsigned first = line * CLASSIFY_LINE_WORDS;

        if (!(cursor->dirty & 1u << line))
            continue;
        cursor->lines[line] =
            intern(builder, &builder->lines, &cursor->words[first], CLASSIFY_LINE_WORDS * 8, 6);
        if (!cursor->lines[line])
            return 0;
        for (unsigned word = first; word < first + CLASSIFY_LINE_WORDS; word++) {
            uint64_t bit = 1ull << (word & 63);

            if (cursor->words[word])
                cursor->summary[word >> 6] |= bit;
            else
                cursor->summary[word >> 6] &= ~bit;
        }
    }
    cursor->dirty = 0;
    memcpy(row, cursor->summary, builder->summary_words * 8);
    memcpy((char *)row + builder->summary_words * 8, cursor->lines, builder->line_count * 4);
    ref = intern(builder, &builder->rows, row, len, 3);
    builder->classes += builder->rows.count - before;
    return ref;
}
