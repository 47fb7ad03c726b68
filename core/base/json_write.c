#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json_write.h"
#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "orbital/error.h"

struct json_write json_write_to(struct buf *to)
{
    return (struct json_write){.to = to};
}

void json_write_abandon(struct json_write *w)
{
    free(w->keys);
    *w = (struct json_write){.to = w->to};
}

/* Shorter ones first, so that most comparisons look at no byte. */
static int compare_keys(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len != b_len ? (a_len < b_len ? -1 : 1) : memcmp(a, b, a_len);
}

/* Notes the quoted key that ends the buffer as one of the innermost object; false when it has one
 * like it. */
static bool note_key(struct json_write *w, size_t at)
{
    const char *text = w->to->data;
    size_t len = w->to->len - at, low = w->levels[w->depth - 1].keys, high = w->keys_len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_keys(text + at, len, text + w->keys[middle].at, w->keys[middle].len);

        if (order == 0)
            return false;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    if (w->keys_len == w->keys_cap) {
        w->keys_cap = w->keys_cap ? w->keys_cap * 2 : 16;
        w->keys = xrealloc(w->keys, w->keys_cap * sizeof(*w->keys));
    }
    memmove(w->keys + low + 1, w->keys + low, (w->keys_len - low) * sizeof(*w->keys));
    w->keys[low] = (struct json_write_key){.at = at, .len = len};
    w->keys_len++;
    return true;
}

/* Writes the separator and the key that precede a value. */
static void begin_value(struct json_write *w, const char *key)
{
    size_t from = w->to->len, at;

    if (!w->depth) {
        assert(!key);
        return;
    }
    assert(w->levels[w->depth - 1].object == (key != NULL));
    if (w->levels[w->depth - 1].any)
        buf_addc(w->to, ',');
    if (key) {
        at = w->to->len;
        buf_add_json(w->to, key, strlen(key));
        if (!w->skip && !note_key(w, at)) {
            w->refused++;
            w->skip = w->depth;
            w->skip_from = from;
        }
        buf_addc(w->to, ':');
    }
    if (w->skip != w->depth)
        w->levels[w->depth - 1].any = true;
}

/* A refused value is taken away again once it is whole. */
static void end_value(struct json_write *w)
{
    if (w->skip && w->skip == w->depth) {
        w->to->len = w->skip_from;
        w->to->data[w->to->len] = '\0';
        w->skip = 0;
    }
    if (!w->depth)
        json_write_abandon(w);
}

static void begin_level(struct json_write *w, const char *key, bool object)
{
    begin_value(w, key);
    assert(w->depth < JSON_WRITE_DEPTH);
    w->levels[w->depth].object = object;
    w->levels[w->depth].any = false;
    w->levels[w->depth].keys = w->keys_len;
    w->depth++;
    buf_addc(w->to, object ? '{' : '[');
}

void json_write_object(struct json_write *w, const char *key)
{
    begin_level(w, key, true);
}

void json_write_array(struct json_write *w, const char *key)
{
    begin_level(w, key, false);
}

void json_write_end(struct json_write *w)
{
    assert(w->depth);
    w->depth--;
    w->keys_len = w->levels[w->depth].keys;
    buf_addc(w->to, w->levels[w->depth].object ? '}' : ']');
    end_value(w);
}

void json_write_string_len(struct json_write *w, const char *key, const char *text, size_t len)
{
    begin_value(w, key);
    buf_add_json(w->to, text, len);
    end_value(w);
}

void json_write_string(struct json_write *w, const char *key, const char *text)
{
    if (text)
        json_write_string_len(w, key, text, strlen(text));
    else
        json_write_null(w, key);
}

void json_write_most(struct json_write *w, const char *key, const char *text, size_t most)
{
    AUTO(buf) struct buf quoted = {0};

    buf_add_json_most(&quoted, text, strlen(text), most);
    json_write_raw(w, key, quoted.data, quoted.len);
}

void json_write_format(struct json_write *w, const char *key, const char *format, ...)
{
    AUTO(buf) struct buf text = {0};
    va_list args;

    va_start(args, format);
    buf_addv(&text, format, args);
    va_end(args);
    json_write_string_len(w, key, buf_str(&text), text.len);
}

void json_write_integer(struct json_write *w, const char *key, int64_t value)
{
    begin_value(w, key);
    buf_addf(w->to, "%" PRId64, value);
    end_value(w);
}

void json_write_number(struct json_write *w, const char *key, double value)
{
    char text[32];

    if (!isfinite(value)) {
        json_write_null(w, key);
        return;
    }
    snprintf(text, sizeof(text), "%.15g", value);
    if (strtod(text, NULL) != value)
        snprintf(text, sizeof(text), "%.17g", value);
    json_write_raw(w, key, text, strlen(text));
}

void json_write_boolean(struct json_write *w, const char *key, bool value)
{
    begin_value(w, key);
    buf_adds(w->to, value ? "true" : "false");
    end_value(w);
}

void json_write_null(struct json_write *w, const char *key)
{
    begin_value(w, key);
    buf_adds(w->to, "null");
    end_value(w);
}

void json_write_raw(struct json_write *w, const char *key, const char *json, size_t len)
{
    assert(len);
    begin_value(w, key);
    buf_add(w->to, json, len);
    end_value(w);
}

struct buf *json_write_place(struct json_write *w, const char *key)
{
    assert(w->depth);
    begin_value(w, key);
    assert(w->skip != w->depth);
    return w->to;
}

void json_write_error(struct json_write *w, const char *key, const struct orb_err *err)
{
    json_write_object(w, key);
    json_write_string(w, "code", orb_code_name(err->code));
    json_write_string(w, "text", err->text);
    json_write_string(w, "path", err->path);
    json_write_end(w);
}
