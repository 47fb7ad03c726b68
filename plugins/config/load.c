/* Reading the datastore at start: the newest snapshot that is whole, then the journals behind it in
 * order. What does not fit is set aside under another name with a log record, never deleted. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/store_priv.h"

const struct json_limits store_limits = {.depth = 64, .keys = JSON_MAX_TREE_KEYS};

/* One journal being read. replay: its records also change the running tree. */
struct reading {
    struct store *store;
    uint64_t generation;
    bool replay;
};

static uint64_t number_of(const json_t *record, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(record, key));

    return v > 0 ? (uint64_t)v : 0;
}

static const char *text_of(const json_t *record, const char *key)
{
    const char *text = json_string_value(json_object_get(record, key));

    return text ? text : "";
}

static void on_prepared(struct reading *reading, uint64_t offset, const json_t *record)
{
    struct store *s = reading->store;

    store_drop_pending(s);
    s->pending = (struct revision){
        .revision = number_of(record, "rev"),
        .tx = number_of(record, "tx"),
        .generation = reading->generation,
        .offset = offset,
        .time_us = number_of(record, "time"),
        .undoes = number_of(record, "undoes"),
        .confirm_s = (uint32_t)number_of(record, "confirm_s"),
        .confirm_by_us = number_of(record, "confirm_by"),
        .changes = json_array_size(json_object_get(record, "patch")),
        .user = xstrdup(text_of(record, "user")),
        .comment = xstrdup(text_of(record, "comment")),
    };
    s->pending_patch = json_incref(json_object_get(record, "patch"));
}

static int on_committed(struct reading *reading, const json_t *record, struct orb_err *err)
{
    struct store *s = reading->store;
    int r;

    if (!s->pending_patch || s->pending.tx != number_of(record, "tx"))
        return orb_fail(err, ORB_E_IO, "a commit record without its transaction");
    if (reading->replay) {
        if (s->pending.revision != s->revision + 1)
            return orb_fail(err, ORB_E_IO, "revision %" PRIu64 " stands behind %" PRIu64,
                            s->pending.revision, s->revision);
        r = patch_apply(s->running, s->pending_patch, false, err);
        if (r < 0)
            return r;
        s->revision = s->pending.revision;
        s->commits++;
    }
    store_push(s, &s->pending);
    /* Kept until the next record: `aborted` may still follow when the disk refused to sync. */
    return 0;
}

static int on_aborted(struct reading *reading, const json_t *record, struct orb_err *err)
{
    struct store *s = reading->store;
    struct revision *last = s->count ? &s->list[s->count - 1] : NULL;
    int r = 0;

    if (last && s->pending_patch && !s->pending.tx && last->tx == number_of(record, "tx")) {
        if (reading->replay) {
            r = patch_apply(s->running, s->pending_patch, true, err);
            s->revision--;
        }
        revision_fini(last);
        s->count--;
    }
    store_drop_pending(s);
    return r;
}

static int on_record(void *arg, uint64_t offset, const char *text, size_t len, struct orb_err *err)
{
    struct reading *reading = arg;
    struct store *s = reading->store;
    AUTO(json_t) json_t *record = NULL;
    const char *state;
    int r = tree_parse(text, len, &store_limits, &record, err);

    if (r < 0)
        return r;
    state = text_of(record, "state");
    if (number_of(record, "tx") > s->last_tx)
        s->last_tx = number_of(record, "tx");
    if (strcmp(state, "prepared") == 0)
        on_prepared(reading, offset, record);
    else if (strcmp(state, "committed") == 0)
        return on_committed(reading, record, err);
    else if (strcmp(state, "aborted") == 0)
        return on_aborted(reading, record, err);
    else if (strcmp(state, "confirmed") == 0 && s->count &&
             s->list[s->count - 1].revision == number_of(record, "rev"))
        s->list[s->count - 1].confirmed = true;
    return 0;
}

static void set_aside(struct store *store, uint64_t generation, const char *why)
{
    AUTO_FREE char *path = store_journal_path(store, generation);
    AUTO_FREE char *lost = xasprintf("%s.lost", path);

    log_error(store->log, "config.journal.lost", KV("file", path), KV("kept_as", lost),
              KV("why", why));
    if (rename(path, lost) < 0)
        log_error(store->log, "config.journal.not-renamed", KV("file", path));
}

