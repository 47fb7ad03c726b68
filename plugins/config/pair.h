/* A journal and its second copy in memory, and which of the later journals continues it. */
#ifndef CONFIG_PAIR_H
#define CONFIG_PAIR_H

#include "plugins/config/store_internal.h"

/* A journal and its copy in memory. */
struct pair {
    char *path, *copy_path;
    struct buf main, copy;
    struct orb_err main_err, copy_err; /* code 0: it was read */
};

/* The chain values at which a journal begins, by its two files; fewer when they cannot be read. */
struct journal_heads {
    size_t count;
    uint8_t chain[2][JOURNAL_CHAIN];
};

/* The journals after the one being read. */
struct later {
    const struct store *store;
    const uint64_t *numbers; /* ascending; the caller's */
    size_t count;
    uint64_t taken_by; /* the one that takes over */
    uint64_t asked;    /* whose heads these are, if heads_read */
    bool heads_read;
    struct journal_heads heads;
};

/* Reads a journal and its copy; what could not be read is in main_err, copy_err. */
void pair_read(const struct store *store, uint64_t generation, struct pair *ret_pair);
void pair_fini(struct pair *pair);
static inline void own_pair(struct pair *pair)
{
    pair_fini(pair);
}
/* The bytes by reference. */
struct journal_image pair_image(const struct buf *data);
/* How many bytes, up to limit, are the same in both files from the start. */
uint64_t pair_same_bytes(const struct pair *pair, uint64_t limit);
/* Reads how that journal begins. */
void pair_heads(const struct store *store, uint64_t generation, struct journal_heads *ret_heads);
/* Whether one of them takes over after revision at, where the chain has this value. Its number is
 * the revision at which it begins, so a copy of a file under another number takes nothing over.
 * Numbers are skipped only where a user accepted that revisions are lost: there a journal ends
 * (at_end, as in struct journal_scan). */
bool pair_take_over(struct later *later, uint64_t at, const uint8_t *chain, bool at_end);
/* Both files for journal_scan, which ends where generation next begins (NULL: there is none). The
 * scan points into pair and heads. */
void pair_scan(const struct store *store, const struct pair *pair, const uint64_t *next,
               struct journal_heads *heads, struct journal_scan *ret_scan);

#endif
