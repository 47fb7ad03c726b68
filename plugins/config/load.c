/* Reading of the datastore at start: the newest valid snapshot, then the journals after it
 * (load_journals.c), then the check whether anything is missing. Nothing on the disk is changed but
 * a torn end. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/damage.h"
#include "plugins/config/files.h"
#include "plugins/config/history.h"
#include "plugins/config/journal.h"
#include "plugins/config/load.h"
#include "plugins/config/load_journals.h"
#include "plugins/config/pair.h"
#include "plugins/config/renew.h"
#include "plugins/config/snapshot.h"
#include "plugins/config/store.h"
#include "plugins/config/store_internal.h"

/* Snapshots as they were found. */
struct snapshots {
    uint64_t newest;
    size_t count;
    bool loaded;
    uint64_t disputed; /* the newest that the following journal does not continue, 0: none */
    bool trust_all;    /* take such a one as well */
    struct orb_err unreadable; /* code 0: all that are there can be read */
};

/* The content of a file that is there was wrong, or the system did not give it. */
static bool is_unreadable(int code)
{
    return code < 0 && code > -1000 && code != -ENOENT;
}

/* Whether the following journal begins with the same state. If not, one of them is of another
 * appliance or an earlier history. */
static bool belongs(const struct store *store, uint64_t number, const uint8_t *chain)
{
    struct journal_heads heads;

    pair_heads(store, number, &heads);
    for (size_t i = 0; i < heads.count; i++)
        if (memcmp(heads.chain[i], chain, JOURNAL_CHAIN) == 0)
            return true;
    return heads.count == 0;
}

static void begin_empty(struct store *store, uint8_t *ret_chain)
{
    json_decref(store->running);
    store->running = json_object();
    store->revision = store->id = store->last_tx = store->snapshot_bytes = 0;
    memset(ret_chain, 0, JOURNAL_CHAIN);
}

static int try_snapshot(struct store *store, uint64_t number, uint8_t *chain,
                        struct snapshots *found, struct orb_err *err)
{
    int r = found->loaded ? snapshot_check(store, number, err)
                          : snapshot_load(store, number, chain, err);

    if (r < 0 && is_unreadable(err->code))
        found->unreadable = *err;
    if (r == 0 && !found->loaded && !belongs(store, number, chain)) {
        if (found->trust_all) {
            store->damage.foreign = store->damage.lost = true;
        } else {
            found->disputed = number > found->disputed ? number : found->disputed;
            r = orb_fail(err, ORB_E_INVALID,
                         "journal-%" PRIu64 " does not continue it, so one of them is of another "
                         "appliance or time",
                         number);
        }
    }
    return r;
}

/* The newest that can be used; older ones are only looked at, as they are what is left the day the
 * newest rots. */
static void load_snapshot(struct store *store, uint8_t chain[JOURNAL_CHAIN],
                          struct snapshots *found)
{
    AUTO_FREE uint64_t *numbers = files_numbers(store, "snapshot-", ".json", &found->count);

    found->newest = found->count ? numbers[found->count - 1] : 0;
    damage_seen(store, found->newest);
    for (size_t i = found->count; i-- > 0;) {
        AUTO_FREE char *file = buf_format("snapshot-%" PRIu64 ".json", numbers[i]);
        struct orb_err err = {0};

        if (try_snapshot(store, numbers[i], chain, found, &err) == 0) {
            found->loaded = true;
            continue;
        }
        store->damage.rotten = true;
        damage_found(store, file, 0, "%s", err.text);
        if (!found->loaded)
            begin_empty(store, chain);
    }
    if (!found->loaded)
        begin_empty(store, chain);
}

/* Whether there are traces of an appliance that ran before. */
static int look_around(struct store *store, bool *ret_used, struct orb_err *err)
{
    static const char *const ours[] = {"snapshot-", "journal-", "last-good-", "candidate-",
                                       "subscribers.json"};
    DIR *dir = opendir(store->dir);
    struct dirent *entry;

    *ret_used = false;
    if (!dir)
        return orb_fail(err, -errno, "cannot read %s", store->dir);
    errno = 0;
    while ((entry = readdir(dir)))
        for (size_t i = 0; i < ARRAY_LEN(ours); i++)
            *ret_used |= !strncmp(entry->d_name, ours[i], strlen(ours[i]));
    if (errno) {
        int r = orb_fail(err, -errno, "cannot read %s", store->dir);

        closedir(dir);
        return r;
    }
    closedir(dir);
    return 0;
}

