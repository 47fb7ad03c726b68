/* Reads a configuration or an input that the host has validated. Included by orbital.h.
 *
 * Single values: orb_text, orb_number, orb_bool, with a fallback when absent. A whole object into a
 * struct of the package: a table.
 *
 *     struct want { char *word; int64_t mtu; bool enabled; };
 *     ORB_FIELDS(want_fields, "") = {
 *         ORB_FIELD_TEXT("word", struct want, word, "Hello"),
 *         ORB_FIELD_INT("mtu", struct want, mtu, 0),
 *         ORB_FIELD_BOOL("enabled", struct want, enabled, true),
 *         ORB_FIELDS_END,
 *     };
 *     orb_read(want_fields, cJSON_GetObjectItemCaseSensitive(change->tree, "greeter"), want, err);
 *
 * The second argument of ORB_FIELDS is the place of the object in the configuration of schema.json,
 * a JSON pointer below "config" with * for any name: "/targets/" and a star. orbital-fieldcheck
 * compares the table with the schema when the package is built: every text, number and boolean
 * there must be read, by its type, and with the default the schema gives (none: NULL, 0, false). */
#ifndef ORBITAL_READ_H
#define ORBITAL_READ_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "orbital/error.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Member key of object; fallback when object is NULL or has no such member, or one of another type.
 * The text is valid as long as object. */
const char *orb_text(const cJSON *object, const char *key, const char *fallback);
int64_t orb_number(const cJSON *object, const char *key, int64_t fallback); /* as orb_int64 */
/* As orb_text, for a boolean. */
bool orb_bool(const cJSON *object, const char *key, bool fallback);

/* The part of a tree at a JSON pointer; NULL when there is none. An invalid
 * pointer also gives NULL. */
const cJSON *orb_at(const cJSON *tree, const char *pointer);
/* Writes the JSON pointer (RFC 6901, ~ and / escaped) of these names, the last of which is followed
 * by NULL, to path and returns path. Names are left out from the first that does not fit.
 * orb_pointer(path, sizeof(path), "acme-probe", "targets", name, NULL) */
const char *orb_pointer(char *path, size_t size, ...) __attribute__((sentinel));
/* Appends one more name to the pointer in path, which has room for size bytes with its NUL. false:
 * it does not fit, path is unchanged. */
bool orb_pointer_add(char *path, size_t size, const char *name);

enum orb_field_type { ORB_FIELD_END_, ORB_TEXT, ORB_INT, ORB_BOOL, ORB_REAL, ORB_OTHER };

struct orb_field {
    const char *key;
    enum orb_field_type type;
    size_t offset;
    int64_t number;
    double real;
    const char *text;
};

/* Reads the members of object (NULL: none) into the struct at to. Texts are copied; free them with
 * orb_read_free. Members without a field stay unchanged. Errors: ORB_E_SCHEMA (a member of
 * another type, an integer that is not exact), ORB_E_NOMEM; then there is nothing to free. */
static inline int orb_read(const struct orb_field *fields, const cJSON *object, void *to,
                           struct orb_err *err);
/* Frees the texts allocated by orb_read and sets them to NULL; safe on zeroed memory. */
static inline void orb_read_free(const struct orb_field *fields, void *from);

/* Called by the two above; size: of struct orb_field as the package was built. */
int orb_read_sized(const struct orb_field *fields, size_t size, const cJSON *object, void *to,
                   struct orb_err *err);
/* Called by orb_read_free. */
void orb_read_free_sized(const struct orb_field *fields, size_t size, void *from);

#pragma GCC visibility pop

static inline int orb_read(const struct orb_field *fields, const cJSON *object, void *to,
                           struct orb_err *err)
{
    return orb_read_sized(fields, sizeof(*fields), object, to, err);
}

static inline void orb_read_free(const struct orb_field *fields, void *from)
{
    orb_read_free_sized(fields, sizeof(*fields), from);
}

#ifdef __cplusplus
}
#endif

#ifdef ORB_FIELD_CHECK /* orbital-fieldcheck reads this out of the preprocessor */
#define ORB_FIELDS(table, place) @fields place @
#define ORB_FIELD_TEXT(key, type, member, fallback) @string key, fallback @
#define ORB_FIELD_INT(key, type, member, fallback) @integer key, fallback @
#define ORB_FIELD_BOOL(key, type, member, fallback) @boolean key, fallback @
#define ORB_FIELD_REAL(key, type, member, fallback) @number key, fallback @
#define ORB_FIELD_OTHER(key) @other key, 0 @
#define ORB_FIELDS_END @end @
#else
#define ORB_FIELDS(table, place) static const struct orb_field table[]
/* A member of another type than the field's does not compile. */
#define ORB_OFFSET_(type, member, wanted)                                                          \
    (offsetof(type, member) + 0 * sizeof(1 ? &((type *)0)->member : (wanted *)0))
#define ORB_FIELD_TEXT(key, type, member, fallback)                                                \
    {                                                                                              \
        key, ORB_TEXT, ORB_OFFSET_(type, member, char *), 0, 0, fallback                           \
    }
#define ORB_FIELD_INT(key, type, member, fallback)                                                 \
    {                                                                                              \
        key, ORB_INT, ORB_OFFSET_(type, member, int64_t), fallback, 0, NULL                        \
    }
#define ORB_FIELD_BOOL(key, type, member, fallback)                                                \
    {                                                                                              \
        key, ORB_BOOL, ORB_OFFSET_(type, member, bool), fallback, 0, NULL                          \
    }
#define ORB_FIELD_REAL(key, type, member, fallback)                                                \
    {                                                                                              \
        key, ORB_REAL, ORB_OFFSET_(type, member, double), 0, fallback, NULL                        \
    }
/* Read in another way, or not read. */
#define ORB_FIELD_OTHER(key)                                                                       \
    {                                                                                              \
        key, ORB_OTHER, 0, 0, 0, NULL                                                              \
    }
#define ORB_FIELDS_END                                                                             \
    {                                                                                              \
        NULL, ORB_FIELD_END_, 0, 0, 0, NULL                                                        \
    }
#endif

#endif
