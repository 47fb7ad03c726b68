/* Repair of a damaged datastore by a user: shows the damage and the readable records, and accepts
 * continuing with the rest. */
#include <dirent.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/journal.h"
#include "plugins/config/member.h"
#include "plugins/config/methods_salvage.h"
#include "plugins/config/rebase.h"
#include "plugins/config/renew.h"
#include "plugins/config/reply.h"
#include "plugins/config/report.h"
#include "plugins/config/store_internal.h"

#define MAX_RECORDS 200u
#define MAX_BYTES (100u * 1024) /* of comments, so that the answer fits a frame */
#define MAX_FILES 100u

static int later(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in the state directory that hold configuration, with their sizes; damaged ones as well. */
static json_t *files_of(const struct store *store)
{
    static const char *const ours[] = {"snapshot-", "journal-", "last-good-"};
    json_t *list = json_array();
    char *names[MAX_FILES];
    DIR *dir = opendir(store->dir);
    struct dirent *entry;
    size_t n = 0;

    while (dir && n < MAX_FILES && (entry = readdir(dir)))
        for (size_t i = 0; i < ARRAY_LEN(ours) && n < MAX_FILES; i++)
            if (!strncmp(entry->d_name, ours[i], strlen(ours[i])))
                names[n++] = xstrdup(entry->d_name);
    if (dir)
        closedir(dir);
    qsort(names, n, sizeof(*names), later);
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_string(names[i]));
        free(names[i]);
    }
    return list;
}

struct listing {
    json_t *records;
    const char *file;
    size_t left_out, bytes;
};

static int on_record(void *arg, uint64_t offset, const char *text, size_t len, struct orb_err *err)
{
    struct listing *l = arg;
    AUTO(json_t) json_t *record = NULL;
    json_t *entry;
    const char *const texts[] = {"state", "user", "comment"};

    if (tree_parse(text, len, &store_limits, &record, NULL) < 0)
        return 0;
    l->bytes += strlen(member_text(record, "comment", ""));
    if (json_array_size(l->records) >= MAX_RECORDS || l->bytes > MAX_BYTES) {
        l->left_out++;
        return 0;
    }
    entry = json_object();
    json_object_set_new(entry, "file", json_string(l->file));
    json_object_set_new(entry, "byte", json_integer((json_int_t)offset));
    json_object_set_new(entry, "revision",
                        json_integer((json_int_t)member_number(record, "rev", 0)));
    json_object_set_new(entry, "time",
                        json_integer((json_int_t)(member_number(record, "time", 0) / 1000000)));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        json_object_set_new(entry, texts[i], json_string(member_text(record, texts[i], "")));
    json_object_set_new(
        entry, "changes",
        json_integer((json_int_t)json_array_size(json_object_get(record, "patch"))));
    json_array_append_new(l->records, entry);
    return 0;
}

/* Every record that is whole in itself in the files that were found damaged, and their copies. */
static void list_records(const struct store *store, struct listing *l)
{
    json_t *finding;
    size_t i;

    json_array_foreach (store->damage.findings, i, finding) {
        AUTO_FREE char *path = buf_format("%s/%s", store->dir, member_text(finding, "file", ""));
        AUTO(buf) struct buf data = {0};

        l->file = member_text(finding, "file", "");
        if (strncmp(l->file, "journal-", 8) ||
            file_read_regular(path, JOURNAL_MAX_FILE, &data, NULL) < 0)
            continue;
        journal_scan_behind(&(struct journal_image){data.data, data.len}, 0, on_record, l);
    }
}

static json_t *status(const struct engine *e)
{
    const struct store *s = &e->store;
    struct listing l = {.records = json_array()};
    json_t *reply = json_object();
    const char *state = s->held            ? "held"
                        : s->damage.lost   ? "damaged"
                        : s->damage.rotten ? "repaired"
                                           : "whole";

    list_records(s, &l);
    json_object_set_new(reply, "state", json_string(state));
    json_object_set_new(reply, "text", json_string(s->damage.text));
    json_object_set_new(reply, "revision", json_integer((json_int_t)s->revision));
    json_object_set_new(reply, "enforced", json_integer((json_int_t)s->enforced));
    json_object_set_new(reply, "newest-seen", json_integer((json_int_t)s->damage.seen));
    json_object_set_new(reply, "commits", json_boolean(!s->damage.lost && !s->held));
    json_object_set_new(reply, "findings",
                        s->damage.findings ? json_deep_copy(s->damage.findings) : json_array());
    json_object_set_new(reply, "records", l.records);
    json_object_set_new(reply, "records-left-out", json_integer((json_int_t)l.left_out));
    json_object_set_new(reply, "files", files_of(s));
    return reply;
}

void methods_salvage(struct ask *ask)
{
    reply_tree(ask->engine, ask->req, status(ask->engine));
}

void methods_salvage_accept(struct ask *ask)
{
    struct engine *e = ask->engine;
    uint64_t from = e->store.revision;
    struct orb_err err = {0};
    json_t *reply;
    int r =
        e->tx || e->beginning ? orb_fail(&err, ORB_E_BUSY, "a commit is on its way; try again") : 0;

    requests_settle(e); /* they look at this revision */
    if (r == 0)
        r = renew_accept(&e->store, ask->who, e->host.wall_us(e->host.arg), &err);
    report_store(e);
    if (r < 0) {
        reply_refuse(e, ask->req, &err);
        return;
    }
    log_notice(e->host.log, "config.salvage.accepted", KV("revision", e->store.revision),
               KV("from", from), KV("user", (const char *)ask->who));
    rebase_moved_all(e, from, e->store.revision);
    report_enforced(e);
    e->host.publish(e->host.arg, e->store.revision, &(const char *){"/"}, 1);
    reply = json_object();
    json_object_set_new(reply, "revision", json_integer((json_int_t)e->store.revision));
    json_object_set_new(reply, "from", json_integer((json_int_t)from));
    reply_tree(e, ask->req, reply);
}
