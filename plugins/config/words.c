/* Texts of services about a change – plans, errors – are read by users who may not see secrets, and
 * a service that was granted secrets may include them. Each occurrence of a secret it can know is
 * masked: those of the change, and those it attached to. */
#include <ctype.h>
#include <string.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "plugins/config/engine_internal.h"
#include "plugins/config/member.h"
#include "plugins/config/parts.h"
#include "plugins/config/subscriber.h"
#include "plugins/config/words.h"

#define ANYWHERE 4 /* bytes; a shorter secret is masked only as a separate word */
#define LENGTHS 256

struct words {
    json_t *secrets; /* {secret: true} */
    size_t lengths[LENGTHS];
    size_t count; /* of lengths, the longest first */
};

static void note_text(struct words *w, const char *text, size_t len)
{
    size_t i = 0, j;

    if (!len || json_object_getn(w->secrets, text, len))
        return;
    while (i < w->count && w->lengths[i] > len)
        i++;
    if (i < w->count && w->lengths[i] == len) {
        json_object_setn_new(w->secrets, text, len, json_true());
        return;
    }
    if (w->count == LENGTHS)
        return;
    for (j = w->count++; j > i; j--)
        w->lengths[j] = w->lengths[j - 1];
    w->lengths[i] = len;
    json_object_setn_new(w->secrets, text, len, json_true());
}

/* All of a hidden value, names of members included. */
static void note(struct words *w, const json_t *value)
{
    AUTO(buf) struct buf text = {0};
    const char *key;
    json_t *one;
    size_t i;

    if (json_is_string(value))
        note_text(w, json_string_value(value), json_string_length(value));
    if (json_is_number(value)) {
        tree_dump(value, &text);
        note_text(w, text.data, text.len);
    }
    json_object_foreach ((json_t *)value, key, one) {
        note_text(w, key, strlen(key));
        note(w, one);
    }
    json_array_foreach (value, i, one)
        note(w, one);
}

/* What differs between a value and how it is shown. */
static void compare(struct words *w, const json_t *value, const json_t *shown)
{
    const char *key;
    json_t *one;
    size_t i;

    if (value == shown)
        return;
    if (json_is_string(shown)) {
        if (!json_equal(value, shown))
            note(w, value);
        return;
    }
    json_object_foreach ((json_t *)value, key, one)
        compare(w, one, json_object_get(shown, key));
    json_array_foreach (value, i, one)
        compare(w, one, json_array_get(shown, i));
}

static void collect(struct words *w, const struct engine *e, const char *path, json_t *value)
{
    AUTO(json_t) json_t *shown = NULL;

    if (!value)
        return;
    shown = parts_mask(&e->parts, path, json_incref(value));
    compare(w, value, shown);
}

struct words *words_of(const struct tx *tx, const char *service)
{
    struct engine *e = tx->engine;
    const struct subscriber *s = subscriber_find(e, service);
    struct words *w;

    if (!s || !s->secrets || !*s->secrets)
        return NULL;
    w = xcalloc(1, sizeof(*w));
    w->secrets = json_object();
    for (char **path = s->secrets; *path; path++)
        collect(w, e, *path, tree_get(e->store.running, *path));
    for (size_t i = 0; i < json_array_size(tx->patch); i++) {
        const json_t *op = json_array_get(tx->patch, i);
        const char *path = member_text(op, "path", "");

        collect(w, e, path, json_object_get(op, "value"));
        collect(w, e, path, json_object_get(op, "old"));
    }
    return w;
}

void words_free(struct words *w)
{
    if (!w)
        return;
    json_decref(w->secrets);
    free(w);
}

static bool is_alone(const char *text, const char *at, size_t len)
{
    return (at == text || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[len]);
}

/* The length of the longest secret at `at`, 0: none. */
static size_t secret_at(const struct words *w, const char *text, const char *at, size_t left)
{
    for (size_t i = 0; i < w->count; i++) {
        size_t len = w->lengths[i];

        if (len <= left && json_object_getn(w->secrets, at, len) &&
            (len >= ANYWHERE || is_alone(text, at, len)))
            return len;
    }
    return 0;
}

void words_show(const struct words *w, const char *text, struct buf *to)
{
    size_t left = strlen(text), len;

    if (!w || !w->count) {
        buf_adds(to, text);
        return;
    }
    for (const char *at = text; left; at += len, left -= len) {
        len = secret_at(w, text, at, left);
        if (len)
            buf_adds(to, SECRET_MASK);
        else
            buf_add(to, at, len = 1);
    }
}

void words_plan(const struct words *w, json_t *plan)
{
    static const char *const members[] = {"kind", "text"};
    json_t *step;
    size_t i;

    json_array_foreach (w ? plan : NULL, i, step)
        for (size_t k = 0; k < ARRAY_LEN(members); k++) {
            AUTO(buf) struct buf shown = {0};

            words_show(w, member_text(step, members[k], ""), &shown);
            json_object_set_new(step, members[k], json_string(buf_str(&shown)));
        }
}

void words_error(const struct words *w, struct orb_err *err)
{
    AUTO(buf) struct buf text = {0}, path = {0};

    if (!w)
        return;
    words_show(w, err->text, &text);
    words_show(w, err->path, &path);
    snprintf(err->text, sizeof(err->text), "%s", buf_str(&text));
    snprintf(err->path, sizeof(err->path), "%s", buf_str(&path));
}
