/* Packet classification by aggregated bit vectors (Baboescu and Varghese, SIGCOMM 2001) over the
 * data of bpf/classify.h: one row of rule bits per dimension; the first bit of their AND is the
 * rule.
 *
 * Everything is inlined and every offset masked, so the verifier needs no assumption about the
 * data, and damaged data gives a wrong rule, never an access out of bounds. The same text compiles
 * in user space (dataplane/classify.c), where blob must be CLASSIFY_BLOB_BYTES long or built by
 * classify_build. No helper, every loop is bounded by a constant: Linux 5.15 and later. */
#ifndef BPF_CLASSIFY_BPF_H
#define BPF_CLASSIFY_BPF_H

#include "bpf/classify.h"

/* The compiler would narrow or hoist a plain & away from the access, so that the verifier loses the
 * bound. */
#ifdef __bpf__
#define CLASSIFY_MASK(offset, align)                                                               \
    asm volatile("%0 &= %1" : "+r"(offset) : "i"((CLASSIFY_BLOB_BYTES - 1) & ~((align)-1)))
#else
#define CLASSIFY_MASK(offset, align) ((offset) &= (CLASSIFY_BLOB_BYTES - 1) & ~((__u64)(align)-1))
#endif

static __always_inline __u16 classify_load16(const void *blob, __u64 offset)
{
    CLASSIFY_MASK(offset, 2);
    return *(const __u16 *)((const char *)blob + offset);
}

static __always_inline __u32 classify_load32(const void *blob, __u64 offset)
{
    CLASSIFY_MASK(offset, 4);
    return *(const __u32 *)((const char *)blob + offset);
}

static __always_inline __u64 classify_load64(const void *blob, __u64 offset)
{
    CLASSIFY_MASK(offset, 8);
    return *(const __u64 *)((const char *)blob + offset);
}

/* BPF has no instruction for this; de Bruijn multiplication. word must not be 0. */
static const __u8 classify_bits[64] = {
    0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38, 29, 17, 4,  62, 55, 59, 36, 53, 51,
    43, 22, 45, 39, 33, 30, 24, 18, 12, 5,  63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21,
    44, 32, 23, 11, 46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,  13, 8,  7,  6};

static __always_inline __u32 classify_first_bit(__u64 word)
{
    return classify_bits[((word & -word) * 0x03f79d71b4cb0a89ull) >> 58];
}

/* 1 if x < y, without a branch (Warren, Hacker's Delight, 2-12). */
static __always_inline __u64 classify_less(__u64 x, __u64 y)
{
    return ((~x & y) | ((~x | y) & (x - y))) >> 63;
}

/* Row of an IPv4 address: at most three loads in the trie, or one line of at most 8 intervals. */
static __always_inline __u32 classify_address4(const void *blob, __u32 root, __u32 address)
{
    __u32 entry = classify_load32(blob, root + (__u64)(address >> 16) * 4);

    if ((entry & CLASSIFY_KIND) == CLASSIFY_NODE) {
        entry = classify_load32(blob, ((__u64)(entry & ~CLASSIFY_KIND) << 6) +
                                          ((address >> 8) & 255) * 4);
        if ((entry & CLASSIFY_KIND) == CLASSIFY_NODE)
            entry =
                classify_load32(blob, ((__u64)(entry & ~CLASSIFY_KIND) << 6) + (address & 255) * 4);
    }
    if ((entry & CLASSIFY_KIND) == CLASSIFY_FEW) {
        __u64 line = (__u64)(entry & ~CLASSIFY_KIND) << 6;
        __u64 x = (address & 0xffff) + 1; /* key - x is negative: key <= address */
        __u64 at;

        at = (((__u64)classify_load16(blob, line + 8) - x) >> 63) << 2;
        at += (((__u64)classify_load16(blob, line + (at + 2) * 2) - x) >> 63) << 1;
        at += ((__u64)classify_load16(blob, line + (at + 1) * 2) - x) >> 63;
        entry = classify_load32(blob, line + 16 + at * 4);
    }
    return entry;
}

