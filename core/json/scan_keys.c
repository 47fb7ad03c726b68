/* Duplicate keys are found by hash: in an array on the stack for up to FEW_KEYS, beyond that in an
 * open-addressed table. Keys are only compared when their hashes agree, then as they mean, since
 * "a" can also be spelled "\u0061". */
#include "core/json/scan_keys.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/json/json.h"

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t r = (__uint128_t)a * b;

    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

uint64_t scan_keys_hash(const struct key_source *s, const char *p, size_t len)
{
    uint64_t h = s->seed[0] ^ len, tail = 0;
    uint32_t low, high;

    for (; len > 8; p += 8, len -= 8)
        h = mix(h ^ json_load8(p), s->seed[1]);
    if (len >= 4) {
        memcpy(&low, p, 4);
        memcpy(&high, p + len - 4, 4);
        tail = (uint64_t)high << 32 | low;
    } else if (len) {
        tail = (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[len / 2] << 8 |
               (unsigned char)p[len - 1];
    }
    h = mix(h ^ tail, s->seed[1]);
    return h ^ h >> 29;
}

/* The key as it means, not as it is spelled. stack or *heap (caller frees) holds it. */
const char *scan_keys_plain(const char *p, size_t *len, char *stack, char **heap)
{
    char *to = stack;

    if (!memchr(p, '\\', *len))
        return p;
    if (*len > KEY_ON_STACK) {
        to = *heap = malloc(*len);
        if (!to)
            return NULL;
    }
    *len = json_unescape(p, *len, to);
    return to;
}

/* 1: the same key, 0: another, ORB_E_NOMEM. Called only when the hashes are equal. */
static int key_same(const struct key_source *s, const struct key *a, const struct key *b)
{
    char a_stack[KEY_ON_STACK], b_stack[KEY_ON_STACK];
    AUTO_FREE char *a_heap = NULL;
    AUTO_FREE char *b_heap = NULL;
    size_t a_len = a->len, b_len = b->len;
    const char *pa = scan_keys_plain(s->text + a->at, &a_len, a_stack, &a_heap);
    const char *pb = scan_keys_plain(s->text + b->at, &b_len, b_stack, &b_heap);

    if (!pa || !pb)
        return ORB_E_NOMEM;
    return a_len == b_len && memcmp(pa, pb, a_len) == 0;
}

static void slot_put(struct key *table, uint32_t mask, const struct key *key)
{
    uint32_t i = (uint32_t)key->hash & mask;

    while (table[i].at)
        i = (i + 1) & mask;
    table[i] = *key;
}

/* Moves the keys into a table four times their number; the limit on keys bounds it. */
static int keys_grow(struct keys *keys)
{
    uint32_t slots = keys->table ? (keys->mask + 1) * 4 : FEW_KEYS * 4;
    struct key *table = calloc(slots, sizeof(*table));

    if (!table)
        return ORB_E_NOMEM;
    if (!keys->table)
        for (uint32_t i = 0; i < FEW_KEYS; i++)
            slot_put(table, slots - 1, &keys->few[i]);
    for (uint32_t i = 0; keys->table && i <= keys->mask; i++)
        if (keys->table[i].at)
            slot_put(table, slots - 1, &keys->table[i]);
    free(keys->table);
    keys->table = table;
    keys->mask = slots - 1;
    return 0;
}

/* Looks for the key among the ones before. 1 found, 0 new (and added), ORB_E_NOMEM. */
int scan_keys_add(const struct key_source *s, struct keys *keys, const struct key *key)
{
    uint64_t bit = 1ull << (key->hash >> 58);
    int r = 0;

    if (!keys->table) {
        for (uint32_t i = 0; (keys->seen & bit) && i < keys->count; i++)
            if (keys->few[i].hash == key->hash && (r = key_same(s, &keys->few[i], key)) != 0)
                return r;
        keys->seen |= bit;
        if (keys->count < FEW_KEYS) {
            keys->few[keys->count++] = *key;
            return 0;
        }
    }
    if (!keys->table || keys->count >= keys->mask / 2)
        if (keys_grow(keys) < 0)
            return ORB_E_NOMEM;
    for (uint32_t i = (uint32_t)key->hash & keys->mask; keys->table[i].at; i = (i + 1) & keys->mask)
        if (keys->table[i].hash == key->hash && (r = key_same(s, &keys->table[i], key)) != 0)
            return r;
    slot_put(keys->table, keys->mask, key);
    keys->count++;
    return 0;
}
