/* Candidates: what a user has edited and not yet committed, as changes over the running tree. Every
 * edit is appended to candidate-USER.ops, so it survives the service; it is not synced, because an
 * edit that a power cut takes is only typed again, and a hundred syncs would make scripts slow. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/own.h"
#include "plugins/config/engine_priv.h"
#include "plugins/config/validate.h"

#define PREFIX "candidate-"
#define SUFFIX ".ops"
#define MAX_FILE (128u * 1024 * 1024)

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
    return xasprintf("%s/" PREFIX "%s" SUFFIX, engine->store.dir, buf_str(&name));
}

static void candidate_free(struct candidate *c)
{
    overlay_fini(&c->changes);
    buf_fini(&c->load);
    free(c->user);
    free(c);
}

void candidates_free(struct engine *engine)
{
    while (engine->candidates) {
        struct candidate *c = engine->candidates;

        engine->candidates = c->next;
        candidate_free(c);
    }
}

struct candidate *candidate_find(struct engine *engine, const char *user)
{
    for (struct candidate *c = engine->candidates; c; c = c->next)
        if (strcmp(c->user, user) == 0)
            return c;
    return NULL;
}

static struct candidate *candidate_new(struct engine *engine, const char *user)
{
    struct candidate *c = xcalloc(1, sizeof(*c));

    c->user = xstrdup(user);
    c->next = engine->candidates;
    engine->candidates = c;
    return c;
}

struct candidate *candidate_edit(struct engine *engine, const char *user, struct orb_err *err)
{
    struct candidate *c = candidate_find(engine, user);
    unsigned n = 0;

    if (c && c->committing) {
        orb_fail(err, ORB_E_BUSY, "your changes are being committed; edit again when that is done");
        return NULL;
    }
    if (lock_check(engine, user, err) < 0)
        return NULL;
    if (!c) {
        for (struct candidate *other = engine->candidates; other; other = other->next)
            n++;
        if (n >= ENGINE_MAX_CANDIDATES) {
            orb_fail(err, ORB_E_LIMIT, "%u users have uncommitted changes, and no more may", n);
            return NULL;
        }
        c = candidate_new(engine, user);
    }
    c->changes.stamp = engine->store.revision;
    return c;
}

void candidates_moved(struct engine *engine, uint64_t from, uint64_t to)
{
    for (struct candidate *c = engine->candidates; c; c = c->next) {
        for (size_t i = 0; i < c->changes.count; i++)
            if (c->changes.list[i].base == from)
                c->changes.list[i].base = to;
        candidate_rewrite(engine, c);
    }
}

void candidate_drop(struct engine *engine, const char *user)
{
    AUTO_FREE char *path = file_of(engine, user);

    for (struct candidate **at = &engine->candidates; *at; at = &(*at)->next) {
        struct candidate *c = *at;

        if (strcmp(c->user, user))
            continue;
        *at = c->next;
        candidate_free(c);
        break;
    }
    unlink(path);
}

/* ---- the file: lines {"user"} then {"base","path","value"?} ---- */

static void line_add(struct buf *text, uint64_t base, const char *path, const json_t *value)
{
    buf_addf(text, "{\"base\":%" PRIu64 ",\"path\":", base);
    buf_add_json(text, path, strlen(path));
    if (value) {
        buf_adds(text, ",\"value\":");
        tree_dump(value, text);
    }
    buf_adds(text, "}\n");
}

static void user_line(const struct candidate *c, struct buf *text)
{
    buf_adds(text, "{\"user\":");
    buf_add_json(text, c->user, strlen(c->user));
    buf_adds(text, "}\n");
}

/* Whole, or the file is as before. */
static int write_whole(int fd, off_t from, const struct buf *text)
{
    ssize_t n = write(fd, text->data, text->len);
    int r = n < 0 ? -errno : -ENOSPC;

    if (n == (ssize_t)text->len)
        return 0;
    if (ftruncate(fd, from) < 0)
        r = -errno;
    return r;
}

static void saved(struct engine *engine, struct candidate *c, int result)
{
    c->unsaved = result;
    if (result)
        log_warn(engine->host.log, "config.candidate.not-saved", KV("user", c->user),
                 KV("why", strerror(-result)));
}

static void append(struct engine *engine, struct candidate *c, const struct buf *lines)
{
    AUTO_FREE char *path = file_of(engine, c->user);
    AUTO(buf) struct buf text = {0};
    AUTO_FD int fd = -1;
    off_t size;

    if (c->unsaved) { /* what failed before is missing there */
        candidate_rewrite(engine, c);
        return;
    }
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (size < 0) {
        saved(engine, c, -errno);
        return;
    }
    if (size == 0)
        user_line(c, &text);
    buf_add(&text, buf_str(lines), lines->len);
    saved(engine, c, write_whole(fd, size, &text));
}

const char *candidate_unsaved(const struct candidate *candidate)
{
    return candidate && candidate->unsaved ? strerror(-candidate->unsaved) : NULL;
}

