/* The records of a journal as they are read at start: each adds to the history and, where the
 * journal is replayed, changes the running tree. */
#include "plugins/config/load_records.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/damage.h"
#include "plugins/config/history.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/record.h"
#include "plugins/config/store_internal.h"

static uint64_t number_of(const json_t *record, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(record, key));

    return v > 0 ? (uint64_t)v : 0;
}

/* Earlier versions wrote the old key. A record is never rewritten: the chain holds its bytes. */
static uint64_t renamed_number_of(const json_t *record, const char *key, const char *old_key)
{
    return number_of(record, json_object_get(record, key) ? key : old_key);
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
    static const char changes_mark[] = ",\"changes\":";
    static const char patch_mark[] = ",\"patch\":";
    const char *end = whole ? NULL : memmem(text, len, patch_mark, strlen(patch_mark));
    AUTO(buf) struct buf head = {0};

    if (!end || !memmem(text, (size_t)(end - text), changes_mark, strlen(changes_mark)))
        return tree_parse(text, len, &store_limits, ret_record, err);
    buf_add(&head, text, (size_t)(end - text));
    buf_addc(&head, '}');
    return tree_parse(head.data, head.len, &store_limits, ret_record, err);
}

static void on_prepared(struct reading *reading, uint64_t offset, uint64_t id, const json_t *record)
{
    struct store *s = reading->store;
    const json_t *patch = json_object_get(record, "patch");

    store_drop_pending(s);
    s->pending = (struct revision){
        .revision = number_of(record, "rev"),
        .tx = number_of(record, "tx"),
        .id = id,
        .generation = reading->generation,
        .offset = offset,
        .time_us = number_of(record, "time"),
        .undoes = number_of(record, "undoes"),
        .confirm_s = (uint32_t)renamed_number_of(record, "confirm-s", "confirm_s"),
        .confirm_by_us = renamed_number_of(record, "confirm-by", "confirm_by"),
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
            return orb_fail(err, ORB_E_IO, "revision %" PRIu64 " follows %" PRIu64,
                            s->pending.revision, s->revision);
        r = overlay_patch_apply(s->running, s->pending_patch, false, err);
        if (r < 0)
            return r;
        s->revision = s->pending.revision;
        s->id = s->pending.id;
        s->commits++;
    }
    reading->at = s->pending.revision;
    history_push(s, &s->pending);
    /* Kept until the next record: journals of the first format may continue with `aborted` when a
     * sync failed. */
    return 0;
}

static int on_aborted(struct reading *reading, const json_t *record, struct orb_err *err)
{
    struct store *s = reading->store;
    struct revision *last = s->count ? &s->list[s->count - 1] : NULL;
    int r = 0;

    if (last && s->pending_patch && !s->pending.tx && last->tx == number_of(record, "tx")) {
        if (reading->replay) {
            r = overlay_patch_apply(s->running, s->pending_patch, true, err);
            s->revision--;
            s->id = s->count > 1 ? s->list[s->count - 2].id : 0;
        }
        reading->at = last->revision - 1;
        history_revision_fini(last);
        s->count--;
    }
    store_drop_pending(s);
    return r;
}

static void on_noted(struct store *s, const json_t *record)
{
    history_note(s, text_of(record, "user"), text_of(record, "text"), number_of(record, "time"));
    s->notes[s->note_count - 1].revision = number_of(record, "rev");
}

int load_records_add(void *arg, uint64_t offset, const char *text, size_t len, struct orb_err *err)
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
    if (!strcmp(state, "prepared"))
        on_prepared(reading, offset, record_id(NULL, text, len), record);
    else if (!strcmp(state, "committed"))
        return on_committed(reading, record, err);
    else if (!strcmp(state, "aborted"))
        return on_aborted(reading, record, err);
    else if (!strcmp(state, "noted"))
        on_noted(s, record);
    else if (!strcmp(state, "confirmed") && s->count &&
             s->list[s->count - 1].revision == number_of(record, "rev"))
        s->list[s->count - 1].confirmed = true;
    else if (!strcmp(state, "continued"))
        reading->continues = number_of(record, "rev");
    else if (strcmp(state, "confirmed"))
        return orb_fail(err, ORB_E_INVALID, "a record \"%.20s\", unknown to this version", state);
    return reading->continues > 0;
}

int load_records_note(void *arg, uint64_t offset, const char *text, size_t len, struct orb_err *err)
{
    AUTO(json_t) json_t *record = NULL;

    if (parse_record(text, len, false, &record, NULL) == 0)
        damage_seen(arg, number_of(record, "rev"));
    return 0;
}
