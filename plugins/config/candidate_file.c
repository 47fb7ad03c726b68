/* The file of a candidate: every edit is appended to candidate-USER.ops, so it survives the
 * service; it is not synced, because an edit that a power cut takes is only typed again, and a
 * hundred syncs would make scripts slow. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/json_write.h"
#include "core/base/own.h"
#include "plugins/config/candidate.h"
#include "plugins/config/candidate_file.h"
#include "plugins/config/candidate_room.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/member.h"
#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"

#define PREFIX "candidate-"
#define SUFFIX ".ops"
#define MAX_FILE (128u * 1024 * 1024)
#define PIECE (128u * 1024) /* is written at a time */
#define BYTES_A_MS 4096u    /* of memory, once the disk has refused them */
#define WORTH_REWRITING                                                                            \
    (4u * 1024 * 1024) /* edits of edits: the file is larger than what is left */

static const struct json_limits file_limits = {.depth = 64, .keys = JSON_MAX_TREE_KEYS};

static char *file_of(const struct engine *engine, const char *user)
{
    AUTO(buf) struct buf name = {0};

    for (const char *p = user; *p; p++) {
        if ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-' || *p == '_')
            buf_addc(&name, *p);
        else
            buf_addf(&name, "%%%02x", (unsigned char)*p);
    }
    return buf_format("%s/" PREFIX "%s" SUFFIX, engine->store.dir, buf_str(&name));
}

/* ---- the file: lines {"user","made-us"?,"kinds","sums"} then {"base","path","value"?,"sum"} ----
 */

/* A line's own checksum ends it, so that a bit that rots costs an edit and never changes one. */
#define SUM_TAIL 18u /* ,"sum":"01234567"} */

/* Over the bytes in front of the comma. */
static void write_sum(struct json_write *w, const char *line, size_t len)
{
    uint8_t sum[16];

    crypto_generichash(sum, sizeof(sum), (const uint8_t *)line, len, NULL, 0);
    json_write_format(w, "sum", "%02x%02x%02x%02x", sum[0], sum[1], sum[2], sum[3]);
}

static bool sum_fits(const char *line, size_t len)
{
    AUTO(buf) struct buf again = {0};
    struct json_write w = json_write_to(&again);

    if (len <= SUM_TAIL || line[len - SUM_TAIL] != ',')
        return false;
    json_write_object(&w, NULL);
    write_sum(&w, line, len - SUM_TAIL);
    json_write_end(&w);
    return again.len == SUM_TAIL &&
           !memcmp(again.data + 1, line + len - SUM_TAIL + 1, SUM_TAIL - 1);
}

void candidate_file_line(const struct parts *parts, struct buf *text, uint64_t base,
                         const char *path, const json_t *value)
{
    struct json_write w = json_write_to(text);
    size_t from = text->len;

    json_write_object(&w, NULL);
    json_write_integer(&w, "base", (int64_t)base);
    json_write_string(&w, "path", path);
    if (value)
        parts_dump(parts, value, json_write_place(&w, "value"));
    write_sum(&w, text->data + from, text->len - from);
    json_write_end(&w);
    buf_addc(text, '\n');
}

static void user_line(const struct candidate *c, struct buf *text)
{
    struct json_write w = json_write_to(text);

    json_write_object(&w, NULL);
    json_write_string(&w, "user", c->user);
    if (c->made_us)
        json_write_integer(&w, "made-us", (int64_t)c->made_us);
    json_write_boolean(&w, "kinds", true);
    json_write_boolean(&w, "sums", true);
    json_write_end(&w);
    buf_addc(text, '\n');
}

/* Whole, a piece at a time, or the file has from bytes as before. */
static int write_whole(const struct parts *parts, int fd, off_t from, const struct buf *text)
{
    for (size_t at = 0; at < text->len; at += PIECE) {
        size_t len = text->len - at < PIECE ? text->len - at : PIECE;
        ssize_t n = write(fd, text->data + at, len);
        int r = n < 0 ? -errno : -ENOSPC;

        if (n != (ssize_t)len)
            return ftruncate(fd, from) < 0 ? -errno : r;
        parts_pause(parts);
    }
    return 0;
}

static void saved(struct engine *engine, struct candidate *c, int result)
{
    c->unsaved = result;
    if (result)
        log_warn(engine->host.log, "config.candidate.not-saved", KV("user", c->user),
                 KV("why", strerror(-result)));
}