/* Beside the old file, so that a disk that takes nothing does not cost what it holds. */
void candidate_rewrite(struct engine *engine, struct candidate *candidate)
{
    AUTO_FREE char *path = file_of(engine, candidate->user);
    AUTO_FREE char *next = xasprintf("%s.new", path);
    AUTO_FD int fd = open(next, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
    AUTO(buf) struct buf lines = {0};
    int r = fd < 0 ? -errno : 0;

    user_line(candidate, &lines);
    for (size_t i = 0; i < candidate->changes.count; i++) {
        const struct change *c = &candidate->changes.list[i];

        line_add(&lines, c->base, c->path, c->value);
    }
    if (r == 0)
        r = write_whole(fd, 0, &lines);
    if (r == 0 && rename(next, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(next);
    saved(engine, candidate, r);
}

static void load_line(struct engine *engine, struct candidate **candidate, const char *line,
                      size_t len)
{
    AUTO(json_t) json_t *entry = NULL;
    const char *path;
    struct orb_err err;

    if (tree_parse(line, len, &file_limits, &entry, &err) < 0)
        return; /* the torn last line: that edit was never answered */
    path = text_in(entry, "path", NULL);
    if (!path) {
        *candidate = candidate_new(engine, text_in(entry, "user", "?"));
        return;
    }
    if (!*candidate || *path != '/')
        return;
    (*candidate)->changes.stamp = number_in(entry, "base", 0);
    if (overlay_set(&(*candidate)->changes, engine->store.running, path,
                    json_incref(json_object_get(entry, "value")), &err) < 0)
        log_warn(engine->host.log, "config.candidate.line-lost", KV("path", path),
                 KV("why", err.text));
}

static void load_file(struct engine *engine, const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/%s", engine->store.dir, name);
    AUTO(buf) struct buf text = {0};
    struct candidate *candidate = NULL;
    struct orb_err err;

    if (file_read(path, MAX_FILE, &text, &err) < 0) {
        log_warn(engine->host.log, "config.candidate.unreadable", KV("file", name),
                 KV("why", err.text));
        return;
    }
    for (const char *p = buf_str(&text), *end; *p; p = end + 1) {
        end = strchr(p, '\n');
        if (!end)
            break;
        load_line(engine, &candidate, p, (size_t)(end - p));
    }
    if (candidate)
        candidate_rewrite(engine, candidate);
}

int candidates_load(struct engine *engine, struct orb_err *err)
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

        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 && n > strlen(SUFFIX) &&
            strcmp(entry->d_name + n - strlen(SUFFIX), SUFFIX) == 0)
            json_array_append_new(names, json_string(entry->d_name));
    }
    closedir(dir);
    json_array_foreach (names, i, name)
        load_file(engine, json_string_value(name));
    return 0;
}

/* ---- edits ---- */

/* Sets or deletes one checked path and notes it in the file's lines. value is taken. */
static int put(struct engine *engine, struct candidate *c, const char *path, json_t *value,
               struct buf *lines, struct orb_err *err)
{
    int r = validate_edit(&engine->parts, &c->changes, engine->store.running, path, &value, err);

    if (r < 0) {
        json_decref(value);
        return r;
    }
    line_add(lines, c->changes.stamp, path, value);
    return overlay_set(&c->changes, engine->store.running, path, value, err);
}

/* RFC 7396 applied to nothing: nulls have nothing to delete. */
static void strip_nulls(json_t *value)
{
    const char *key;
    json_t *member;
    void *next;

    json_object_foreach_safe(value, next, key, member)
    {
        if (json_is_null(member))
            json_object_del(value, key);
        else
            strip_nulls(member);
    }
}

/* Is it an entry, or deeper, that is not there yet? Then it is set as a whole: one change instead
 * of one per leaf when thousands of entries are loaded. */
static bool is_new_entry(const struct engine *engine, const struct candidate *c, const char *path)
{
    return *path && strchr(path + 1, '/') && !overlay_has(&c->changes, engine->store.running, path);
}

/* RFC 7396: objects are merged member by member, null deletes. */
static int merge(struct engine *engine, struct candidate *c, const char *path, json_t *value,
                 struct buf *lines, struct orb_err *err)
{
    const char *key;
    json_t *member;

