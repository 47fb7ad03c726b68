/* The one writer of JSON (RFC 8259): the caller names members and values, the writer adds commas,
 * quotes and escapes. What comes out is a text that the strict scanner (core/json/scan.h) takes:
 * strings are UTF-8, and a key that an object has already is refused together with its value,
 * however deep that is.
 *
 *     struct json_write w = json_write_to(&buf);
 *
 *     json_write_object(&w, NULL);
 *     json_write_string(&w, "name", name);
 *     json_write_array(&w, "links");
 *     for (...)
 *         json_write_string(&w, NULL, links[i]);
 *     json_write_end(&w);
 *     json_write_end(&w);
 *
 * key: the member's name, NULL for an element of an array and at the top. A key where there is no
 * object, none where there is one, an end without a begin and more than JSON_WRITE_DEPTH levels are
 * faults of the caller and end the process. Once the outermost value has ended the writer owns
 * nothing; before that it must be ended or given to json_write_abandon(). The buffer is the
 * caller's all the time and may have had text before. */
#ifndef CORE_BASE_JSON_WRITE_H
#define CORE_BASE_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

#define JSON_WRITE_DEPTH 16

struct json_write_key {
    size_t at; /* in the buffer: the quoted key */
    size_t len;
};

struct json_write {
    struct buf *to;
    unsigned depth;
    unsigned refused; /* members whose key was there already */
    unsigned skip;    /* depth of the value that is being refused, 0: none */
    size_t skip_from; /* where the buffer ends without it */
    struct {
        bool object;
        bool any;    /* it has a member or an element */
        size_t keys; /* its first one in keys */
    } levels[JSON_WRITE_DEPTH];
    struct json_write_key *keys; /* of all open objects, those of each sorted */
    size_t keys_len, keys_cap;
};

/* A writer that appends to `to`, which must outlive it. */
struct json_write json_write_to(struct buf *to);
/* Opens an object, or (json_write_array) an array; json_write_end closes it. */
void json_write_object(struct json_write *w, const char *key);
/* Opens an array, as json_write_object(). */
void json_write_array(struct json_write *w, const char *key);
/* The innermost object or array. */
void json_write_end(struct json_write *w);
/* Frees what an unfinished writer owns; the text so far stays. */
void json_write_abandon(struct json_write *w);

/* text is a C string; NULL writes null. */
void json_write_string(struct json_write *w, const char *key, const char *text);
/* len bytes; those that are not UTF-8, and NUL, become U+FFFD. */
void json_write_string_len(struct json_write *w, const char *key, const char *text, size_t len);
/* As json_write_string, at most `most` bytes; an ellipsis marks what was cut. */
void json_write_most(struct json_write *w, const char *key, const char *text, size_t most);
/* Writes a string by a format of printf(3). */
void json_write_format(struct json_write *w, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Writes an integer, all 64 bits of it. */
void json_write_integer(struct json_write *w, const char *key, int64_t value);
/* Not finite: null. */
void json_write_number(struct json_write *w, const char *key, double value);
/* Writes true or false. */
void json_write_boolean(struct json_write *w, const char *key, bool value);
/* Writes null. */
void json_write_null(struct json_write *w, const char *key);
/* Names the next value and returns the buffer, to which the caller itself appends that one value,
 * as JSON and before the next call: so a large one is not copied. Not at the top; a key twice ends
 * the process here. */
struct buf *json_write_place(struct json_write *w, const char *key);
struct orb_err;
/* An error as frames and orbctl --json carry it: {"code", "text", "path"}; path is "" where
 * there is none. json_read_error (core/json/scan.h) reads it. */
void json_write_error(struct json_write *w, const char *key, const struct orb_err *err);
/* A value that is JSON already: the caller answers for it. */
void json_write_raw(struct json_write *w, const char *key, const char *json, size_t len);

#endif
