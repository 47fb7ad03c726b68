/* The journals at start: those in front of the snapshot for the history, those behind it replayed
 * in order, each read from its two files at once. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/store_priv.h"

/* One journal being read. replay: its records also change the running tree. */
struct reading {
    struct store *store;
    uint64_t generation;
    bool replay;
    bool voided; /* ended at a commit that was refused */
};

/* A journal and its copy in memory. */
struct pair {
    char *path, *copy_path;
    struct buf main, copy;
    struct orb_err main_err; /* code 0: it was read */
};

/* ---- records ---- */

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

/* The history needs no patches: a record's text without it. Inside of strings the quote of the
 * mark would be escaped. */
static int parse_record(const char *text, size_t len, bool whole, json_t **ret_record,
                        struct orb_err *err)
{
    static const char changes[] = ",\"changes\":", patch[] = ",\"patch\":";
    const char *end = whole ? NULL : memmem(text, len, patch, strlen(patch));
    AUTO(buf) struct buf head = {0};

    if (!end || !memmem(text, (size_t)(end - text), changes, strlen(changes)))
        return tree_parse(text, len, &store_limits, ret_record, err);
    buf_add(&head, text, (size_t)(end - text));
    buf_addc(&head, '}');
    return tree_parse(head.data, head.len, &store_limits, ret_record, err);
}

static void on_prepared(struct reading *reading, uint64_t offset, const json_t *record)
{
    struct store *s = reading->store;
    const json_t *patch = json_object_get(record, "patch");

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
        .changes = patch ? json_array_size(patch) : number_of(record, "changes"),
        .user = xstrdup(text_of(record, "user")),
        .comment = xstrdup(text_of(record, "comment")),
    };
    s->pending_patch = patch ? json_incref((json_t *)patch) : json_array();
}

