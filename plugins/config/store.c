/* Writing the datastore: one transaction at a time, and the move to a new snapshot and journal.
 * The running tree changes only after the `committed` record is on the disk. */
#include "plugins/config/store.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/store_priv.h"

void store_step(const struct store *store, const char *name)
{
    if (store->step)
        store->step(store->step_arg, name);
}

void revision_fini(struct revision *revision)
{
    free(revision->user);
    free(revision->comment);
    *revision = (struct revision){0};
}

char *store_journal_path(const struct store *store, uint64_t generation)
{
    return xasprintf("%s/journal-%" PRIu64, store->dir, generation);
}

void store_push(struct store *store, struct revision *revision)
{
    if (store->count == store->cap) {
        store->cap = store->cap ? 2 * store->cap : 64;
        store->list = xrealloc(store->list, store->cap * sizeof(*store->list));
    }
    store->list[store->count++] = *revision;
    *revision = (struct revision){0};
}

void store_drop_pending(struct store *store)
{
    revision_fini(&store->pending);
    json_decref(store->pending_patch);
    store->pending_patch = NULL;
}

void store_close(struct store *store)
{
    store_drop_pending(store);
    for (size_t i = 0; i < store->count; i++)
        revision_fini(&store->list[i]);
    free(store->list);
    free(store->dir);
    json_decref(store->running);
    if (store->journal.path)
        journal_close(&store->journal);
    *store = (struct store){0};
}

/* ---- records ---- */

static void record_prepared(const struct revision *meta, const json_t *patch, struct buf *text)
{
    buf_addf(text,
             "{\"state\":\"prepared\",\"tx\":%" PRIu64 ",\"rev\":%" PRIu64 ",\"time\":%" PRIu64
             ",\"user\":",
             meta->tx, meta->revision, meta->time_us);
    buf_add_json(text, meta->user, strlen(meta->user));
    buf_adds(text, ",\"comment\":");
    buf_add_json(text, meta->comment, strlen(meta->comment));
    if (meta->confirm_s)
        buf_addf(text, ",\"confirm_s\":%u,\"confirm_by\":%" PRIu64, meta->confirm_s,
                 meta->confirm_by_us);
    if (meta->undoes)
        buf_addf(text, ",\"undoes\":%" PRIu64, meta->undoes);
    buf_adds(text, ",\"patch\":");
    tree_dump(patch, text);
    buf_addc(text, '}');
}

int store_prepare(struct store *store, const struct revision *meta, json_t *patch,
                  struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    struct revision p = *meta;
    int r;

    p.revision = store->revision + 1;
    p.generation = store->generation;
    p.offset = store->journal.end;
    p.changes = json_array_size(patch);
    p.user = xstrdup(meta->user);
    p.comment = xstrdup(meta->comment);
    record_prepared(&p, patch, &text);
    r = journal_append(&store->journal, text.data, text.len, err);
    if (r < 0) {
        revision_fini(&p);
        return r;
    }
    store_drop_pending(store);
    store->pending = p;
    store->pending_patch = json_incref(patch);
    if (p.tx > store->last_tx)
        store->last_tx = p.tx;
    store_step(store, "prepared-written");
    r = journal_sync(&store->journal, err);
    if (r < 0) {
        store_abort(store, "the journal could not be made durable");
        return r;
    }
    store_step(store, "prepared-synced");
    return 0;
}

int store_commit(struct store *store, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r;

    buf_addf(&text, "{\"state\":\"committed\",\"tx\":%" PRIu64 ",\"rev\":%" PRIu64 "}",
             store->pending.tx, store->pending.revision);
    r = journal_append(&store->journal, text.data, text.len, err);
    if (r < 0)
        return r;
    store_step(store, "committed-written");
    r = journal_sync(&store->journal, err);
    if (r < 0)
        return r;
    store_step(store, "committed-synced");
    r = patch_apply(store->running, store->pending_patch, false, err);
    if (r < 0)
        return r;
    store->revision = store->pending.revision;
    store->commits++;
    store_push(store, &store->pending);
    store_drop_pending(store);
    return 0;
}

