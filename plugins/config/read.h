/* What a read keeps between its slices (requests.h), and the older revisions it looks at. */
#ifndef CONFIG_READ_H
#define CONFIG_READ_H

#include "plugins/config/engine_internal.h"
#include "plugins/config/past.h"

struct dumping;

struct read {
    struct walk walks[2];
    bool walks_begun[2];
    struct past *past[2];
    uint64_t revision;       /* the running one when it was begun */
    json_t *list;            /* diff, history: what was found so far */
    size_t at;               /* where it continues, */
    unsigned phase;          /* and in which of its passes */
    struct dumping *dumping; /* get-part */
    uint64_t candidate;      /* its version when dumping was begun; 0: not of it, or none */
    unsigned restarts;
};

/* Made when there is none; owned by the request. */
struct read *read_of(struct ask *ask);
void read_free(struct read *read); /* NULL: nothing happens */
/* ret_overlay turns the running tree into that of revision, until the slice ends; which: 0 or 1,
 * two can be read. 1: not complete, the request continues in another slice (ask->more is set). */
int read_past(struct ask *ask, unsigned which, uint64_t revision,
              const struct overlay **ret_overlay, struct orb_err *err);
/* Whether the slice is over; sets ask->more then. */
bool read_pause(struct ask *ask);

#endif