/* History in front of the snapshot: only the index is wanted, damage costs history, not state. */
static void index_old(struct store *store, uint64_t generation)
{
    AUTO_FREE char *path = store_journal_path(store, generation);
    struct reading reading = {.store = store, .generation = generation};
    struct journal unused = {.fd = -1};
    struct orb_err err = {0};
    uint64_t cut = 0;
    int r = journal_open(path, false, NULL, on_record, &reading, &unused, &cut, &err);

    store_drop_pending(store);
    if (r == 0 && !cut)
        return;
    log_warn(store->log, "config.history.damaged", KV("file", path), KV("bytes", cut),
             KV("why", err.text));
    for (size_t i = 0; i < store->count; i++)
        revision_fini(&store->list[i]);
    store->count = 0;
}

/* Replays one journal; it becomes the one that takes records. */
static int replay(struct store *store, uint64_t generation, const uint8_t *chain,
                  struct orb_err *err)
{
    AUTO_FREE char *path = store_journal_path(store, generation);
    struct reading reading = {.store = store, .generation = generation, .replay = true};
    struct journal journal = {.fd = -1};
    uint64_t cut = 0;
    int r;

    store_drop_pending(store);
    store->commits = 0;
    r = journal_open(path, true, chain, on_record, &reading, &journal, &cut, err);
    if (r < 0)
        return r;
    if (cut)
        log_warn(store->log, "config.journal.torn", KV("file", path), KV("bytes", cut),
                 KV("revision", store->revision));
    if (store->journal.path)
        journal_close(&store->journal);
    store->journal = journal;
    store->generation = generation;
    return 0;
}

static int load_snapshot(struct store *store, uint8_t chain[JOURNAL_CHAIN])
{
    size_t count;
    AUTO_FREE uint64_t *numbers = store_numbers(store, "snapshot-", ".json", &count);
    struct orb_err err;

    for (size_t i = count; i-- > 0;) {
        if (snapshot_load(store, numbers[i], chain, &err) == 0)
            return 0;
        log_error(store->log, "config.snapshot.damaged", KV("revision", numbers[i]),
                  KV("why", err.text));
    }
    store->running = json_object();
    memset(chain, 0, JOURNAL_CHAIN);
    return count ? -1 : 0;
}

static int load_journals(struct store *store, const uint8_t *chain, struct orb_err *err)
{
    size_t count;
    AUTO_FREE uint64_t *numbers = store_numbers(store, "journal-", "", &count);
    AUTO_FREE char *path = NULL;
    uint64_t start = store->revision;
    int r;

    for (size_t i = 0; i < count; i++) {
        struct orb_err why = {0};

        if (numbers[i] < start) {
            index_old(store, numbers[i]);
            continue;
        }
        if (numbers[i] != store->revision)
            orb_fail(&why, ORB_E_STATE, "nothing leads from revision %" PRIu64 " to it",
                     store->revision);
        else if (replay(store, numbers[i], store->journal.path ? store->journal.chain : chain,
                        &why) == 0)
            continue;
        set_aside(store, numbers[i], why.text);
    }
    if (store->journal.path)
        return 0;
    store->fresh = count == 0 && store->revision == 0;
    path = store_journal_path(store, store->revision);
    store->generation = store->revision;
    r = journal_create(path, chain, &store->journal, err);
    /* What was read of a journal that is set aside now has nothing else on the disk to stand on. */
    if (r == 0 && store->revision != start)
        r = snapshot_write(store, err);
    return r;
}

int store_open(struct store *store, const char *dir, struct log_sink *log,
               void (*step)(void *arg, const char *name), void *step_arg, struct orb_err *err)
{
    uint8_t chain[JOURNAL_CHAIN];
    int r;

    *store = (struct store){.dir = xstrdup(dir), .log = log, .step = step, .step_arg = step_arg};
    store->journal.fd = -1;
    if (sodium_init() < 0)
        return orb_fail(err, ORB_E_INTERNAL, "libsodium did not start");
    r = load_snapshot(store, chain);
    if (r < 0)
        log_error(log, "config.snapshot.none-usable", KV("dir", dir));
    r = load_journals(store, chain, err);
    if (r < 0)
        return orb_wrap(err, "state directory %s", dir);
    store->interrupted = store->pending_patch && store->pending.tx;
    if (store->interrupted) {
        log_warn(log, "config.transaction.interrupted", KV("revision", store->pending.revision),
                 KV("tx", store->pending.tx));
        store_abort(store, "the config service ended before it was committed");
    }
    store_drop_pending(store);
    return 0;
}
