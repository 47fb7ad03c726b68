/* The journals at start: those before the snapshot for the history, those after it replayed in
 * order, each read from its two files at once. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/damage.h"
#include "plugins/config/files.h"
#include "plugins/config/history.h"
#include "plugins/config/journal.h"
#include "plugins/config/journal_internal.h"
#include "plugins/config/load_journals.h"
#include "plugins/config/load_records.h"
#include "plugins/config/pair.h"
#include "plugins/config/renew.h"
#include "plugins/config/store_internal.h"

static bool takes_over(void *arg, const uint8_t *chain, bool at_end)
{
    struct reading *reading = arg;

    return pair_take_over(&reading->later, reading->at, chain, at_end);
}

/* Only a journal of the first format has none. A copy known to be unwritable may be behind or
 * missing without being damage, but here nothing is known. */
static bool is_copy_missing(const struct pair *pair, const struct journal_found *found)
{
    return pair->copy_err.code && found->records && pair->main.len >= JOURNAL_MAGIC &&
           !memcmp(pair->main.data, journal_magic, JOURNAL_MAGIC);
}

/* ---- history ---- */

static void check_old(struct store *store, const struct pair *pair, bool whole,
                      const struct journal_found *found, const char *why)
{
    if (whole && found->holes) {
        damage_found(store, pair->path, found->first_bad,
                     "%" PRIu64 " records are not whole and were read from %s", found->repaired,
                     strrchr(pair->copy_path, '/') + 1);
    } else if (whole && found->copy_rotten) {
        damage_found(store, pair->copy_path, found->copy_bad, "it is not what the journal is");
    } else if (whole && is_copy_missing(pair, found)) {
        damage_found(store, pair->copy_path, 0, "%s", pair->copy_err.text);
    } else if (!whole) {
        damage_found(store, pair->path, found->end, "%s; the history begins behind it",
                     *why ? why : "records of the history are missing");
    } else {
        return;
    }
    store->damage.rotten = true;
}

/* A journal among those there are. */
static struct reading reading_of(struct store *store, const uint64_t *numbers, size_t count,
                                 size_t i)
{
    return (struct reading){
        .store = store,
        .generation = numbers[i],
        .at = numbers[i],
        .later = {.store = store, .numbers = &numbers[i + 1], .count = count - i - 1}};
}

/* Reads pair's records with reading. */
static int scan_pair(struct reading *reading, const struct pair *pair, const uint8_t *chain,
                     struct journal_found *ret_found, struct orb_err *err)
{
    struct journal_scan scan = {.main = pair_image(&pair->main),
                                .copy = pair_image(&pair->copy),
                                .chain = chain,
                                .takes_over = takes_over};

    return journal_scan(&scan, load_records_add, reading, ret_found, err);
}

/* History in front of the snapshot: only the index is wanted, damage costs history, not state.
 * Returns the number of the journal that takes over, 0: none does. */
static uint64_t index_old(struct reading reading)
{
    AUTO(pair) struct pair pair = {0};
    struct store *store = reading.store;
    struct journal_found found;
    struct orb_err err = {0};
    bool whole;
    int r;

    pair_read(store, reading.generation, &pair);
    r = scan_pair(&reading, &pair, NULL, &found, &err);
    store_drop_pending(store);
    whole = r == 0 && found.end && (found.taken_over || (!reading.later.count && !found.tail));
    check_old(store, &pair, whole, &found, r < 0 ? err.text : pair.main_err.text);
    if (whole)
        return found.taken_over ? reading.later.taken_by : 0;
    for (size_t i = 0; i < store->count; i++)
        history_revision_fini(&store->list[i]);
    store->count = 0;
    return 0;
}

/* ---- replay ---- */

static int main_is_unreadable(const struct pair *pair)
{
    int code = pair->main_err.code;

    return code < 0 && code > -1000 && code != -ENOENT;
}