static __always_inline __u32 classify_address6(const void *blob,
                                               const struct classify_search *search, __u64 hi,
                                               __u64 lo)
{
    __u64 at = 0, step = search->steps, offset, count;
    __u32 entry;

    for (int i = 0; i < CLASSIFY_SEARCH_STEPS; i++) {
        if (!step)
            break;
        at += step;
        at -= step & -classify_less(hi, classify_load64(blob, search->keys + at * 8));
        step >>= 1;
    }
    entry = classify_load32(blob, search->values + at * 4);
    if (!(entry & CLASSIFY_DEEPER))
        return entry;
    offset = (__u64)(entry & ~CLASSIFY_DEEPER) << 3;
    count = classify_load32(blob, offset);
    step = classify_load32(blob, offset + 4);
    offset += 8;
    at = 0;
    for (int i = 0; i < CLASSIFY_SEARCH_STEPS; i++) {
        if (!step)
            break;
        at += step;
        at -= step & -classify_less(lo, classify_load64(blob, offset + at * 8));
        step >>= 1;
    }
    return classify_load32(blob, offset + count * 8 + at * 4);
}

/* Word number of a row; only where its summary bit is set. lines: summary_bytes. */
static __always_inline __u64 classify_word(const void *blob, __u64 row, __u64 lines, __u64 word)
{
    __u64 line = classify_load32(blob, row + lines + (word >> 3) * 4);

    return classify_load64(blob, (line << 6) + (word & 7) * 8);
}

/* One summary word (64 words, 4096 rules) of the five rows; 64 * k is the first. */
static __always_inline __u32 classify_stage(const void *blob, const __u64 row[5], __u64 lines,
                                            __u32 k)
{
    __u64 candidates =
        classify_load64(blob, row[0] + k * 8) & classify_load64(blob, row[1] + k * 8) &
        classify_load64(blob, row[2] + k * 8) & classify_load64(blob, row[3] + k * 8) &
        classify_load64(blob, row[4] + k * 8);

    for (int i = 0; i < 64; i++) {
        __u64 word, bits;

        if (!candidates)
            break;
        word = k * 64 + classify_first_bit(candidates);
        candidates &= candidates - 1;
        bits = classify_word(blob, row[0], lines, word) & classify_word(blob, row[1], lines, word) &
               classify_word(blob, row[2], lines, word) & classify_word(blob, row[3], lines, word) &
               classify_word(blob, row[4], lines, word);
        if (bits)
            return (__u32)(word << 6) + classify_first_bit(bits);
    }
    return CLASSIFY_NONE;
}

static __always_inline __u32 classify_and(const void *blob, const __u64 row[5], __u64 lines)
{
    __u32 slot = classify_stage(blob, row, lines, 0);

    if (slot != CLASSIFY_NONE || lines <= 8)
        return slot;
    slot = classify_stage(blob, row, lines, 1);
    if (slot != CLASSIFY_NONE || lines <= 16)
        return slot;
    slot = classify_stage(blob, row, lines, 2);
    if (slot != CLASSIFY_NONE || lines <= 24)
        return slot;
    return classify_stage(blob, row, lines, 3);
}

/* The rows of the dimensions both families share. */
static __always_inline void classify_rows(const void *blob, const struct classify_table *table,
                                          __u32 zones, __u8 protocol, __u16 source_port,
                                          __u16 destination_port, __u64 row[5])
{
    __u64 context = classify_load32(blob, table->zones + (__u64)zones * 4);

    context += classify_load16(blob, table->protocols + (__u64)protocol * 2);
    row[0] = (__u64)classify_load32(blob, table->context + context * 4) << 3;
    row[1] = (__u64)classify_load32(blob, table->source_ports + (__u64)source_port * 4) << 3;
    row[2] = (__u64)classify_load32(blob, table->destination_ports + (__u64)destination_port * 4)
             << 3;
}

