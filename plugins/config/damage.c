/* What was found wrong while the store was read, in words for people, and where. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/own.h"
#include "plugins/config/store_priv.h"

#define MAX_FINDINGS 50u

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
    d->found_us = wall_us();
    if (!d->rotten && !d->lost && !store->held)
        return;
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

/* A directory, a FIFO: not ours, and in the way of the file that belongs there. */
static int set_aside(const char *path, const char *kept)
{
    struct stat st;

    if (lstat(path, &st) < 0 || S_ISREG(st.st_mode))
        return 0;
    return rename(path, kept) < 0 ? -errno : 1;
}

void damage_keep(struct store *store)
{
    json_t *finding;
    size_t i;

    json_array_foreach (store->damage.findings, i, finding) {
        const char *file = json_string_value(json_object_get(finding, "file"));
        AUTO_FREE char *path = xasprintf("%s/%s", store->dir, file);
        AUTO_FREE char *kept = xasprintf("%s.damaged", path);
        AUTO(buf) struct buf data = {0};
        struct orb_err err = {0};
        int r;

        if (access(path, F_OK) < 0 || access(kept, F_OK) == 0)
            continue;
        r = set_aside(path, kept);
        if (r == 0)
            r = file_read_regular(path, JOURNAL_MAX_FILE, &data, &err);
        if (r == 0)
            r = file_replace(kept, data.data, data.len, 0600, &err);
        if (r < 0)
            log_warn(store->log, "config.damaged.not-kept", KV("file", path), KV("why", err.text));
    }
}

void damage_fini(struct damage *damage)
{
    json_decref(damage->findings);
    *damage = (struct damage){0};
}
