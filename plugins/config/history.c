/* The revisions and notes of the store: see history.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/files.h"
#include "plugins/config/history.h"
#include "plugins/config/journal.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/parts.h"
#include "plugins/config/store_internal.h"

void history_revision_fini(struct revision *revision)
{
    free(revision->user);
    free(revision->comment);
    *revision = (struct revision){0};
}

void history_push(struct store *store, struct revision *revision)
{
    if (store->count == store->cap) {
        store->cap = store->cap ? 2 * store->cap : 64;
        store->list = xrealloc(store->list, store->cap * sizeof(*store->list));
    }
    store->list[store->count++] = *revision;
    *revision = (struct revision){0};
}

void history_note(struct store *store, const char *user, const char *text, uint64_t time_us)
{
    store->notes = xrealloc(store->notes, (store->note_count + 1) * sizeof(*store->notes));
    store->notes[store->note_count++] =
        (struct note){store->revision, time_us, xstrdup(user), xstrdup(text)};
}

bool history_unconfirmed(const struct store *store)
{
    const struct revision *last = store->count ? &store->list[store->count - 1] : NULL;

    return last && last->revision == store->revision && last->confirm_s && !last->confirmed;
}

uint64_t history_id(const struct store *store, uint64_t revision)
{
    const struct revision *r = history_find(store, revision);

    return revision == store->revision ? store->id : r ? r->id : 0;
}

const struct revision *history_find(const struct store *store, uint64_t revision)
{
    size_t lo = 0, hi = store->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (store->list[mid].revision < revision)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < store->count && store->list[lo].revision == revision ? &store->list[lo] : NULL;
}

int history_patch(const struct store *store, const struct parts *parts, uint64_t revision,
                  json_t **ret_patch, struct orb_err *err)
{
    struct json_limits limits = parts ? parts_limits(parts) : store_limits;
    const struct revision *r = history_find(store, revision);
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *copy = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(json_t) json_t *record = NULL;
    json_t *patch;
    uint64_t tx;
    int result;

    if (!r)
        return orb_fail(
            err, ORB_E_NOT_FOUND,
            "the history does not hold revision %" PRIu64 "; it holds %" PRIu64 " to %" PRIu64,
            revision, store->count ? store->list[0].revision : store->revision, store->revision);
    if (store->unconfirmed && revision == store->revision) {
        *ret_patch = json_incref(store->unconfirmed);
        return 0;
    }
    tx = r->tx;
    path = files_journal_path(store, r->generation);
    copy = files_copy_path(store, r->generation);
    result = journal_read(parts, path, copy, r->offset, &text, err);
    limits.depth = store_limits.depth;
    if (result == 0)
        result = tree_parse(buf_str(&text), text.len, &limits, &record, err);
    if (result < 0)
        return result;
    patch = json_incref(json_object_get(record, "patch"));
    if (!json_is_array(patch) ||
        json_integer_value(json_object_get(record, "tx")) != (json_int_t)tx) {
        parts_drop(parts, patch);
        return orb_fail(err, ORB_E_IO, "%s has no patch for revision %" PRIu64, path, revision);
    }
    *ret_patch = patch;
    return 0;
}

int history_overlay(const struct store *store, uint64_t revision, struct overlay *overlay,
                    struct orb_err *err)
{
    if (revision > store->revision)
        return orb_fail(err, ORB_E_NOT_FOUND,
                        "there is no revision %" PRIu64 " yet; the newest is %" PRIu64, revision,
                        store->revision);
    for (uint64_t n = store->revision; n > revision; n--) {
        AUTO(json_t) json_t *patch = NULL;
        int r = history_patch(store, NULL, n, &patch, err);

        if (r == 0)
            r = overlay_patch_take(overlay, store->running, patch, true, err);
        if (r < 0)
            return r;
    }
    return 0;
}