void store_abort(struct store *store, const char *why)
{
    AUTO(buf) struct buf text = {0};
    struct orb_err err;

    buf_addf(&text, "{\"state\":\"aborted\",\"tx\":%" PRIu64 ",\"why\":", store->pending.tx);
    buf_add_json(&text, why, strlen(why));
    buf_addc(&text, '}');
    if (journal_append(&store->journal, text.data, text.len, &err) < 0 ||
        journal_sync(&store->journal, &err) < 0)
        log_warn(store->log, "config.journal.aborted-not-written", KV("why", err.text));
    store_drop_pending(store);
    store_step(store, "aborted-written");
}

int store_confirm(struct store *store, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r;

    buf_addf(&text, "{\"state\":\"confirmed\",\"rev\":%" PRIu64 "}", store->revision);
    r = journal_append(&store->journal, text.data, text.len, err);
    if (r == 0) {
        store_step(store, "confirmed-written");
        r = journal_sync(&store->journal, err);
    }
    if (r < 0)
        return r;
    store->list[store->count - 1].confirmed = true;
    return 0;
}

bool store_unconfirmed(const struct store *store)
{
    const struct revision *last = store->count ? &store->list[store->count - 1] : NULL;

    return last && last->revision == store->revision && last->confirm_s && !last->confirmed;
}

/* ---- history ---- */

const struct revision *store_find(const struct store *store, uint64_t revision)
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

int store_patch(const struct store *store, uint64_t revision, json_t **ret_patch,
                struct orb_err *err)
{
    const struct revision *r = store_find(store, revision);
    AUTO_FREE char *path = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(json_t) json_t *record = NULL;
    json_t *patch;
    int result;

    if (!r)
        return orb_fail(
            err, ORB_E_NOT_FOUND,
            "the history does not hold revision %" PRIu64 "; it holds %" PRIu64 " to %" PRIu64,
            revision, store->count ? store->list[0].revision : store->revision, store->revision);
    path = store_journal_path(store, r->generation);
    result = journal_read(path, r->offset, &text, err);
    if (result == 0)
        result = tree_parse(buf_str(&text), text.len, &store_limits, &record, err);
    if (result < 0)
        return result;
    patch = json_object_get(record, "patch");
    if (!json_is_array(patch))
        return orb_fail(err, ORB_E_IO, "%s has no patch for revision %" PRIu64, path, revision);
    *ret_patch = json_incref(patch);
    return 0;
}

int store_overlay(const struct store *store, uint64_t revision, struct overlay *overlay,
                  struct orb_err *err)
{
    if (revision > store->revision)
        return orb_fail(err, ORB_E_NOT_FOUND,
                        "there is no revision %" PRIu64 " yet; the newest is %" PRIu64, revision,
                        store->revision);
    for (uint64_t n = store->revision; n > revision; n--) {
        AUTO(json_t) json_t *patch = NULL;
        int r = store_patch(store, n, &patch, err);

        if (r == 0)
            r = patch_overlay(overlay, store->running, patch, true, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- snapshots ---- */

bool store_snapshot_due(const struct store *store)
{
    return store->commits >= STORE_SNAPSHOT_EVERY && !store->pending_patch &&
           !store_unconfirmed(store);
}

int store_snapshot(struct store *store, struct orb_err *err)
{
    AUTO_FREE char *path = store_journal_path(store, store->revision);
    struct journal next = {.fd = -1};
    int r;

    /* The journal first: behind a snapshot there must be one that takes records, or the next boot
     * would start from the snapshot and miss what went on into the old journal. */
    r = journal_create(path, store->journal.chain, &next, err);
    if (r < 0)
        return r;
    store_step(store, "snapshot-journal");
    r = snapshot_write(store, err);
    if (r < 0) {
        unlink(path);
        journal_close(&next);
        return r;
    }
    store_step(store, "snapshot-written");
    journal_close(&store->journal);
    store->journal = next;
    store->generation = store->revision;
    store->commits = 0;
    snapshot_prune(store);
    store_step(store, "snapshot-pruned");
    return 0;
}
