/* Text of large values in slices: objects with many members are walked member by member, as by
 * tree_dump(); smaller ones, and those masked as a whole, are written at once. */
#include <stdlib.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/dumping.h"
#include "plugins/config/grants.h"
#include "plugins/config/overlay.h"
#include "plugins/config/parts.h"

#define AT_ONCE 200u /* values */
#define DEPTH_MAX 64u

/* An object whose members are being written. */
struct level {
    json_t *object;
    const char **keys;
    size_t count, next;
    size_t path_len; /* of its own path */
};

struct dumping {
    struct buf text, path;
    char **secrets;
    struct level levels[DEPTH_MAX];
    size_t depth;
};

static void level_fini(struct level *level)
{
    free(level->keys);
    json_decref(level->object);
}

void dumping_free(struct dumping *dumping)
{
    if (!dumping)
        return;
    while (dumping->depth)
        level_fini(&dumping->levels[--dumping->depth]);
    grants_paths_free(dumping->secrets);
    buf_fini(&dumping->text);
    buf_fini(&dumping->path);
    free(dumping);
}

/* Counts no further than AT_ONCE. */
static bool is_large(const json_t *value, size_t *count)
{
    const char *key;
    json_t *one;

    json_object_foreach ((json_t *)value, key, one)
        if (++*count > AT_ONCE || is_large(one, count))
            return true;
    *count += json_array_size(value);
    return *count > AT_ONCE;
}

static bool is_shown(const struct dumping *d, const char *path)
{
    for (char **secret = d->secrets; secret && *secret; secret++)
        if (overlay_path_under(path, *secret))
            return true;
    return false;
}

/* Is the object masked only where its members are? Then it is written member by member. */
static bool is_open(const struct engine *e, const struct dumping *d, const char *path)
{
    AUTO(json_t) json_t *probe = NULL;

    if (is_shown(d, path))
        return true;
    probe = parts_mask(&e->parts, path, json_object());
    return json_is_object(probe);
}

static int on_compare(const void *a, const void *b, void *parts)
{
    parts_pause(parts);
    return tree_dump_compare(*(const char *const *)a, *(const char *const *)b);
}

static void open_level(const struct engine *e, struct dumping *d, json_t *object)
{
    struct level *level = &d->levels[d->depth++];
    const char *key;
    json_t *one;

    *level = (struct level){.object = json_incref(object), .path_len = d->path.len};
    level->keys = xcalloc(json_object_size(object) + 1, sizeof(*level->keys));
    json_object_foreach (object, key, one)
        level->keys[level->count++] = key;
    qsort_r(level->keys, level->count, sizeof(*level->keys), on_compare,
            (void *)(uintptr_t)&e->parts);
    buf_addc(&d->text, '{');
}

/* Writes the value at d->path. */
static void write_value(const struct engine *e, struct dumping *d, json_t *value)
{
    AUTO(json_t) json_t *shown = NULL;
    size_t count = 0;

    if (json_is_object(value) && d->depth < DEPTH_MAX && is_large(value, &count) &&
        is_open(e, d, buf_str(&d->path))) {
        open_level(e, d, value);
        return;
    }
    shown = grants_show(e, d->secrets, buf_str(&d->path), json_incref(value));
    parts_dump(&e->parts, shown, &d->text);
}

struct dumping *dumping_new(const struct engine *engine, char *const *secrets, const char *path,
                            json_t *value)
{
    struct dumping *d = xcalloc(1, sizeof(*d));
    size_t n = 0;

    while (secrets && secrets[n])
        n++;
    if (secrets)
        d->secrets = xcalloc(n + 1, sizeof(*d->secrets));
    for (size_t i = 0; i < n; i++)
        d->secrets[i] = xstrdup(secrets[i]);
    buf_adds(&d->path, path);
    if (value)
        write_value(engine, d, value);
    else
        buf_adds(&d->text, "null");
    return d;
}

bool dumping_go_on(const struct engine *engine, struct dumping *d)
{
    while (d->depth) {
        struct level *level = &d->levels[d->depth - 1];
        const char *key;

        d->path.len = level->path_len;
        if (level->next == level->count) {
            buf_addc(&d->text, '}');
            level_fini(level);
            d->depth--;
            continue;
        }
        key = level->keys[level->next];
        if (level->next++)
            buf_addc(&d->text, ',');
        buf_add_json(&d->text, key, strlen(key));
        buf_addc(&d->text, ':');
        buf_add_pointer(&d->path, key);
        write_value(engine, d, json_object_get(level->object, key));
        if (requests_time_up(engine))
            return d->depth;
    }
    return false;
}

struct buf dumping_text(struct dumping *d)
{
    struct buf text = d->text;

    d->text = (struct buf){0};
    return text;
}
