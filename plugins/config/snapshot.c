/* Snapshots of the running tree. The checksum comes first and covers the bytes of "body" as in the
 * file, so a reader needs no canonical form to verify it. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/files.h"
#include "plugins/config/history.h"
#include "plugins/config/snapshot.h"
#include "plugins/config/store_internal.h"

#define SUM_BYTES 32u
#define MAX_SNAPSHOT (512u * 1024 * 1024)

static const char head_mark[] = "{\"sum\":\"";
#define MIDDLE_MARK "\",\"body\":"
#define BODY_AT (sizeof(head_mark) - 1 + 2 * SUM_BYTES + sizeof(MIDDLE_MARK) - 1)

static char *snapshot_path(const struct store *store, uint64_t number)
{
    return buf_format("%s/snapshot-%" PRIu64 ".json", store->dir, number);
}

static void sum_hex(const char *body, size_t len, char to[2 * SUM_BYTES + 1])
{
    uint8_t sum[SUM_BYTES];

    crypto_generichash(sum, sizeof(sum), (const uint8_t *)body, len, NULL, 0);
    sodium_bin2hex(to, 2 * SUM_BYTES + 1, sum, sizeof(sum));
}

/* Checks the frame around the body; the sum decides. */
static int body_of(const char *path, const struct buf *text, struct buf *ret_body,
                   struct orb_err *err)
{
    char sum[2 * SUM_BYTES + 1];
    size_t len;

    if (text->len < BODY_AT + 2 || memcmp(text->data, head_mark, sizeof(head_mark) - 1) ||
        text->data[text->len - 1] != '\n')
        return orb_fail(err, ORB_E_SYNTAX, "%s is not a whole snapshot", path);
    len = text->len - BODY_AT - 2;
    sum_hex(text->data + BODY_AT, len, sum);
    if (memcmp(sum, text->data + sizeof(head_mark) - 1, 2 * SUM_BYTES))
        return orb_fail(err, ORB_E_IO, "%s does not match its checksum", path);
    buf_add(ret_body, text->data + BODY_AT, len);
    return 0;
}

int snapshot_check(const struct store *store, uint64_t number, struct orb_err *err)
{
    AUTO_FREE char *path = snapshot_path(store, number);
    AUTO(buf) struct buf text = {0}, body = {0};
    int r = files_read(store, path, MAX_SNAPSHOT, &text, err);

    return r < 0 ? r : body_of(path, &text, &body, err);
}

int snapshot_load(struct store *store, uint64_t number, uint8_t ret_chain[JOURNAL_CHAIN],
                  struct orb_err *err)
{
    AUTO_FREE char *path = snapshot_path(store, number);
    AUTO(buf) struct buf text = {0}, body = {0};
    AUTO(json_t) json_t *tree = NULL;
    const char *chain;
    json_t *config;
    size_t got = 0;
    int r;

    r = files_read(store, path, MAX_SNAPSHOT, &text, err);
    if (r == 0)
        r = body_of(path, &text, &body, err);
    if (r == 0)
        r = tree_parse(buf_str(&body), body.len, &store_limits, &tree, err);
    if (r < 0)
        return r;
    chain = json_string_value(json_object_get(tree, "chain"));
    config = json_object_get(tree, "config");
    if (!chain || !json_is_object(config) ||
        sodium_hex2bin(ret_chain, JOURNAL_CHAIN, chain, strlen(chain), NULL, &got, NULL) < 0 ||
        got != JOURNAL_CHAIN ||
        json_integer_value(json_object_get(tree, "revision")) != (json_int_t)number)
        return orb_fail(err, ORB_E_INVALID, "%s is not the snapshot of revision %" PRIu64, path,
                        number);
    json_decref(store->running);
    store->running = json_incref(config);
    store->revision = number;
    store->snapshot_bytes = text.len;
    store->last_tx = (uint64_t)json_integer_value(json_object_get(tree, "tx"));
    store->id = (uint64_t)json_integer_value(json_object_get(tree, "id"));
    return 0;
}

int snapshot_write(struct store *store, struct orb_err *err)
{
    AUTO_FREE char *path = snapshot_path(store, store->revision);
    AUTO(buf) struct buf body = {0}, text = {0};
    struct json_write w = json_write_to(&body);
    char chain[2 * JOURNAL_CHAIN + 1], sum[2 * SUM_BYTES + 1];
    int r;

    sodium_bin2hex(chain, sizeof(chain), store->journal.chain, JOURNAL_CHAIN);
    json_write_object(&w, NULL);
    json_write_integer(&w, "revision", (int64_t)store->revision);
    json_write_integer(&w, "id", (int64_t)store->id);
    json_write_integer(&w, "tx", (int64_t)store->last_tx);
    json_write_string(&w, "chain", chain);
    tree_dump(store->running, json_write_place(&w, "config"));
    json_write_end(&w);
    sum_hex(body.data, body.len, sum);
    w = json_write_to(&text);
    json_write_object(&w, NULL);
    json_write_string(&w, "sum", sum);
    json_write_raw(&w, "body", body.data, body.len);
    json_write_end(&w);
    buf_addc(&text, '\n');
    r = file_replace(path, text.data, text.len, 0600, err);
    if (r < 0)
        unlink(path); /* a snapshot that may not be durable must not outrank its journal */
    else
        store->snapshot_bytes = text.len;
    return r;
}

static uint64_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* How many of the journals, oldest first, the history has to do without. */
static size_t too_many(const struct store *store, const uint64_t *journals, size_t count)
{
    uint64_t bytes = 0;

    for (size_t i = count; i-- > 0;) {
        AUTO_FREE char *path = files_journal_path(store, journals[i]);

        bytes += size_of(path);
        if (count - i > STORE_JOURNALS_KEPT || bytes > STORE_HISTORY_BYTES)
            return i + 1;
    }
    return 0;
}

void snapshot_prune(struct store *store)
{
    size_t snapshots, journals, dropped = 0;
    AUTO_FREE uint64_t *s = files_numbers(store, "snapshot-", ".json", &snapshots);
    AUTO_FREE uint64_t *j = files_journals(store, &journals);
    size_t surplus = too_many(store, j, journals);

    for (size_t i = 0; i + STORE_SNAPSHOTS_KEPT < snapshots; i++) {
        AUTO_FREE char *path = snapshot_path(store, s[i]);

        unlink(path);
    }
    /* A journal is deleted only when a kept snapshot is newer. */
    for (size_t i = 0; i < surplus && i + 1 < journals; i++) {
        AUTO_FREE char *path = files_journal_path(store, j[i]);
        AUTO_FREE char *copy = files_copy_path(store, j[i]);

        if (snapshots < 2 || j[i + 1] > s[snapshots - 2])
            break;
        unlink(path);
        unlink(copy);
        while (dropped < store->count && store->list[dropped].generation <= j[i])
            history_revision_fini(&store->list[dropped++]);
    }
    if (dropped)
        memmove(store->list, store->list + dropped,
                (store->count - dropped) * sizeof(*store->list));
    store->count -= dropped;
}
