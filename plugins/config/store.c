/* Writing the datastore: one transaction at a time, and the move to a new snapshot and journal.
 * The running tree changes only after the `committed` record is on the disk. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/damage.h"
#include "plugins/config/history.h"
#include "plugins/config/journal.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/past.h"
#include "plugins/config/record.h"
#include "plugins/config/renew.h"
#include "plugins/config/store.h"
#include "plugins/config/store_internal.h"

void store_drop_pending(struct store *store)
{
    history_revision_fini(&store->pending);
    json_decref(store->pending_patch);
    store->pending_patch = NULL;
}

void store_close(struct store *store)
{
    store_drop_pending(store);
    past_forget(store);
    for (size_t i = 0; i < store->count; i++)
        history_revision_fini(&store->list[i]);
    free(store->list);
    for (size_t i = 0; i < store->note_count; i++) {
        free(store->notes[i].user);
        free(store->notes[i].text);
    }
    free(store->notes);
    free(store->dir);
    free(store->renew);
    damage_fini(&store->damage);
    json_decref(store->running);
    json_decref(store->next);
    json_decref(store->unconfirmed);
    journal_close(&store->journal);
    *store = (struct store){0};
}

/* ---- records ---- */

/* A journal with an unknown tail is abandoned: what it may have after its end is void once the next
 * one continues from there. */
static void check_tail(struct store *store, const char *why)
{
    if (!store->journal.tail_unknown)
        return;
    renew_demand(store, why);
    store->unwritable = true;
}

static int append(struct store *store, const struct buf *text, struct orb_err *err)
{
    int r = store->journal.path
                ? journal_append(&store->journal, store->parts, text->data, text->len, err)
                : orb_fail(err, ORB_E_STATE, "there is no journal to write to");

    if (r < 0)
        check_tail(store, err ? err->text : "");
    /* Only a full disk recovers by itself: a file that cannot be written (immutable, bad sector)
     * stays so, but another one may work. */
    if (r < 0 && r != -ENOSPC && r != -EDQUOT && store->journal.path && !store->renew) {
        renew_demand(store, err ? err->text : "");
        store->unwritable = true;
    }
    return r;
}

static int sync_newest(struct store *store, struct orb_err *err)
{
    int was = store->journal.copy_error;
    int r = journal_sync(&store->journal, store->parts, err);

    if (r < 0) {
        journal_take_back(&store->journal);
        check_tail(store, err ? err->text : "");
    } else if (store->journal.copy_error && !was) {
        log_warn(store->log, "config.last-good.behind", KV("file", store->journal.copy_path),
                 KV("why", strerror(-store->journal.copy_error)));
    }
    return r;
}

static struct revision pending_of(const struct store *store, const struct revision *meta,
                                  const json_t *patch)
{
    struct revision p = *meta;

    p.revision = store->revision + 1;
    p.generation = store->generation;
    p.offset = store->journal.end;
    p.changes = json_array_size(patch);
    p.user = xstrdup(meta->user);
    p.comment = xstrdup(meta->comment);
    return p;
}

static void set_pending(struct store *store, struct revision pending, json_t *patch)
{
    store_drop_pending(store);
    store->pending = pending;
    store->pending_patch = json_incref(patch);
    if (pending.tx > store->last_tx)
        store->last_tx = pending.tx;
}

/* Reserves space for a record, and for one that must be confirmed also for its undo, which must not
 * fail for lack of space. */
static int make_room(struct store *store, const struct revision *meta, size_t len,
                     struct orb_err *err)
{
    uint64_t need = (meta->confirm_s ? 2 : 1) * ((uint64_t)len + 4096);
    struct orb_err why = {0};

