/* The trees of older revisions, as overlays of the running tree. One is found by walking back from
 * the running tree, or from a cached one on the way, one patch per step. Those used last are
 * cached, within PAST_BYTES, and rebased when the running tree changes. */
#ifndef CONFIG_PAST_H
#define CONFIG_PAST_H

#include "plugins/config/store.h"

#define PAST_BYTES (16u * 1024 * 1024) /* of kept ones; the one used last is kept anyway */
#define PAST_EVERY 32u                 /* steps of a walk: then where it got is kept, */
#define PAST_SMALL (PAST_BYTES / 16)   /* if it is no larger */

/* Of a revision. */
struct past {
    struct past *next; /* in the store, the one used last being first */
    unsigned refs;
    uint64_t revision;
    uint64_t base; /* the running revision it is laid over */
    struct overlay overlay;
    size_t bytes;
};

/* On the way from the running tree to an older revision. */
struct walk {
    uint64_t goal;
    uint64_t base, at; /* overlay makes revision at of the running tree, which was base */
    struct past *near; /* where the walk may continue from its base, NULL: nowhere */
    unsigned steps;
    struct overlay overlay;
};

/* From the running tree to revision. parts: struct overlay. Error: the history does not hold it. */
int past_walk_begin(struct store *store, const struct parts *parts, uint64_t revision,
                    struct walk *walk, struct orb_err *err);
/* One step. 1: there are more, 0: *ret_past is the result, the caller's until past_unref(); the
 * walk is over. */
int past_walk_step(struct store *store, struct walk *walk, struct past **ret_past,
                   struct orb_err *err);
/* Also after an error, or half-way. */
void past_walk_fini(struct walk *walk);
void past_unref(struct past *past); /* NULL: nothing happens */
/* A copy of the changes, with the stamp of to. */
void past_copy(const struct overlay *from, struct overlay *to);
/* Drops all cached ones. */
void past_forget(struct store *store);

#endif