void candidate_file_append(struct engine *engine, struct candidate *c, const struct buf *lines)
{
    AUTO_FREE char *path = file_of(engine, c->user);
    AUTO_FD int fd = -1;
    off_t size;
    int r = 0;

    if (c->unsaved && engine->host.now_ms(engine->host.arg) < c->save_at)
        return; /* it stays behind */
    if (c->unsaved || c->appended > WORTH_REWRITING + c->rewritten) {
        candidate_file_rewrite(engine, c); /* what failed before is missing there, or it grew */
        return;
    }
    c->appended += lines->len;
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
    size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (size < 0) {
        saved(engine, c, -errno);
        return;
    }
    if (size == 0) {
        AUTO(buf) struct buf head = {0};

        user_line(c, &head);
        r = write_whole(&engine->parts, fd, 0, &head);
    }
    saved(engine, c, r < 0 ? r : write_whole(&engine->parts, fd, size, lines));
}

const char *candidate_file_unsaved(const struct candidate *candidate)
{
    return candidate && candidate->unsaved ? strerror(-candidate->unsaved) : NULL;
}

/* A piece at a time: a disk that is full refuses the first, and others have their turn. */
static int write_changes(struct engine *engine, const struct candidate *candidate, int fd,
                         size_t *ret_len)
{
    AUTO(buf) struct buf lines = {0};

    user_line(candidate, &lines);
    for (size_t i = 0;; i++) {
        const struct change *c = &candidate->changes.list[i];
        int r;

        if (i < candidate->changes.count)
            candidate_file_line(&engine->parts, &lines, c->base, c->path, c->value);
        if (i < candidate->changes.count && lines.len < PIECE)
            continue;
        if (*ret_len + lines.len > MAX_FILE) /* it would not be read back */
            return -EFBIG;
        r = write_whole(&engine->parts, fd, (off_t)*ret_len, &lines);
        *ret_len += lines.len;
        if (r < 0 || i >= candidate->changes.count)
            return r;
        buf_clear(&lines);
    }
}

