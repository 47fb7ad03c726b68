/* The keys of one object while it is scanned: has this one been there before? */
#ifndef CORE_JSON_SCAN_KEYS_H
#define CORE_JSON_SCAN_KEYS_H

#include <stdint.h>
#include <stddef.h>

#define FEW_KEYS 32
#define KEY_ON_STACK 256

struct key {
    uint64_t hash;
    uint32_t
        at; /* offset of its first byte in the text; 0: free slot (a brace always precedes a key) */
    uint32_t len;
};

/* The keys one object has shown so far. */
struct keys {
    struct key *table; /* NULL while few suffice */
    uint32_t mask;     /* slots - 1 */
    uint32_t count;
    uint64_t seen; /* one bit for each hash & 63: most new keys need no look at the others */
    struct key few[FEW_KEYS];
};

/* What all keys of one text have in common. */
struct key_source {
    const char *text;
    uint64_t seed[2]; /* of the hash: secret, as the keys come from outside */
};

/* The key as it means, not as it is spelled: p itself, or decoded into stack (KEY_ON_STACK bytes)
 * or *heap (the caller frees). NULL: out of memory. */
const char *scan_keys_plain(const char *p, size_t *len, char *stack, char **heap);
/* Hash of a key that scan_keys_plain() gave. */
uint64_t scan_keys_hash(const struct key_source *s, const char *p, size_t len);
/* Adds a key. 1 it was there already, 0 it was new, ORB_E_NOMEM. */
int scan_keys_add(const struct key_source *s, struct keys *keys, const struct key *key);

#endif
