/* nftables' counters: the elements of set "tally" in table inet orbital, by rule number and
 * ABI_MARK_* for the defaults. */
#ifndef DATAPLANE_TALLY_H
#define DATAPLANE_TALLY_H

#include <stdint.h>
#include <stdlib.h>

#include "orbital/error.h"

struct tally {
    uint32_t key;
    uint64_t packets, bytes;
};

struct tally_list {
    struct tally *items; /* sorted by key */
    unsigned count, size;
};

/* What the kernel counted by now; empty where there is no such table. */
int tally_read(struct tally_list *ret_list, struct orb_err *err);
/* NULL: not there. */
const struct tally *tally_find(const struct tally_list *list, uint32_t key);
/* The first above key, as an index; list->count when there is none. */
unsigned tally_after(const struct tally_list *list, uint32_t key);

static inline void own_tally_list(struct tally_list *list)
{
    free(list->items);
}

#endif
