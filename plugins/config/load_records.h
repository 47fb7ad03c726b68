/* The records of a journal as they are read at start. */
#ifndef CONFIG_LOAD_RECORDS_H
#define CONFIG_LOAD_RECORDS_H

#include "plugins/config/pair.h"
#include "plugins/config/store_internal.h"

/* One journal being read. replay: its records also change the running tree. */
struct reading {
    struct store *store;
    uint64_t generation;
    uint64_t at; /* the revision that was read last */
    struct later later;
    bool replay;
    bool voided;        /* ended at a commit that was refused */
    uint64_t continues; /* number of the journal that continues, from its last record; 0: none */
};

/* arg: the struct reading. Adds one record, which begins at offset. 0; 1 where the journal ends
 * because another one continues; below 0: the record cannot follow those before it. */
int load_records_add(void *arg, uint64_t offset, const char *text, size_t len, struct orb_err *err);
/* arg: the struct store. Of a record behind a gap only its numbers count as used. Returns 0. */
int load_records_note(void *arg, uint64_t offset, const char *text, size_t len,
                      struct orb_err *err);

#endif
