/* Trees of older revisions: see past.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/history.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/overlay_bytes.h"
#include "plugins/config/past.h"

void past_unref(struct past *past)
{
    if (!past || --past->refs)
        return;
    overlay_fini(&past->overlay);
    free(past);
}

void past_forget(struct store *store)
{
    while (store->past) {
        struct past *p = store->past;

        store->past = p->next;
        past_unref(p);
    }
}

/* ---- what is kept ---- */

void past_copy(const struct overlay *from, struct overlay *to)
{
    to->list = xcalloc(from->count, sizeof(*to->list));
    to->count = to->cap = from->count;
    for (size_t i = 0; i < from->count; i++) {
        to->list[i] = (struct change){.path = xstrdup(from->list[i].path),
                                      .value = parts_copy(to->parts, from->list[i].value),
                                      .base = to->stamp};
        parts_pause(to->parts);
    }
}

/* Sorted by last use; the oldest are dropped. */
static void drop_oldest(struct store *store)
{
    size_t sum = 0;

    for (struct past **at = &store->past; *at;) {
        struct past *p = *at;

        sum += p->bytes;
        if (sum <= PAST_BYTES || p == store->past) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        past_unref(p);
    }
}

/* Takes the overlay; the store has the reference that is returned. */
static struct past *keep(struct store *store, uint64_t revision, uint64_t base,
                         struct overlay *overlay, size_t bytes)
{
    struct past *p = xcalloc(1, sizeof(*p));

    for (struct past **at = &store->past; *at; at = &(*at)->next)
        if ((*at)->revision == revision) { /* an older one of the same */
            struct past *old = *at;

            *at = old->next;
            past_unref(old);
            break;
        }
    *p = (struct past){.next = store->past,
                       .refs = 1,
                       .revision = revision,
                       .base = base,
                       .overlay = *overlay,
                       .bytes = bytes};
    *overlay = (struct overlay){.parts = overlay->parts};
    store->past = p;
    drop_oldest(store);
    return p;
}

/* The kept one from which the fewest steps are left; it becomes the one used last. */
static struct past *nearest(struct store *store, uint64_t goal)
{
    struct past **best = NULL, *found;
    uint64_t saved = 0;

    for (struct past **at = &store->past; *at; at = &(*at)->next) {
        struct past *p = *at;

        if (p->revision < goal || p->base - p->revision <= saved)
            continue;
        saved = p->base - p->revision;
        best = at;
    }
    if (!best)
        return NULL;
    found = *best;
    *best = found->next;
    found->next = store->past;
    store->past = found;
    found->refs++;
    return found;
}

/* ---- walks ---- */

int past_walk_begin(struct store *store, const struct parts *parts, uint64_t revision,
                    struct walk *walk, struct orb_err *err)
{
    *walk = (struct walk){.goal = revision,
                          .base = store->revision,
                          .at = store->revision,
                          .overlay = {.parts = parts}};
    if (revision > store->revision)
        return orb_fail(err, ORB_E_NOT_FOUND,
                        "there is no revision %" PRIu64 " yet; the newest is %" PRIu64, revision,
                        store->revision);
    if (revision < store->revision && !history_find(store, revision + 1) &&
        !(store->count && store->list[0].revision <= revision))
        return orb_fail(
            err, ORB_E_NOT_FOUND,
            "the history does not hold revision %" PRIu64 "; it holds %" PRIu64 " to %" PRIu64,
            revision, store->count ? store->list[0].revision : store->revision, store->revision);
    walk->near = nearest(store, revision);
    return 0;
}

void past_walk_fini(struct walk *walk)
{
    past_unref(walk->near);
    overlay_fini(&walk->overlay);
    *walk = (struct walk){0};
}

/* The running tree was committed to in between: restarts the walk from where it was. */
static int begin_again(struct store *store, struct walk *walk, struct orb_err *err)
{
    struct overlay done = walk->overlay;
    uint64_t goal = walk->goal;

    walk->overlay = (struct overlay){.parts = done.parts};
    if (walk->at < walk->base)
        keep(store, walk->at, walk->base, &done, overlay_bytes(&done));
    overlay_fini(&done);
    past_walk_fini(walk);
    return past_walk_begin(store, done.parts, goal, walk, err);
}

/* Lays the changes of the kept one over what is there. */
static int go_on_from(struct store *store, struct walk *walk, struct orb_err *err)
{
    const struct past *p = walk->near;
    bool laid = walk->overlay.count;
    int r = 0;

    if (!laid)
        past_copy(&p->overlay, &walk->overlay);
    for (size_t i = 0; laid && r == 0 && i < p->overlay.count; i++) {
        r = overlay_set(&walk->overlay, store->running, p->overlay.list[i].path,
                        parts_copy(walk->overlay.parts, p->overlay.list[i].value), err);
        parts_pause(walk->overlay.parts);
    }
    walk->at = p->revision;
    past_unref(walk->near);
    walk->near = NULL;
    return r;
}

static int go_back_one(struct store *store, struct walk *walk, struct orb_err *err)
{
    json_t *patch = NULL;
    int r = history_patch(store, walk->overlay.parts, walk->at, &patch, err);

    if (r == 0)
        r = overlay_patch_take(&walk->overlay, store->running, patch, true, err);
    overlay_patch_drop(walk->overlay.parts, &patch);
    if (r < 0)
        return r;
    walk->at--;
    if (++walk->steps % PAST_EVERY == 0) {
        size_t bytes = overlay_bytes(&walk->overlay);
        struct overlay copy = {.parts = walk->overlay.parts};

        if (bytes <= PAST_SMALL) {
            past_copy(&walk->overlay, &copy);
            keep(store, walk->at, walk->base, &copy, bytes);
        }
    }
    return 0;
}

int past_walk_step(struct store *store, struct walk *walk, struct past **ret_past,
                   struct orb_err *err)
{
    int r = walk->base == store->revision ? 0 : begin_again(store, walk, err);

    if (r < 0)
        return r;
    if (walk->near && walk->near->revision == walk->goal && walk->near->base == walk->base) {
        *ret_past = walk->near;
        walk->near = NULL;
        return 0;
    }
    if (walk->near && walk->near->base == walk->at)
        r = go_on_from(store, walk, err);
    else if (walk->at > walk->goal)
        r = go_back_one(store, walk, err);
    if (r < 0)
        return r;
    if (walk->at > walk->goal || walk->near)
        return 1;
    *ret_past = keep(store, walk->goal, walk->base, &walk->overlay, overlay_bytes(&walk->overlay));
    (*ret_past)->refs++;
    return 0;
}
