/* One run of the checker: what its files pass on to each other. */
#ifndef CORE_JSON_SCHEMA_CHECK_H
#define CORE_JSON_SCHEMA_CHECK_H

#include "core/json/schema_internal.h"

#define UNITS_PER_BYTE 2
#define UNITS_TO_PAUSE 1000
#define UNIT_BYTES 32 /* read once; made into a tree to be compared: half a byte */

struct check {
    const char *end;  /* of the text */
    uint64_t budget;  /* units left: a schema looked at, 32 bytes of the value read, … */
    uint64_t charged; /* since it paused last */
    const struct schema_shared *shared; /* NULL: it does not pause */
    unsigned depth;
    unsigned quiet; /* above 0: an alternative is being tried, errors need no text */
    const char *base;
    struct orb_err *err;
};

/* Position of a value: a chain on the stack, turned into a path only for an error. */
struct spot {
    const struct spot *up; /* NULL above: the whole text, at the base path */
    const char *key;       /* inside the quotes, as spelled; NULL: an element */
    size_t len;
    size_t index;
};

/* A check of text, which must outlive it. base_path: put before the paths of errors. */
void schema_check_init(struct check *c, const char *text, size_t len, const char *base_path,
                       struct orb_err *err);
/* Checks the value that starts at p and returns where it ends (on success). */
int schema_check_value(struct check *c, const struct schema *s, const struct spot *spot,
                       const char *p, const char **ret_end);

/* The value that starts at p, as json_value(); of a long one in slices. */
const char *schema_check_skip(const struct check *c, const char *p, struct json_slice *ret_value);

/* Takes so many units; ORB_E_LIMIT when they are used up. */
int schema_check_charge(struct check *c, const struct spot *spot, uint64_t units);
/* What the match of a pattern costs. */
uint64_t schema_check_match_units(const struct pattern *pattern, size_t len);

/* Each fills the error, unless an alternative is tried, and returns its code (schema_value.c). */
int schema_value_say(struct check *c, const struct spot *spot, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "expected EXPECTED; got V": v is shown shortened, of a secret its type alone. ORB_E_SCHEMA. */
int schema_value_mismatch(struct check *c, const struct schema *s, const struct spot *spot,
                          const struct json_slice *v, const char *expected);
/* n things called what (plural: "members") where least to most may be. ORB_E_SCHEMA. */
int schema_value_wrong_count(struct check *c, const struct spot *spot, const char *what, uint64_t n,
                             uint64_t least, uint64_t most);
/* The text at spot is too long for a pattern; r: the code to return, of the limit. */
int schema_value_too_costly(struct check *c, const struct spot *spot, int r);

/* uniqueItems of the array v (schema_unique.c). */
int schema_unique_check(struct check *c, const struct spot *spot, const struct json_slice *v);
/* enum and const; numbers, text and the rest that holds no other values. */
int schema_value_check_choices(struct check *c, const struct schema *s, const struct spot *spot,
                               const struct json_slice *v);
/* The keywords of texts (length, pattern, format) and numbers (range, multiple, format); 0 for
 * other types. ORB_E_SCHEMA, ORB_E_LIMIT when the budget is used up. */
int schema_value_check_scalar(struct check *c, const struct schema *s, const struct spot *spot,
                              const struct json_slice *v);

#endif
