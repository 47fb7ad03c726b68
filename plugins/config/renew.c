/* Starts a new journal: after enough changes (a snapshot), after a record that could not be undone,
 * on a disk that is writable again, and when a user accepts what is left of a damaged store. The
 * new journal continues the chain from exactly the valid point: what follows it in an older one is
 * void from then on, so creating it is the one atomic step. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/now.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/damage.h"
#include "plugins/config/files.h"
#include "plugins/config/history.h"
#include "plugins/config/journal.h"
#include "plugins/config/mend.h"
#include "plugins/config/record.h"
#include "plugins/config/renew.h"
#include "plugins/config/snapshot.h"
#include "plugins/config/store_internal.h"

/* After an accepted loss revisions continue at the next multiple: whatever numbers the lost ones
 * had, none is used twice. */
#define NUMBERS_APART 1000u

/* The last record of a journal reports where it continues: without it the loss of all files of the
 * next one would look like the end. Written once that one is durable; a failure is harmless. */
static void close_journal(struct store *store)
{
    AUTO(buf) struct buf text = {0};
    struct orb_err err;

    if (store->journal.path && !store->journal.tail_unknown && !store->renew &&
        store->generation != store->revision) {
        record_continued(&text, store->revision);
        if (journal_append(&store->journal, NULL, text.data, text.len, &err) < 0 ||
            journal_sync(&store->journal, NULL, &err) < 0)
            log_warn(store->log, "config.journal.not-closed", KV("why", err.text));
    }
    journal_close(&store->journal);
}

int renew_rotate(struct store *store, struct orb_err *err)
{
    AUTO_FREE char *path = files_journal_path(store, store->revision);
    AUTO_FREE char *copy = files_copy_path(store, store->revision);
    struct journal next = {.fd = -1, .copy_fd = -1};
    int r = journal_create(path, copy, store->journal.chain, &next, err);

    if (r < 0) {
        /* It may be there all the same, and then voids what the old one would still take. */
        renew_demand(store, err ? err->text : "the next journal could not be made");
        store->unwritable = true;
        return r;
    }
    store_step(store, "snapshot-journal");
    close_journal(store);
    store->journal = next;
    store->generation = store->revision;
    store->commits = 0;
    store->snapshot_skip = 0;
    return 0;
}

bool renew_snapshot_due(const struct store *store)
{
    uint64_t worth = 2 * store->snapshot_bytes;

    if (store->pending_patch || store->damage.lost || store->held || store->renew ||
        history_unconfirmed(store))
        return false;
    if (worth < STORE_SNAPSHOT_BYTES)
        worth = STORE_SNAPSHOT_BYTES;
    return store->commits >= STORE_SNAPSHOT_EVERY ||
           store->journal.end > worth + store->snapshot_skip;
}

int renew_snapshot(struct store *store, struct orb_err *err)
{
    uint64_t size = store->journal.end;
    int r = renew_rotate(store, err);

    if (r == 0)
        r = snapshot_write(store, err);
    if (r < 0) { /* the journal is continued; tried again after as many changes */
        store->commits = 0;
        store->snapshot_skip = size;
        return r;
    }
    store_step(store, "snapshot-written");
    snapshot_prune(store);
    store_step(store, "snapshot-pruned");
    return 0;
}

/* The history's own line, in the journal that begins with it. */
static void write_note(struct store *store, const char *user, uint64_t time_us, const char *what)
{
    AUTO(buf) struct buf text = {0};
    struct orb_err err = {0};

    record_noted(&text, store->revision, time_us, user, what);
    history_note(store, user, what, time_us);
    if (journal_append(&store->journal, NULL, text.data, text.len, &err) < 0 ||
        journal_sync(&store->journal, NULL, &err) < 0)
        log_warn(store->log, "config.note.not-written", KV("why", err.text));
    if (store->journal.tail_unknown)
        renew_demand(store, err.text);
}

static int renew(struct store *store, struct orb_err *err)
{
    int r;

    damage_keep(store);
    r = renew_rotate(store, err);
    if (r == 0)
        r = snapshot_write(store, err);
    if (r < 0)
        return r;
    free(store->renew);
    store->renew = NULL;
    store->unwritable = false;
    store->written = store->revision;
    if (store->damage.rotten)
        mend_clear(store);
    snapshot_prune(store);
    return 0;
}

/* A journal that another program removed or changed under the running service would take records
 * that are never found again; what is in memory is the configuration. */
static void look_at_journal(struct store *store)
{
    const char *what =
        store->journal.path && !store->renew ? journal_disturbed(&store->journal) : NULL;

    if (!what)
        return;
    store->damage.rotten = true;
    damage_found(store, store->journal.path, 0, "%s while the service ran", what);
    damage_describe(store);
}

int renew_writable(struct store *store, struct orb_err *err)
{
    AUTO_FREE char *why = NULL;
    struct orb_err now = {0};

    if (store->damage.lost || store->held)
        return orb_fail(err, ORB_E_STATE,
                        "commits are blocked until a user decides: %s; see `orbctl config salvage`",
                        store->damage.text);
    look_at_journal(store);
    if (!store->renew && store->damage.rotten)
        renew_demand(store, "the datastore is not whole");
    if (!store->renew)
        return 0;
    why = xstrdup(store->renew);
    if (renew(store, &now) < 0) {
        renew_demand(store, now.text);
        store->unwritable = true;
        return orb_fail(err, ORB_E_IO,
                        "the configuration cannot be written, so what is stored runs on "
                        "unchanged: %s; %s",
                        now.text,
                        now.code == -ENOENT
                            ? "its directory was removed or replaced: `orbctl service restart "
                              "config` uses the one that is there now"
                            : "commit again when the disk takes writes");
    }
    log_notice(store->log, "config.journal.renewed", KV("revision", store->revision),
               KV("why", why));
    if (store->damage.rotten) {
        write_note(store, "system", now_wall_us(), store->damage.text);
        damage_fini(&store->damage);
    }
    return 0;
}

int renew_accept(struct store *store, const char *user, uint64_t time_us, struct orb_err *err)
{
    AUTO_FREE char *what = xstrdup(store->damage.text);
    uint64_t was = store->revision, was_id = store->id, last = store->damage.seen;
    bool apart = store->damage.lost || store->held;
    int r;

    if (!apart && !store->damage.rotten)
        return orb_fail(err, ORB_E_STATE, "the datastore is whole; there is nothing to accept");
    if (store->pending_patch)
        return orb_fail(err, ORB_E_BUSY, "a commit is on its way; try again");
    if (last < store->revision)
        last = store->revision;
    if (last < store->enforced)
        last = store->enforced;
    if (last < store->good)
        last = store->good;
    if (apart) {
        store->revision = (last / NUMBERS_APART + 1) * NUMBERS_APART;
        store->id = record_id(NULL, (const char *)&time_us, sizeof(time_us)); /* it has no record */
    }
    r = renew(store, err);
    if (r < 0) {
        store->revision = was;
        store->id = was_id;
        return r;
    }
    store->held = false;
    damage_fini(&store->damage);
    write_note(store, user, time_us, what);
    return 0;
}

void renew_demand(struct store *store, const char *why)
{
    char *text = xstrdup(why); /* it may be what is replaced */

    free(store->renew);
    store->renew = text;
}