    if (json_is_null(value))
        return put(engine, c, path, NULL, lines, err);
    if (is_new_entry(engine, c, path)) {
        strip_nulls(value);
        return put(engine, c, path, json_incref(value), lines, err);
    }
    if (*path && (!json_is_object(value) || json_object_size(value) == 0)) {
        /* Merging {} into what is there changes nothing. */
        if (json_is_object(value) && overlay_has(&c->changes, engine->store.running, path))
            return 0;
        return put(engine, c, path, json_incref(value), lines, err);
    }
    json_object_foreach (value, key, member) {
        AUTO(buf) struct buf at = {0};
        int r;

        buf_adds(&at, path);
        pointer_add(&at, key);
        r = merge(engine, c, buf_str(&at), member, lines, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int candidate_op(struct engine *engine, struct candidate *candidate, const char *op,
                 const char *path, json_t *taken, struct orb_err *err)
{
    AUTO(json_t) json_t *value = taken;
    AUTO(buf) struct buf lines = {0};
    int r;

    if (strcmp(op, "delete") != 0 && !value)
        return orb_fail_at(err, ORB_E_INVALID, path, "%s needs a value", op);
    if (strcmp(op, "set") == 0 && !*path)
        return candidate_replace(engine, candidate, value, err);
    if (strcmp(op, "merge") == 0 && !*path && !json_is_object(value))
        return orb_fail(err, ORB_E_SCHEMA, "expected an object of parts, {\"system\": {…}, …}");
    if (strcmp(op, "merge") == 0)
        r = merge(engine, candidate, path, value, &lines, err);
    else if (strcmp(op, "set") == 0)
        r = put(engine, candidate, path, json_incref(value), &lines, err);
    else if (!overlay_has(&candidate->changes, engine->store.running, path))
        r = orb_fail_at(err, ORB_E_NOT_FOUND, path, "there is nothing to delete");
    else
        r = put(engine, candidate, path, NULL, &lines, err);
    if (lines.len)
        append(engine, candidate, &lines);
    return r;
}

int candidate_replace(struct engine *engine, struct candidate *candidate, json_t *tree,
                      struct orb_err *err)
{
    AUTO(overlay) struct overlay next = {.stamp = engine->store.revision};
    AUTO(json_t) json_t *patch = json_array();
    const json_t *base = engine->store.running;
    const char *key;
    json_t *value;
    void *safe;
    int r = 0;

    if (!json_is_object(tree))
        return orb_fail(err, ORB_E_SCHEMA, "expected an object of parts, {\"system\": {…}, …}");
    json_object_foreach_safe(tree, safe, key, value)
    {
        AUTO(buf) struct buf at = {0};
        json_t *now = json_incref(value);

        pointer_add(&at, key);
        r = validate_edit(&engine->parts, &candidate->changes, base, buf_str(&at), &now, err);
        json_decref(now);
        if (r < 0)
            return r;
    }
    patch_diff(patch, "", engine->store.running, tree);
    r = patch_overlay(&next, base, patch, false, err);
    if (r < 0)
        return r;
    overlay_fini(&candidate->changes);
    candidate->changes = next;
    next = (struct overlay){0};
    candidate_rewrite(engine, candidate);
    return 0;
}

/* ---- rebase ---- */

struct rebase {
    const struct engine *engine;
    const struct candidate *candidate;
    const struct revision *revision;
    const json_t *op; /* of that revision */
    struct buf paths;
    unsigned count;
};

/* The op stands above the change and left its place alone, as when it made the map around it. An op
 * that deleted what is around the change did not. */
static bool left_alone(const json_t *op, const char *path)
{
    const char *top = text_in(op, "path", "");
    const char *rest = path + strlen(top);
    const json_t *value = json_object_get(op, "value");
    json_t *was, *is;

    if (!value || !*rest || !path_under(path, top))
        return false;
    was = tree_get(json_object_get(op, "old"), rest);
    is = tree_get(value, rest);
    return was && is ? json_equal(was, is) : was == is;
}

static int on_touching(void *arg, const struct change *change)
{
    struct rebase *b = arg;
    json_t *now = tree_get(b->engine->store.running, change->path);

    if (change->base >= b->revision->revision || left_alone(b->op, change->path))
        return 0;
    if ((!now && !change->value) || (now && change->value && json_equal(now, change->value)))
        return 0; /* both want the same */
    if (b->count < 5 && !strstr(buf_str(&b->paths), change->path))
        buf_addf(&b->paths, "%s%s (revision %" PRIu64 " by %s)", b->count++ ? ", " : "",
                 change->path, b->revision->revision, b->revision->user);
    return 0;
}

int candidate_conflicts(struct engine *engine, const struct candidate *candidate,
                        struct orb_err *err)
{
    struct rebase b = {.engine = engine, .candidate = candidate};
    AUTO(buf) struct buf first = {0};
    uint64_t base = engine->store.revision;

    for (size_t i = 0; i < candidate->changes.count; i++)
        if (candidate->changes.list[i].base < base)
            base = candidate->changes.list[i].base;
    for (uint64_t n = base + 1; n <= engine->store.revision; n++) {
        AUTO(json_t) json_t *patch = NULL;

        b.revision = store_find(&engine->store, n);
        if (!b.revision || store_patch(&engine->store, n, &patch, err) < 0) {
            buf_fini(&b.paths);
            return orb_fail(err, ORB_E_CONFLICT,
                            "your changes start from revision %" PRIu64
                            ", which the history no longer holds; discard them",
                            base);
        }
        for (size_t i = 0; i < json_array_size(patch); i++) {
            b.op = json_array_get(patch, i);
            overlay_touching(&candidate->changes, text_in(b.op, "path", "/"), on_touching, &b);
        }
    }
    if (!b.count) {
        buf_fini(&b.paths);
        return 0;
    }
    buf_adds(&first, buf_str(&b.paths));
    if (strchr(first.data, ' '))
        *strchr(first.data, ' ') = '\0';
    orb_fail_at(err, ORB_E_CONFLICT, first.data,
                "others changed the same since you did: %s; set these again, or discard",
                buf_str(&b.paths));
    buf_fini(&b.paths);
    return ORB_E_CONFLICT;
}