    if (need > JOURNAL_MAX_FILE - JOURNAL_HEAD)
        return orb_fail(
            err, ORB_E_LIMIT, "a change of %zu bytes%s is more than the journal holds (%llu bytes)",
            len, meta->confirm_s ? " and its undo" : "", (unsigned long long)JOURNAL_MAX_FILE);
    if (store->journal.end + need <= store->journal_full || store->journal.end <= JOURNAL_HEAD ||
        history_unconfirmed(store))
        return 0;
    if (renew_snapshot(store, &why) == 0 ||
        (!store->renew && store->journal.end + need <= JOURNAL_MAX_FILE))
        return 0;
    if (err)
        *err = why;
    return orb_wrap(err, "the journal is full and no snapshot can be written");
}

int store_prepare(struct store *store, const struct revision *meta, json_t *patch,
                  struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    struct revision p = pending_of(store, meta, patch);
    int r;

    record_prepared(&text, store->parts, &p, patch);
    r = make_room(store, meta, text.len, err);
    p.generation = store->generation;
    p.offset = store->journal.end;
    p.id = record_id(store->parts, text.data, text.len);
    if (r == 0)
        r = append(store, &text, err);
    if (r < 0) {
        history_revision_fini(&p);
        return r;
    }
    set_pending(store, p, patch);
    store_step(store, "prepared-written");
    r = sync_newest(store, err);
    if (r < 0) {
        store_drop_pending(store);
        return r;
    }
    store_step(store, "prepared-synced");
    return 0;
}

void store_next(struct store *store)
{
    AUTO(overlay) struct overlay exact = {.parts = store->parts};

    overlay_patch_exact(&exact, store->pending_patch);
    store->next = overlay_get(&exact, store->running, "");
}

void store_drop_next(struct store *store)
{
    parts_drop(store->parts, take_ptr(store->next));
}

static int change_tree(struct store *store, struct orb_err *err)
{
    json_t *was = store->running;

    if (!store->next)
        return overlay_patch_apply(store->running, store->pending_patch, false, err);
    store->running = store->next;
    store->next = was;
    return 0;
}

static void is_committed(struct store *store)
{
    json_decref(store->unconfirmed);
    store->unconfirmed = store->pending.confirm_s ? json_incref(store->pending_patch) : NULL;
    store->revision = store->pending.revision;
    store->id = store->pending.id;
    store->commits++;
    history_push(store, &store->pending);
    store_drop_pending(store);
}

int store_commit(struct store *store, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r;

    record_committed(&text, store->pending.tx, store->pending.revision);
    r = append(store, &text, err);
    if (r < 0) {
        if (store->journal.tail_unknown)
            store->void_tx = store->pending.tx;
        return r;
    }
    store_step(store, "committed-written");
    r = sync_newest(store, err);
    if (r < 0) {
        if (store->journal.tail_unknown)
            store->void_tx = store->pending.tx;
        return r;
    }
    store_step(store, "committed-synced");
    r = change_tree(store, err);
    if (r < 0)
        return r;
    is_committed(store);
    store->written = store->revision;
    return 0;
}

int store_commit_unwritten(struct store *store, const struct revision *meta, json_t *patch,
                           struct orb_err *err)
{
    int r = overlay_patch_apply(store->running, patch, false, err);

    if (r < 0)
        return r;
    set_pending(store, pending_of(store, meta, patch), patch);
    is_committed(store);
    if (!store->renew)
        renew_demand(store, "the newest revision is not on the disk");
    store->unwritable = true;
    return 0;
}

void store_abort(struct store *store, const char *why)
{
    AUTO(buf) struct buf text = {0};
    struct orb_err err;

    record_aborted(&text, store->pending.tx, why);
    if (!store->renew && store->journal.path &&
        (append(store, &text, &err) < 0 || sync_newest(store, &err) < 0))
        log_warn(store->log, "config.journal.aborted-not-written", KV("why", err.text));
    store_drop_pending(store);
    store_step(store, "aborted-written");
}

int store_confirm(struct store *store, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0};
    int r = renew_writable(store, err);

    if (r < 0)
        return r;
    record_confirmed(&text, store->revision);
    r = append(store, &text, err);
    if (r == 0) {
        store_step(store, "confirmed-written");
        r = sync_newest(store, err);
    }
    if (r < 0)
        return r;
    store->list[store->count - 1].confirmed = true;
    return 0;
}
