/* State directories for harming: original.h. */
#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine.h"
#include "plugins/config/load.h"
#include "plugins/config/renew.h"
#include "plugins/config/store.h"
#include "test/lib/harness.h"
#include "test/unit/config/original.h"

void original_put(const struct original *o, const char *name, const void *data, size_t len)
{
    AUTO_FREE char *path = buf_format("%s/%s", o->f.dir, name);
    AUTO_FILE FILE *file = fopen(path, "we");

    ck_assert_msg(file, "%s", path);
    if (len)
        ck_assert_uint_eq(fwrite(data, 1, len, file), len);
}

/* Restores everything: changes and files of a start are removed. */
void original_restore(const struct original *o)
{
    DIR *dir = opendir(o->f.dir);
    struct dirent *entry;

    while ((entry = readdir(dir))) {
        AUTO_FREE char *path = buf_format("%s/%s", o->f.dir, entry->d_name);

        if (entry->d_name[0] != '.' && unlink(path) < 0)
            rmdir(path);
    }
    closedir(dir);
    for (size_t i = 0; i < o->count; i++)
        original_put(o, o->files[i].name, o->files[i].data.data, o->files[i].data.len);
}

static void read_all(struct original *o)
{
    DIR *dir = opendir(o->f.dir);
    struct dirent *entry;

    while ((entry = readdir(dir))) {
        AUTO_FREE char *path = buf_format("%s/%s", o->f.dir, entry->d_name);
        struct file *file = &o->files[o->count];

        if (strncmp(entry->d_name, "journal-", 8) && strncmp(entry->d_name, "snapshot-", 9) &&
            strncmp(entry->d_name, "last-good-", 10))
            continue;
        ck_assert_uint_lt(o->count, MAX_FILES);
        snprintf(file->name, sizeof(file->name), "%s", entry->d_name);
        ck_assert_int_eq(file_read(path, 1 << 24, &file->data, NULL), 0);
        o->count++;
    }
    closedir(dir);
}

static void commit_one(struct original *o, unsigned i)
{
    AUTO_FREE char *path = buf_format("/firewall/rules/%u", 10 * (i % 7 + 1));
    AUTO_FREE char *name = buf_format("\"%s-%u\"", o->host, i);

    fake_set(&o->f, "/system/hostname", name);
    fake_set(&o->f, path, i % 3 ? "{\"action\":\"drop\"}" : "{\"action\":\"accept\",\"port\":80}");
    fake_commit(&o->f);
    o->newest = engine_revision(o->f.engine);
    o->trees[o->newest] = xstrdup(fake_running(&o->f));
}

/* commits: up to 49 there is one journal and no snapshot. */
void original_new(struct original *o, unsigned commits)
{
    original_other(o, commits, "host");
}

void original_other(struct original *o, unsigned commits, const char *host)
{
    *o = (struct original){.host = host};
    fake_new(&o->f);
    o->trees[0] = xstrdup("{}");
    for (unsigned i = 0; i < commits; i++) {
        commit_one(o, i);
        fake_advance(&o->f, 2000);
    }
    fake_close(&o->f);
    read_all(o);
}

void original_free(struct original *o)
{
    fake_close(&o->f);
    for (size_t i = 0; i < o->count; i++)
        buf_fini(&o->files[i].data);
    for (size_t i = 0; i <= o->newest; i++)
        free(o->trees[i]);
    original_restore(&(struct original){.f = o->f});
    fake_open(&o->f);
    fake_free(&o->f);
}

/* What a start makes of the directory as it is now: "" when it is right, or what is wrong. */
char *original_verdict(struct original *o, uint64_t enforced, uint64_t *ret_revision)
{
    struct store store = {0};
    struct store_setup setup = {.dir = o->f.dir, .log = &o->f.log, .enforced = enforced};
    AUTO(buf) struct buf tree = {0};
    struct orb_err err = {0};
    char *wrong = NULL;
    int r = load_store(&store, &setup, &err);

    *ret_revision = UINT64_MAX;
    if (r < 0) { /* it cannot be read and does not run */
        store_close(&store);
        return xstrdup(err.text[0] ? "" : "it does not run, and does not say why");
    }
    tree_dump(store.running, &tree);
    if (store.revision > o->newest || strcmp(buf_str(&tree), o->trees[store.revision]))
        wrong = buf_format("revision %" PRIu64 " is %.200s", store.revision, buf_str(&tree));
    else if (store.revision < o->newest && !store.damage.text[0])
        wrong =
            buf_format("revision %" PRIu64 " of %" PRIu64 ", silently", store.revision, o->newest);
    else if (store.revision < o->newest && renew_writable(&store, NULL) == 0)
        wrong = buf_format("revision %" PRIu64 " takes commits", store.revision);
    else if (!store.revision && o->newest && !store.held)
        wrong = xstrdup("an empty tree is handed out");
    else if (enforced > store.revision && !store.held)
        wrong = buf_format("revision %" PRIu64 " is handed out over %" PRIu64, store.revision,
                           enforced);
    *ret_revision = store.revision;
    store_close(&store);
    buf_clear(&o->f.logged);
    return wrong ? wrong : xstrdup("");
}

void original_flip(struct original *o, size_t file, size_t bit)
{
    struct buf *data = &o->files[file].data;

    data->data[bit / 8] = (char)(data->data[bit / 8] ^ 1 << bit % 8);
    original_put(o, o->files[file].name, data->data, data->len);
    data->data[bit / 8] = (char)(data->data[bit / 8] ^ 1 << bit % 8);
}

size_t original_file(const struct original *o, const char *name)
{
    for (size_t i = 0; i < o->count; i++)
        if (!strcmp(o->files[i].name, name))
            return i;
    ck_abort_msg("there is no %s", name);
    return 0;
}
