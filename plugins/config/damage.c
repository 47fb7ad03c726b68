/* Damage found while the store was read: text for users, and the place. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/file.h"
#include "core/base/now.h"
#include "core/base/own.h"
#include "plugins/config/damage.h"
#include "plugins/config/files.h"
#include "plugins/config/store_internal.h"

#define MAX_FINDINGS 50u
#define MAX_KEPT 10u /* of one name */

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

void damage_found(struct store *store, const char *file, uint64_t byte, const char *format, ...)
{
    AUTO(buf) struct buf text = {0};
    json_t *finding;
    va_list args;

    va_start(args, format);
    buf_addv(&text, format, args);
    va_end(args);
    log_error(store->log, "config.store.damaged", KV("file", file), KV("byte", byte),
              KV("what", buf_str(&text)));
    if (!store->damage.findings)
        store->damage.findings = json_array();
    if (json_array_size(store->damage.findings) >= MAX_FINDINGS)
        return;
    finding = json_object();
    json_object_set_new(finding, "file", json_string(name_of(file)));
    json_object_set_new(finding, "byte", json_integer((json_int_t)byte));
    json_object_set_new(finding, "text", json_string(buf_str(&text)));
    json_array_append_new(store->damage.findings, finding);
}

void damage_seen(struct store *store, uint64_t revision)
{
    if (revision > store->damage.seen)
        store->damage.seen = revision;
}

static const char *outcome(const struct store *store)
{
    if (store->held && !store->revision)
        return "nothing that is whole is left, and the kernel is left as it is";
    if (store->held)
        return "it is not handed out, and the kernel is left as it is";
    if (store->damage.lost)
        return "newer revisions may be lost, and no commit is taken";
    return "nothing was lost";
}

void damage_describe(struct store *store)
{
    struct damage *d = &store->damage;
    const json_t *first = json_array_get(d->findings, 0);
    size_t more = json_array_size(d->findings);
    const char *file = json_string_value(json_object_get(first, "file"));
    const char *text = json_string_value(json_object_get(first, "text"));

    d->text[0] = '\0';
    d->found_us = now_wall_us();
    if (!d->rotten && !d->lost && !store->held)
        return;
    if (!d->rotten && !d->lost && d->foreign) {
        snprintf(d->text, sizeof(d->text),
                 "the stored configuration is of another appliance or time: its revision %" PRIu64
                 " is not the one the kernel works by; %s",
                 store->enforced, outcome(store));
        return;
    }
    if (!d->rotten && !d->lost) {
        snprintf(d->text, sizeof(d->text),
                 "the stored configuration is revision %" PRIu64 ", older than revision %" PRIu64
                 ", which the kernel works by; %s",
                 store->revision, store->enforced, outcome(store));
        return;
    }
    snprintf(d->text, sizeof(d->text),
             "datastore damaged: %s: %.140s%s; revision %" PRIu64
             " is the newest that is whole; %s",
             file ? file : "state directory", text ? text : "", more > 1 ? " (and more)" : "",
             store->revision, outcome(store));
}

/* A name for what is kept of file that is not taken yet; NULL: all are. Freed by the caller. */
static char *kept_name(const struct store *store, const char *file)
{
    struct stat st;

    for (unsigned n = 1; n < MAX_KEPT; n++) {
        AUTO_FREE char *name = n == 1 ? buf_format("%s/%s.damaged", store->dir, file)
                                      : buf_format("%s/%s.damaged-%u", store->dir, file, n);

        if (lstat(name, &st) < 0 && errno == ENOENT)
            return take_ptr(name);
    }
    return NULL;
}

static void not_kept(const struct store *store, const char *file, const char *why)
{
    log_warn(store->log, "config.damaged.not-kept", KV("file", file), KV("why", why));
}

void damage_set_aside(const struct store *store, const char *file)
{
    AUTO_FREE char *path = buf_format("%s/%s", store->dir, file);
    AUTO_FREE char *kept = kept_name(store, file);

    if (!kept)
        not_kept(store, file, "too many were kept before");
    else if (rename(path, kept) < 0 && errno != ENOENT)
        not_kept(store, file, strerror(errno));
}

const char *damage_file(const struct store *store, size_t i)
{
    return json_string_value(json_object_get(json_array_get(store->damage.findings, i), "file"));
}

/* Is it one of the files of the present revision, which renewing replaces? */
static bool is_present(const struct store *store, const char *file)
{
    AUTO_FREE char *journal = files_journal_path(store, store->revision);
    AUTO_FREE char *copy = files_copy_path(store, store->revision);
    AUTO_FREE char *snapshot = buf_format("snapshot-%" PRIu64 ".json", store->revision);

    return !strcmp(file, name_of(journal)) || !strcmp(file, name_of(copy)) ||
           !strcmp(file, snapshot);
}

static void keep_copy(const struct store *store, const char *file)
{
    AUTO_FREE char *path = buf_format("%s/%s", store->dir, file);
    AUTO_FREE char *kept = kept_name(store, file);
    AUTO(buf) struct buf data = {0};
    struct orb_err err = {0};
    struct stat st;

    if (lstat(path, &st) < 0)
        return;
    if (!S_ISREG(st.st_mode) || !kept || st.st_size > (off_t)JOURNAL_MAX_FILE)
        damage_set_aside(store, file);
    else if (files_read(store, path, JOURNAL_MAX_FILE, &data, &err) < 0 ||
             file_replace(kept, data.data, data.len, 0600, &err) < 0)
        not_kept(store, file, err.text);
}

void damage_keep(struct store *store)
{
    const char *file, *before = "";

    for (size_t i = 0; (file = damage_file(store, i)); before = file, i++)
        if (is_present(store, file) && strcmp(file, before))
            keep_copy(store, file);
}

void damage_fini(struct damage *damage)
{
    json_decref(damage->findings);
    *damage = (struct damage){0};
}