/* Beside the old file, so that a disk that takes nothing does not cost what it holds. */
void candidate_file_rewrite(struct engine *engine, struct candidate *candidate)
{
    AUTO_FREE char *path = file_of(engine, candidate->user);
    AUTO_FREE char *next = buf_format("%s.new", path);
    AUTO_FD int fd = file_create(next, 0600);
    size_t len = 0;
    int r = fd < 0 ? fd : write_changes(engine, candidate, fd, &len);

    candidate->appended = 0;
    candidate->rewritten = len;
    if (r == 0 && rename(next, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(next);
    saved(engine, candidate, r);
    if (r < 0) /* trying takes a small part of the time */
        candidate->save_at = engine->host.now_ms(engine->host.arg) + candidate->bytes / BYTES_A_MS;
}

/* A file being read back. sums: its lines have them (files of older versions have none). */
struct loading {
    struct engine *engine;
    const char *file;
    struct candidate *candidate;
    bool sums;
    unsigned lost;
};

/* A damaged name, or a file copied under the name of another user, belongs to no user. */
static bool is_file_of(const struct loading *l, const char *user)
{
    AUTO_FREE char *path = user ? file_of(l->engine, user) : NULL;

    return path && !strcmp(strrchr(path, '/') + 1, l->file);
}

static void load_change(struct loading *l, const char *path, const json_t *entry)
{
    struct candidate *c = l->candidate;
    struct orb_err err;

    c->changes.stamp = member_number(entry, "base", 0);
    if (overlay_set(&c->changes, l->engine->store.running, path,
                    json_incref(json_object_get(entry, "value")), &err) == 0)
        return;
    log_warn(l->engine->host.log, "config.candidate.line-lost", KV("path", path),
             KV("why", err.text));
    l->lost++;
}

static void load_line(struct loading *l, const char *line, size_t len)
{
    AUTO(json_t) json_t *entry = NULL;
    const char *path;
    struct orb_err err;

    if ((l->sums && !sum_fits(line, len)) ||
        tree_parse(line, len, &file_limits, &entry, &err) < 0) {
        l->lost++;
        return;
    }
    path = member_text(entry, "path", NULL);
    if (!l->candidate && !path && is_file_of(l, member_text(entry, "user", NULL))) {
        l->candidate = candidate_new(l->engine, member_text(entry, "user", ""));
        l->candidate->made_us = member_number(entry, "made-us", 0);
        l->sums = json_is_true(json_object_get(entry, "sums"));
        if (!json_object_get(entry, "kinds")) /* names were one space then */
            log_notice(l->engine->host.log, "config.candidate.taken-over",
                       KV("user", l->candidate->user), KV("file", l->file));
    } else if (!l->candidate || !path || *path != '/') {
        l->lost++;
    } else {
        load_change(l, path, entry);
    }
}

/* The owner is named inside the file; only its name is known. */
static void unreadable(struct engine *engine, const char *name, const struct orb_err *err)
{
    AUTO_FREE char *key = buf_format("file:%s", name);
    AUTO_FREE char *what = buf_format("uncommitted changes cannot be read: %s", err->text);

    log_error(engine->host.log, "config.candidate.unreadable", KV("file", name),
              KV("why", err->text));
    if (engine->host.problem)
        engine->host.problem(engine->host.arg, key, false, what,
                             "make the file readable and restart the service, or remove it");
}

static void load_file(struct engine *engine, const char *name)
{
    AUTO_FREE char *path = buf_format("%s/%s", engine->store.dir, name);
    AUTO(buf) struct buf text = {0};
    struct loading l = {.engine = engine, .file = name};
    struct orb_err err;

    if (file_read_regular(path, MAX_FILE, &text, &err) < 0) {
        unreadable(engine, name, &err);
        return;
    }
    for (const char *p = buf_str(&text), *end; p < buf_str(&text) + text.len; p = end + 1) {
        end = memchr(p, '\n', text.len - (size_t)(p - buf_str(&text)));
        if (!end) /* the torn last line: that edit was never answered */
            break;
        load_line(&l, p, (size_t)(end - p));
    }
    if (l.lost)
        log_error(engine->host.log, "config.candidate.damaged", KV("file", name),
                  KV("lost", l.lost));
    if (!l.candidate) {
        orb_fail(&err, ORB_E_IO, "%s does not name their owner", name);
        if (l.lost)
            unreadable(engine, name, &err);
        return;
    }
    l.candidate->lost = l.lost;
    candidate_room_count(l.candidate);
    candidate_file_rewrite(engine, l.candidate);
}

/* Edits that were lost are a problem until the candidate is committed or discarded. */
void candidate_file_report_all(struct engine *engine)
{
    for (struct candidate *c = engine->candidates; c && engine->host.problem; c = c->next) {
        AUTO_FREE char *key = buf_format("candidate:%s", c->user);
        AUTO_FREE char *what =
            buf_format("%u uncommitted change%s of %s could not be read back and %s missing",
                       c->lost, c->lost == 1 ? "" : "s", c->user, c->lost == 1 ? "is" : "are");

        if (c->lost)
            engine->host.problem(engine->host.arg, key, false, what,
                                 "compare with `orbctl config diff`, then commit or discard");
    }
}

int candidate_file_load_all(struct engine *engine, struct orb_err *err)
{
    DIR *dir = opendir(engine->store.dir);
    struct dirent *entry;
    AUTO(json_t) json_t *names = json_array();
    json_t *name;
    size_t i;

    if (!dir)
        return orb_fail(err, -errno, "cannot read %s", engine->store.dir);
    while ((entry = readdir(dir))) {
        size_t n = strlen(entry->d_name);

        if (!strncmp(entry->d_name, PREFIX, strlen(PREFIX)) && n > strlen(SUFFIX) &&
            !strcmp(entry->d_name + n - strlen(SUFFIX), SUFFIX))
            json_array_append_new(names, json_string(entry->d_name));
    }
    closedir(dir);
    json_array_foreach (names, i, name)
        load_file(engine, json_string_value(name));
    return 0;
}

void candidate_file_forget(struct engine *engine, const char *user)
{
    AUTO_FREE char *path = file_of(engine, user);
    AUTO_FREE char *key = buf_format("candidate:%s", user);

    AUTO_FREE char *file = buf_format("file:%s", strrchr(path, '/') + 1);

    unlink(path);
    if (!engine->host.problem)
        return;
    engine->host.problem(engine->host.arg, key, false, NULL, "");
    engine->host.problem(engine->host.arg, file, false, NULL, "");
}
