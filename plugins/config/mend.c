/* After a damaged datastore was repaired: damage among the older files. They are needed for the
 * history only, so each is restored from its two copies or renamed, and the next start finds no
 * damage. */
#include <inttypes.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "plugins/config/damage.h"
#include "plugins/config/files.h"
#include "plugins/config/journal.h"
#include "plugins/config/journal_internal.h"
#include "plugins/config/mend.h"
#include "plugins/config/pair.h"
#include "plugins/config/store_internal.h"

/* A journal put together from its two files. */
struct mending {
    const struct pair *pair;
    struct buf whole; /* after the head */
};

static int on_whole(void *arg, uint64_t offset, const char *text, size_t len, struct orb_err *err)
{
    struct mending *m = arg;
    const struct buf *main = &m->pair->main;
    bool in_main = main->data && text >= main->data && text < main->data + main->len;
    const char *record = (in_main ? main->data : m->pair->copy.data) + offset;

    buf_add(&m->whole, record, (size_t)(text - record) + len);
    return 0;
}

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

static void write_whole(const struct store *store, const char *path, const struct buf *is,
                        const struct buf *want)
{
    struct orb_err err = {0};

    if (is->len == want->len && memcmp(is->data, want->data, want->len) == 0)
        return;
    damage_set_aside(store, name_of(path));
    if (file_replace(path, want->data, want->len, 0600, &err) < 0)
        log_warn(store->log, "config.history.not-mended", KV("file", path), KV("why", err.text));
}

/* Returns whether it leads to the journal of generation next; one that does not is set aside. */
static bool mend(const struct store *store, uint64_t generation, uint64_t next)
{
    AUTO(pair) struct pair pair = {0};
    struct mending m = {.pair = &pair};
    AUTO(buf) struct buf want = {0};
    struct journal_heads heads;
    struct journal_scan scan = {0};
    struct journal_found found;
    bool leads;

    pair_read(store, generation, &pair);
    pair_scan(store, &pair, &next, &heads, &scan);
    leads = journal_scan(&scan, on_whole, &m, &found, NULL) == 0 && found.end && found.taken_over;
    if (leads) {
        buf_add(&want, journal_magic, JOURNAL_MAGIC);
        buf_add(&want, found.begin, JOURNAL_CHAIN);
        buf_add(&want, buf_str(&m.whole), m.whole.len);
        write_whole(store, pair.path, &pair.main, &want);
        write_whole(store, pair.copy_path, &pair.copy, &want);
    } else {
        damage_set_aside(store, name_of(pair.path));
        damage_set_aside(store, name_of(pair.copy_path));
    }
    buf_fini(&m.whole);
    return leads;
}

static bool was_found(const struct store *store, const char *path)
{
    const char *file;

    for (size_t i = 0; (file = damage_file(store, i)); i++)
        if (!strcmp(file, name_of(path)))
            return true;
    return false;
}

void mend_clear(struct store *store)
{
    AUTO_FREE char *present = buf_format("snapshot-%" PRIu64 ".json", store->revision);
    size_t count;
    AUTO_FREE uint64_t *journals = files_journals(store, &count);
    uint64_t next = store->generation;
    const char *file, *before = "";

    for (size_t i = 0; (file = damage_file(store, i)); before = file, i++)
        if (!strncmp(file, "snapshot-", 9) && strcmp(file, present) && strcmp(file, before))
            damage_set_aside(store, file);
    for (size_t i = count; i-- > 0;) {
        AUTO_FREE char *path = files_journal_path(store, journals[i]);
        AUTO_FREE char *copy = files_copy_path(store, journals[i]);

        if (journals[i] >= store->generation)
            continue;
        if ((was_found(store, path) || was_found(store, copy)) && !mend(store, journals[i], next))
            continue;
        next = journals[i];
    }
}