/* What the two files together did not have, or had only once. */
static void check_pair(struct store *store, const struct pair *pair, bool voided,
                       const struct journal_found *found)
{
    struct journal_image main = pair_image(&pair->main), copy = pair_image(&pair->copy);

    if (pair->main_err.code) {
        /* The copy is not synced: it may be shorter than what was here. */
        store->damage.rotten = store->damage.lost = true;
        damage_found(store, pair->path, 0, "%s", pair->main_err.text);
    } else if (found->holes) {
        store->damage.rotten = true;
        damage_found(store, pair->path, found->first_bad,
                     "%" PRIu64 " records are not whole and were read from %s", found->repaired,
                     strrchr(pair->copy_path, '/') + 1);
    } else if (found->copy_rotten) {
        store->damage.rotten = true;
        damage_found(store, pair->copy_path, found->copy_bad, "it is not what the journal is");
    } else if (is_copy_missing(pair, found)) {
        store->damage.rotten = true;
        damage_found(store, pair->copy_path, 0, "%s", pair->copy_err.text);
    }
    if (!found->end && !pair->main_err.code) {
        store->damage.rotten = store->damage.lost = true;
        damage_found(store, pair->path, 0, "its %zu bytes are no journal", pair->main.len);
    }
    if (!found->damaged || voided)
        return;
    store->damage.rotten = store->damage.lost = true;
    damage_found(store, pair->path, found->end, "%s",
                 found->disputed ? "it and its second copy continue differently, so one of them is "
                                   "of another appliance or time"
                                 : "a record that was there is damaged in both copies");
    journal_scan_behind(&main, found->end, load_records_note, store);
    journal_scan_behind(&copy, found->end, load_records_note, store);
}

/* Selects the journal to be continued, unless something is wrong with it. */
static void go_on(struct store *store, const struct pair *pair, const struct reading *reading,
                  const struct journal_found *found, bool last)
{
    struct orb_err err = {0};

    if (!last || store->damage.lost)
        return;
    if (reading->voided) {
        renew_demand(store, "a refused commit could not be taken back");
        return;
    }
    if (found->repaired || !found->end) {
        renew_demand(store, "the journal is not whole");
        return;
    }
    if (journal_open(pair->path, pair->copy_path, found->end, found->chain,
                     pair_same_bytes(pair, found->end), &store->journal, &err) == 0)
        return;
    log_warn(store->log, "config.store.not-writable", KV("why", err.text));
    memcpy(store->journal.chain, found->chain, JOURNAL_CHAIN);
    renew_demand(store, err.text);
    store->unwritable = true;
}

/* Replays one journal. */
static int replay(struct reading reading, struct orb_err *err)
{
    AUTO(pair) struct pair pair = {0};
    struct store *store = reading.store;
    bool is_last = !reading.later.count;
    uint8_t chain[JOURNAL_CHAIN];
    struct journal_found found;
    struct orb_err why = {0};
    int r;

    memcpy(chain, store->journal.chain, JOURNAL_CHAIN);
    store_drop_pending(store);
    store->commits = 0;
    reading.replay = true;
    pair_read(store, reading.generation, &pair);
    if (main_is_unreadable(&pair) && !pair.copy.len) {
        if (err)
            *err = pair.main_err;
        return pair.main_err.code;
    }
    r = scan_pair(&reading, &pair, chain, &found, &why);
    memcpy(store->journal.chain, found.end ? found.chain : chain, JOURNAL_CHAIN);
    store->journal.end = found.end;
    store->generation = reading.generation;
    if (r < 0 && !reading.voided) {
        store->damage.rotten = store->damage.lost = true;
        damage_found(store, pair.path, found.end, "%s", why.text);
    }
    check_pair(store, &pair, reading.voided, &found);
    if (reading.continues && is_last) {
        AUTO_FREE char *gone = files_journal_path(store, reading.continues);

        store->damage.rotten = store->damage.lost = true;
        damage_seen(store, reading.continues);
        damage_found(store, gone, 0, "it is missing, and so is its second copy");
    }
    if (found.tail && !found.taken_over && !found.closed)
        log_warn(store->log, "config.journal.torn", KV("file", pair.path), KV("bytes", found.tail),
                 KV("revision", store->revision));
    go_on(store, &pair, &reading, &found, is_last);
    return 0;
}

/* It may be anything: a user has to decide. */
static void lead_to_nothing(struct store *store, uint64_t number)
{
    AUTO_FREE char *path = files_journal_path(store, number);

    store->damage.rotten = store->damage.lost = true;
    damage_found(store, path, 0, "nothing leads from revision %" PRIu64 " to it", store->revision);
}

int load_journals(struct store *store, const uint8_t *chain, struct orb_err *err)
{
    size_t count;
    AUTO_FREE uint64_t *numbers = files_journals(store, &count);
    uint64_t start = store->revision, due = 0;
    bool any = false;

    if (count)
        damage_seen(store, numbers[count - 1]);
    for (size_t i = 0; i < count; i++) {
        struct reading reading = reading_of(store, numbers, count, i);
        int r = 0;

        if (numbers[i] < start && numbers[i] >= due) {
            due = index_old(reading);
        } else if (numbers[i] == store->revision && (any || numbers[i] == start)) {
            any = true;
            r = replay(reading, err);
        } else {
            lead_to_nothing(store, numbers[i]);
            if (numbers[i] > store->revision)
                return 1;
        }
        if (r < 0)
            return r;
    }
    return any;
}