static __always_inline __u32 classify_zone_pair(__u8 from, __u8 to)
{
    return (__u32)(from & (CLASSIFY_ZONES - 1)) << 6 | (to & (CLASSIFY_ZONES - 1));
}

/* One of CLASSIFY_TABLES. Note: masked, not compared, although another number then gives data that
 * is no table: after a comparison the verifier would walk everything after it twice. */
static __always_inline const struct classify_table *classify_table(const void *blob, __u32 number)
{
    return ((const struct classify_head *)blob)->table + (number & 7);
}

/* Slot of the first rule of a list (CLASSIFY_NEW …) that matches, CLASSIFY_NONE: none does. blob:
 * the map value, not NULL. */
static __always_inline __u32 classify4(const void *blob, __u32 list,
                                       const struct classify_key4 *key)
{
    const struct classify_table *table = classify_table(blob, list);
    __u64 row[5];
    __u32 slot;

    if (!table->rules)
        return CLASSIFY_NONE;
    classify_rows(blob, table, classify_zone_pair(key->zone_from, key->zone_to), key->protocol,
                  key->source_port, key->destination_port, row);
    row[3] = (__u64)classify_address4(blob, table->source4, key->source) << 3;
    row[4] = (__u64)classify_address4(blob, table->destination4, key->destination) << 3;
    slot = classify_and(blob, row, table->summary_bytes);
    return slot == CLASSIFY_NONE ? slot : slot + table->first_slot;
}

static __always_inline __u32 classify6(const void *blob, __u32 list,
                                       const struct classify_key6 *key)
{
    const struct classify_table *table = classify_table(blob, list + 1);
    __u64 row[5];
    __u32 slot;

    if (!table->rules)
        return CLASSIFY_NONE;
    classify_rows(blob, table, classify_zone_pair(key->zone_from, key->zone_to), key->protocol,
                  key->source_port, key->destination_port, row);
    row[3] = (__u64)classify_address6(blob, &table->source6, key->source_hi, key->source_lo) << 3;
    row[4] = (__u64)classify_address6(blob, &table->destination6, key->destination_hi,
                                      key->destination_lo)
             << 3;
    slot = classify_and(blob, row, table->summary_bytes);
    return slot == CLASSIFY_NONE ? slot : slot + table->first_slot;
}

/* The rule of a slot. 1: found, 0: no such slot (also for CLASSIFY_NONE). */
static __always_inline int classify_rule(const void *blob, __u32 slot, struct classify_rule *out)
{
    const struct classify_head *head = blob;
    __u64 offset;
    __u32 word;

    if (slot >= head->rules)
        return 0;
    offset = head->rule_table + (__u64)slot * sizeof(struct classify_rule);
    word = classify_load32(blob, offset + 4);
    out->id = classify_load32(blob, offset);
    out->action = word & 255;
    out->flags = (word >> 8) & 255;
    out->pad = 0;
    out->index = classify_load32(blob, offset + 8);
    out->counter = classify_load32(blob, offset + 12);
    return 1;
}

/* The action (CLASSIFY_ACCEPT …) for CLASSIFY_NONE. */
static __always_inline __u32 classify_default(const void *blob)
{
    return ((const struct classify_head *)blob)->default_forward;
}

/* 1: a destination NAT rule may match a packet of this family (0, 1), protocol and destination
 * port, which a classification of the untranslated packet would miss. False positives only. */
static __always_inline int classify_may_dnat(const void *blob, __u32 family, __u8 protocol,
                                             __u16 destination_port)
{
    const struct classify_head *head = blob;
    __u64 offset;

    family &= 1;
    if (head->dnat_flags[family] & CLASSIFY_DNAT_ANY)
        return 1;
    if ((protocol != 6 && protocol != 17) || !head->dnat_ports[family])
        return 0;
    offset = head->dnat_ports[family] + (protocol == 17 ? 8192 : 0);
    return (classify_load64(blob, offset + (destination_port >> 6) * 8) >>
            (destination_port & 63)) &
           1;
}

#endif
