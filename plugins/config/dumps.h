/* Values too long for one answer, returned in slices of the value at the time of the first one.
 * Owned by the engine. */
#ifndef CONFIG_DUMPS_H
#define CONFIG_DUMPS_H

#include "plugins/config/engine_internal.h"

/* A long value returned in slices, pinned at the first one. */
struct dump {
    struct dump *next;
    char who[80]; /* identity */
    uint32_t peer;
    uint64_t revision;
    char *key;
    struct buf text;
    uint64_t read_at; /* monotonic ms */
};

/* Frees those of a peer; 0: all. */
void dumps_free(struct engine *engine, uint32_t peer);
/* Method get-part. */
method_fn dumps_get_part;

#endif
