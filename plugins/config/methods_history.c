/* The method history: the revisions, the newest first. */
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/grants.h"
#include "plugins/config/history.h"
#include "plugins/config/member.h"
#include "plugins/config/methods_history.h"
#include "plugins/config/read.h"
#include "plugins/config/overlay.h"
#include "plugins/config/overlay_patch.h"
#include "plugins/config/reply.h"
#include "plugins/config/seen.h"

#define HISTORY_DEFAULT 50u
#define HISTORY_MAX 500u
#define HISTORY_MAX_BYTES (180u * 1024)
#define HISTORY_READ SEEN_REVISIONS /* revisions whose changes are looked at for one service */

static const char *state_of(const struct engine *e, size_t i)
{
    const struct revision *r = &e->store.list[i];
    bool last = i + 1 == e->store.count;

    if (!last && e->store.list[i + 1].undoes == r->revision)
        return "undone";
    if (r->confirm_s)
        return r->confirmed ? "confirmed" : "unconfirmed";
    return "committed";
}

static void add_entry(json_t *list, const struct revision *r, const char *state)
{
    json_t *entry = json_object();

    json_object_set_new(entry, "revision", json_integer((json_int_t)r->revision));
    json_object_set_new(entry, "time", json_integer((json_int_t)(r->time_us / 1000000)));
    json_object_set_new(entry, "user", json_string(r->user));
    json_object_set_new(entry, "comment", json_string(r->comment));
    json_object_set_new(entry, "state", json_string(state));
    json_object_set_new(entry, "changes", json_integer((json_int_t)r->changes));
    json_array_append_new(list, entry);
}

/* Notes, newest first, to be shown before revision below. */
static void add_notes(const struct store *s, size_t *left, uint64_t below, json_t *list)
{
    for (; *left && s->notes[*left - 1].revision >= below; --*left) {
        const struct note *n = &s->notes[*left - 1];

        add_entry(list,
                  &(struct revision){.revision = n->revision,
                                     .time_us = n->time_us,
                                     .user = n->user,
                                     .comment = n->text},
                  "noted");
    }
}

/* Number of changes of a revision that the service may read; read from the disk once and cached.
 * -1: no longer in the history. */
static int changes_seen(struct engine *e, const struct ask *ask, const struct revision *r)
{
    json_t *patch = NULL, *mine;
    int n;

    if (history_patch(&e->store, &e->parts, r->revision, &patch, NULL) < 0)
        return -1;
    mine = grants_patch_readable(&e->parts, ask->caller, patch);
    n = (int)json_array_size(mine);
    overlay_patch_drop(&e->parts, &mine);
    overlay_patch_drop(&e->parts, &patch);
    seen_put(seen_of(e, ask->caller), r->id, n); /* others may have taken its place meanwhile */
    return n;
}

/* The place of a revision, as the list may have been shortened in between. */
static bool find_again(const struct store *s, uint64_t revision, size_t *ret_at)
{
    const struct revision *found = history_find(s, revision);

    if (found)
        *ret_at = (size_t)(found - s->list);
    return found;
}

/* A service sees the revisions that changed what it may read, without comments and user names. 1:
 * not complete, but the part read is kept. */
static int service_history(struct ask *ask, uint64_t limit, json_t *list)
{
    struct engine *e = ask->engine;
    const struct store *s = &e->store;
    size_t last = s->count > HISTORY_READ ? s->count - HISTORY_READ : 0;

    for (size_t i = s->count; i-- > last && json_array_size(list) < limit;) {
        struct revision r = s->list[i];
        AUTO_FREE char *user = xstrdup(r.user);
        int known, changes;
        bool looked = !seen_get(seen_of(e, ask->caller), r.id, &known);

        changes = looked ? changes_seen(e, ask, &r) : known;
        if (looked && !find_again(s, r.revision, &i))
            break; /* it and all before it were dropped meanwhile */
        if (looked && changes >= 0 &&
            read_pause(ask)) /* after one was read, so that each slice makes progress */
            return 1;
        if (changes <= 0)
            continue;
        r.changes = (size_t)changes;
        r.comment = (char *)"";
        r.user = strcmp(user, ask->who) ? (char *)"" : user;
        add_entry(list, &r, state_of(e, i));
    }
    return 0;
}

static void answer_history(struct ask *ask, json_t *list)
{
    json_t *reply = json_object();

    json_object_set_new(reply, "entries", list);
    reply_tree_in_slices(ask->engine, ask->req, reply);
}

void methods_history(struct ask *ask)
{
    struct engine *e = ask->engine;
    const struct store *s = &e->store;
    uint64_t limit = member_number(ask->in, "limit", HISTORY_DEFAULT);
    json_t *list = json_array();
    size_t bytes = 0, notes = s->note_count;

    if (limit > HISTORY_MAX)
        limit = HISTORY_MAX;
    if (!grants_reads(ask->caller, "")) {
        if (service_history(ask, limit, list))
            json_decref(list);
        else
            answer_history(ask, list);
        return;
    }
    if (s->damage.text[0])
        add_entry(list,
                  &(struct revision){.revision = s->revision,
                                     .time_us = s->damage.found_us,
                                     .user = (char *)"system",
                                     .comment = (char *)s->damage.text},
                  "damaged");
    for (size_t i = s->count; i-- > 0 && limit && bytes < HISTORY_MAX_BYTES; limit--) {
        const struct revision *r = &s->list[i];

        add_notes(s, &notes, r->revision, list);
        add_entry(list, r, state_of(e, i));
        bytes += strlen(r->comment) + 200;
    }
    if (limit)
        add_notes(s, &notes, 0, list);
    answer_history(ask, list);
}
