/* Reads in slices: see read.h. */
#include <stdlib.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/dumping.h"
#include "plugins/config/read.h"

struct read *read_of(struct ask *ask)
{
    if (!*ask->read)
        *ask->read = xcalloc(1, sizeof(**ask->read));
    return *ask->read;
}

void read_free(struct read *read)
{
    if (!read)
        return;
    for (unsigned i = 0; i < ARRAY_LEN(read->past); i++) {
        past_walk_fini(&read->walks[i]);
        past_unref(read->past[i]);
    }
    json_decref(read->list);
    dumping_free(read->dumping);
    free(read);
}

bool read_pause(struct ask *ask)
{
    ask->more = requests_time_up(ask->engine);
    return ask->more;
}

int read_past(struct ask *ask, unsigned which, uint64_t revision,
              const struct overlay **ret_overlay, struct orb_err *err)
{
    struct store *store = &ask->engine->store;
    struct read *read = read_of(ask);
    struct walk *walk = &read->walks[which];
    int r = 0;

    if (read->past[which] && read->past[which]->base != store->revision) {
        past_unref(
            read->past[which]); /* others committed in between: it is looked up again, in a step */
        read->past[which] = NULL;
    }
    if (!read->past[which]) {
        if (!read->walks_begun[which])
            r = past_walk_begin(store, &ask->engine->parts, revision, walk, err);
        read->walks_begun[which] = r == 0;
        do
            r = r < 0 ? r : past_walk_step(store, walk, &read->past[which], err);
        while (r > 0 && !read_pause(ask));
        if (r > 0)
            return r;
        past_walk_fini(walk);
        read->walks_begun[which] = false;
        if (r < 0)
            return r;
    }
    *ret_overlay = &read->past[which]->overlay;
    return 0;
}