/* No journals to read: either a new appliance, or everything is lost. */
static void start_empty(struct store *store, const struct snapshots *found, bool used)
{
    AUTO_FREE char *path = files_journal_path(store, store->revision);

    if (found->count || used) {
        store->damage.rotten = store->damage.lost = true;
        damage_found(store, path, 0, "it is missing, and so is its second copy");
    } else {
        store->fresh = !store->enforced && !store->good;
    }
}

/* What runs is compared with all that is known of what there was. */
static int compare_revisions(struct store *store, const struct snapshots *found,
                             struct orb_err *err)
{
    struct damage *d = &store->damage;
    uint64_t id = history_id(store, store->enforced);

    /* The same number of another history: a state directory of another appliance, or of this one
     * at another time. */
    if (store->enforced_id && id && id != store->enforced_id)
        d->foreign = true;
    if (found->newest > store->revision) {
        if (found->unreadable.code) {
            if (err)
                *err = found->unreadable;
            return found->unreadable.code;
        }
        d->lost = true;
    }
    /* The kernel's state is as recent as this note of it: nothing newer was ever acknowledged. */
    if (d->lost && !d->foreign && store->revision && store->enforced == store->revision) {
        d->lost = false;
        if (!store->journal.path && !store->renew)
            renew_demand(store, "the journal is not whole");
    }
    if (store->good > store->revision) {
        d->lost = true;
        damage_found(store, "good-revision", 0,
                     "revision %" PRIu64 " ran here, and nothing of it is left", store->good);
    }
    store->written = store->revision;
    store->held = store->enforced > store->revision || (d->lost && !store->revision) || d->foreign;
    damage_describe(store);
    return 0;
}

/* Opens the store for writing; a failure is reported with the next commit. */
static void open_for_writing(struct store *store)
{
    struct orb_err err = {0};

    if (store->journal.path || store->renew || store->damage.lost || store->held)
        return;
    if (renew_rotate(store, &err) == 0)
        return;
    log_warn(store->log, "config.store.not-writable", KV("why", err.text));
    store->unwritable = true;
}

static void take_back_interrupted(struct store *store)
{
    store->interrupted = store->pending_patch && store->pending.tx;
    if (store->interrupted) {
        log_warn(store->log, "config.transaction.interrupted",
                 KV("revision", store->pending.revision), KV("tx", store->pending.tx));
        store_abort(store, "the config service ended before it was committed");
    }
    store_drop_pending(store);
}

static int read_files(struct store *store, struct snapshots *found, bool used, struct orb_err *err)
{
    uint8_t chain[JOURNAL_CHAIN];
    int r;

    load_snapshot(store, chain, found);
    memcpy(store->journal.chain, chain, JOURNAL_CHAIN);
    r = load_journals(store, chain, err);
    if (r >= 0 && store->list_error)
        r = orb_fail(err, store->list_error, "cannot list %s", store->dir);
    if (r == 0)
        start_empty(store, found, used);
    return r;
}

static void forget_read(struct store *store)
{
    store_drop_pending(store);
    for (size_t i = 0; i < store->count; i++)
        history_revision_fini(&store->list[i]);
    store->count = 0;
    journal_close(&store->journal);
}

int load_store(struct store *store, const struct store_setup *setup, struct orb_err *err)
{
    struct snapshots found = {0};
    bool used;
    int r;

    *store = (struct store){.dir = xstrdup(setup->dir),
                            .log = setup->log,
                            .step = setup->step,
                            .step_arg = setup->step_arg,
                            .progress = setup->progress,
                            .journal_full = STORE_JOURNAL_FULL,
                            .enforced = setup->enforced,
                            .enforced_id = setup->enforced_id,
                            .good = setup->good,
                            .void_tx = setup->void_tx,
                            .journal = {.fd = -1, .copy_fd = -1}};
    if (sodium_init() < 0)
        return orb_fail(err, ORB_E_INTERNAL, "libsodium did not start");
    r = look_around(store, &used, err);
    if (r == 0)
        r = read_files(store, &found, used, err);
    if (r >= 0 && found.disputed > store->revision) {
        /* No other source has it: better than something older, if a user accepts it. */
        forget_read(store);
        found = (struct snapshots){.trust_all = true};
        r = read_files(store, &found, used, err);
    }
    if (r >= 0)
        r = compare_revisions(store, &found, err);
    if (r < 0)
        return r;
    open_for_writing(store);
    take_back_interrupted(store);
    return 0;
}
