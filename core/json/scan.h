/* The one strict reader of JSON bytes from outside (RFC 8259, strict UTF-8): no duplicate keys, no
 * trailing bytes, no lone surrogates, no NUL in strings, integers within 64 bits, bounded depth and
 * key count. It builds no tree; what passes means the same to jansson and to cJSON. */
#ifndef CORE_JSON_SCAN_H
#define CORE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orbital/error.h"

#define JSON_MAX_DEPTH 32
#define JSON_MAX_KEYS 1024         /* per object, frames */
#define JSON_MAX_TREE_KEYS 1000000 /* per object, configuration files */

struct json_limits {
    uint32_t depth;
    uint32_t keys; /* per object */
    /* Called with arg between the values of a long text, which is gone on with when it returns;
     * NULL: none is. */
    void (*pause)(void *arg);
    void *arg;
};

/* Checks the whole text. limits NULL: JSON_MAX_DEPTH, JSON_MAX_KEYS. Error ORB_E_SYNTAX (or
 * ORB_E_LIMIT) with byte offset, line:column, what was found and what was expected. */
int scan_json(const char *text, size_t len, const struct json_limits *limits, struct orb_err *err);

/* A piece of the text: one value. type: 'o' 'a' 's' (string) 'i' (integer) 'n' (other number) 't'
 * 'f' '0' (null). */
struct json_slice {
    const char *p; /* first byte of the value (the quote of a string) */
    size_t len;
    char type;
};

/* Finds a member of the object text (scanned before). Returns 1 when found, else 0. */
int json_member(const char *text, size_t len, const char *key, struct json_slice *ret_value);
/* Copies a string value, unescaped, NUL-terminated; -1 when it is no string or does not fit. (Not
 * called json_string: jansson exports that name.) */
int json_text(const struct json_slice *value, char *to, size_t size);
/* Copies a string member of the object text (scanned before), as json_text() does. -1 when there is
 * none or it does not fit: to is "". */
int json_text_member(const char *text, size_t len, const char *key, char *to, size_t size);
/* Reads an error as json_write_error writes it from the object text (already scanned). 0: ret_err
 * holds its code (ORB_E_INTERNAL: unknown name), its text (the code's sentence when it has none)
 * and its path, the latter two cut at their sizes; -1: there is no "code", ret_err is
 * ORB_E_INTERNAL with its sentence. */
int json_read_error(const char *text, size_t len, struct orb_err *ret_err);
/* Reads an integer; -1 when it is none or out of range. */
int json_int64(const struct json_slice *value, int64_t *ret_number);

#endif