static int on_committed(struct reading *reading, const json_t *record, struct orb_err *err)
{
    struct store *s = reading->store;
    int r;

    if (!s->pending_patch || s->pending.tx != number_of(record, "tx"))
        return orb_fail(err, ORB_E_IO, "a commit record without its transaction");
    if (s->void_tx && s->void_tx == s->pending.tx) {
        reading->voided = true;
        return orb_fail(err, ORB_E_STATE, "revision %" PRIu64 " was refused", s->pending.revision);
    }
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
    /* Kept until the next record: journals of the first format may go on with `aborted` when the
     * disk refused to sync. */
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

static void on_noted(struct store *s, const json_t *record)
{
    store_note(s, text_of(record, "user"), text_of(record, "text"), number_of(record, "time"));
    s->notes[s->note_count - 1].revision = number_of(record, "rev");
}

static int on_record(void *arg, uint64_t offset, const char *text, size_t len, struct orb_err *err)
{
    struct reading *reading = arg;
    struct store *s = reading->store;
    AUTO(json_t) json_t *record = NULL;
    const char *state;
    int r = parse_record(text, len, reading->replay, &record, err);

    if (s->progress)
        s->progress(s->step_arg);
    if (r < 0)
        return r;
    state = text_of(record, "state");
    if (number_of(record, "tx") > s->last_tx)
        s->last_tx = number_of(record, "tx");
    damage_seen(s, number_of(record, "rev"));
    if (strcmp(state, "prepared") == 0)
        on_prepared(reading, offset, record);
    else if (strcmp(state, "committed") == 0)
        return on_committed(reading, record, err);
    else if (strcmp(state, "aborted") == 0)
        return on_aborted(reading, record, err);
    else if (strcmp(state, "noted") == 0)
        on_noted(s, record);
    else if (strcmp(state, "confirmed") == 0 && s->count &&
             s->list[s->count - 1].revision == number_of(record, "rev"))
        s->list[s->count - 1].confirmed = true;
    return 0;
}

/* Behind a gap: only which numbers were used. */
static int on_stray(void *arg, uint64_t offset, const char *text, size_t len, struct orb_err *err)
{
    AUTO(json_t) json_t *record = NULL;

    if (parse_record(text, len, false, &record, NULL) == 0)
        damage_seen(arg, number_of(record, "rev"));
    return 0;
}

/* ---- files ---- */

static void pair_read(const struct store *store, uint64_t generation, struct pair *ret)
{
    struct orb_err err;

    *ret = (struct pair){.path = store_journal_path(store, generation),
                         .copy_path = store_copy_path(store, generation)};
    file_read_regular(ret->path, JOURNAL_MAX_FILE + JOURNAL_MAX_FILE / 4, &ret->main,
                      &ret->main_err);
    file_read_regular(ret->copy_path, JOURNAL_MAX_FILE + JOURNAL_MAX_FILE / 4, &ret->copy, &err);
}

static void own_pair(struct pair *pair)
{
    free(pair->path);
    free(pair->copy_path);
    buf_fini(&pair->main);
    buf_fini(&pair->copy);
}

static struct journal_image image(const struct buf *data)
{
    return (struct journal_image){data->data, data->len};
}

/* The chain values at which the journal of generation next begins, by its two files. */
static void heads_of(const struct store *store, uint64_t next, uint8_t heads[2][JOURNAL_CHAIN],
                     const uint8_t *ret_heads[2])
{
    AUTO_FREE char *path = store_journal_path(store, next);
    AUTO_FREE char *copy = store_copy_path(store, next);
    const char *files[2] = {path, copy};

    for (int i = 0; i < 2; i++) {
        AUTO_FILE FILE *f = fopen(files[i], "re");
        char data[JOURNAL_HEAD];
        struct journal_image head = {data, JOURNAL_HEAD};
        const uint8_t *chain;

        ret_heads[i] = NULL;
        if (!f || fread(data, 1, sizeof(data), f) != sizeof(data))
            continue;
        chain = journal_head(&head);
        if (chain)
            ret_heads[i] = memcpy(heads[i], chain, JOURNAL_CHAIN);
    }
}

static uint64_t same_bytes(const struct buf *a, const struct buf *b, uint64_t limit)
{
    uint64_t n = 0;

    while (n < limit && n < a->len && n < b->len && a->data[n] == b->data[n])
        n++;
    return n;
}

/* ---- history ---- */

/* History in front of the snapshot: only the index is wanted, damage costs history, not state. */
static void index_old(struct store *store, uint64_t generation, const uint64_t *next)
{
    AUTO(pair) struct pair pair = {0};
    struct reading reading = {.store = store, .generation = generation};
    uint8_t heads[2][JOURNAL_CHAIN];
    struct journal_scan scan = {0};
    struct journal_found found;
    struct orb_err err = {0};
    int r;

    pair_read(store, generation, &pair);
    scan.main = image(&pair.main);
    scan.copy = image(&pair.copy);
    if (next)
        heads_of(store, *next, heads, scan.heads);
    r = journal_scan(&scan, on_record, &reading, &found, &err);
    store_drop_pending(store);
    if (r == 0 && found.end && (found.taken_over || !found.tail))
        return;
    log_warn(store->log, "config.history.damaged", KV("file", pair.path), KV("bytes", found.tail),
             KV("why", err.text));
    for (size_t i = 0; i < store->count; i++)
        revision_fini(&store->list[i]);
    store->count = 0;
}

/* ---- replay ---- */

static int main_is_unreadable(const struct pair *pair)
{
    int code = pair->main_err.code;

    return code < 0 && code > -1000 && code != -ENOENT;
}

/* What the two files together did not have, or had only once. */
static void judge_pair(struct store *store, const struct pair *pair, bool voided,
                       const struct journal_found *found)
{
    struct journal_image main = image(&pair->main), copy = image(&pair->copy);

    if (pair->main_err.code) {
        /* The copy is not synced: it may be shorter than what was here. */
        store->damage.rotten = store->damage.lost = true;
        damage_found(store, pair->path, 0, "%s", pair->main_err.text);
    } else if (found->holes) {
        store->damage.rotten = true;
        damage_found(store, pair->path, found->first_bad,
                     "%" PRIu64 " records are not whole and were read from %s", found->repaired,
                     strrchr(pair->copy_path, '/') + 1);
    }
    if (!found->end && !pair->main_err.code) {
        store->damage.rotten = store->damage.lost = true;
        damage_found(store, pair->path, 0, "its %zu bytes are no journal", pair->main.len);
    }
    if (!found->damaged || voided)
        return;
    store->damage.rotten = store->damage.lost = true;
    damage_found(store, pair->path, found->end,
                 "a record that was there is damaged in both copies");
    journal_behind(&main, found->end, on_stray, store);
    journal_behind(&copy, found->end, on_stray, store);
}

/* The journal that takes records, unless something stands against it. */
static void go_on(struct store *store, const struct pair *pair, const struct reading *reading,
                  const struct journal_found *found, bool last)
{
    struct orb_err err = {0};

    if (!last || store->damage.lost)
        return;
    if (reading->voided) {
        store_must_renew(store, "a refused commit could not be taken back");
        return;
    }
    if (found->repaired || !found->end) {
        store_must_renew(store, "the journal is not whole");
        return;
    }
    if (journal_open(pair->path, pair->copy_path, found->end, found->chain,
                     same_bytes(&pair->main, &pair->copy, found->end), &store->journal, &err) == 0)
        return;
    log_warn(store->log, "config.store.not-writable", KV("why", err.text));
    memcpy(store->journal.chain, found->chain, JOURNAL_CHAIN);
    store_must_renew(store, err.text);
    store->unwritable = true;
}

/* Replays one journal; next: the number of the one behind it, NULL: this is the last. */
static int replay(struct store *store, uint64_t generation, const uint64_t *next,
                  struct orb_err *err)
{
    AUTO(pair) struct pair pair = {0};
    struct reading reading = {.store = store, .generation = generation, .replay = true};
    uint8_t heads[2][JOURNAL_CHAIN], chain[JOURNAL_CHAIN];
    struct journal_scan scan = {.chain = chain};
    struct journal_found found;
    struct orb_err why = {0};
    int r;

    memcpy(chain, store->journal.chain, JOURNAL_CHAIN);
    store_drop_pending(store);
    store->commits = 0;
    pair_read(store, generation, &pair);
    if (main_is_unreadable(&pair) && !pair.copy.len) {
        if (err)
            *err = pair.main_err;
        return pair.main_err.code;
    }
    scan.main = image(&pair.main);
    scan.copy = image(&pair.copy);
    if (next)
        heads_of(store, *next, heads, scan.heads);
    r = journal_scan(&scan, on_record, &reading, &found, &why);
    memcpy(store->journal.chain, found.end ? found.chain : chain, JOURNAL_CHAIN);
    store->journal.end = found.end;
    store->generation = generation;
    judge_pair(store, &pair, reading.voided, &found);
    if (r < 0 && !reading.voided) {
        store->damage.rotten = store->damage.lost = true;
        damage_found(store, pair.path, found.end, "%s", why.text);
    }
    if (found.tail && !found.taken_over)
        log_warn(store->log, "config.journal.torn", KV("file", pair.path), KV("bytes", found.tail),
                 KV("revision", store->revision));
    go_on(store, &pair, &reading, &found, !next);
    return 0;
}

int load_journals(struct store *store, const uint8_t *chain, struct orb_err *err)
{
    size_t count;
    AUTO_FREE uint64_t *numbers = store_journals(store, &count);
    uint64_t start = store->revision;
    bool any = false;

    if (count)
        damage_seen(store, numbers[count - 1]);
    for (size_t i = 0; i < count; i++) {
        const uint64_t *next = i + 1 < count ? &numbers[i + 1] : NULL;
        int r = 0;

        if (numbers[i] < start) {
            index_old(store, numbers[i], next);
        } else if (numbers[i] == store->revision && (any || numbers[i] == start)) {
            any = true;
            r = replay(store, numbers[i], next, err);
        } else {
            AUTO_FREE char *path = store_journal_path(store, numbers[i]);

            store->damage.rotten = store->damage.lost = true;
            damage_found(store, path, 0, "nothing leads from revision %" PRIu64 " to it",
                         store->revision);
            return 1;
        }
        if (r < 0)
            return r;
    }
    return any;
}
